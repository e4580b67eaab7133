"""Decoding in processes: a slow, crashing or greedy file harms only its own request."""

import asyncio
import io
import time

import numpy as np
import psutil
import pytest
from PIL import Image
from starlette.requests import ClientDisconnect

from discogan.web import Limits, create_app
from discogan.web.batching import BusyError
from discogan.web.decoding import Decoders, PixelMemory, StoppedError, process_count
from tests.web.conftest import connect, opened, png

hostile = pytest.importorskip("hostile", reason="psutil is not installed")

TRANSLATE = "/v1/translate?direction=a_to_b"
TASK = {
    "kind": "prepare",
    "content_type": "",
    "options": (3, 32, "crop", "white"),
    "max_pixels": 25_000_000,
    "large_pixels": 0,
    "max_reply_bytes": 3 * 32 * 32,
}


async def stay() -> bool:
    """A client that waits for its response."""
    return False


async def leave() -> bool:
    """A client that has disconnected."""
    return True


def run(work):
    """Run a coroutine of a pool, and return its result when no process is left."""

    async def main():
        pool = Decoders(2, 10, 8)
        try:
            return await work(pool)
        finally:
            await pool.close()

    before = psutil.Process().children()
    try:
        return asyncio.run(main())
    finally:
        assert psutil.Process().children() == before


def test_a_process_is_used_again():
    async def work(pool):
        replies = [await pool.run(TASK, [png()], stay) for _ in range(3)]
        return replies, len(pool._idle)

    replies, idle = run(work)
    assert [meta["outcome"] for meta, _ in replies] == ["done"] * 3
    assert replies[0][0]["shape"] == [32, 32, 3]
    assert idle == 1


def test_a_file_that_takes_too_long_is_stopped_and_the_next_is_decoded():
    async def work(pool):
        await pool.run(TASK, [png()], stay)
        pool.seconds, started = 0.3, time.monotonic()
        with pytest.raises(StoppedError):
            await pool.run(TASK, [hostile.empty_chunks()], stay)
        seconds = time.monotonic() - started
        pool.seconds = 10
        return seconds, await pool.run(TASK, [png()], stay)

    seconds, (meta, _) = run(work)
    assert seconds < 2
    assert meta["outcome"] == "done"


def test_a_cancelled_request_stops_its_process():
    async def work(pool):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await pool.run(TASK, [hostile.empty_chunks()], stay)
        return len(pool._idle)

    assert run(work) == 0


def test_a_process_that_crashes_is_replaced():
    async def work(pool):
        await pool.run(TASK, [png()], stay)
        pool._idle[0].kill()
        broken, _ = await pool.run(TASK, [png()], stay)
        whole, _ = await pool.run(TASK, [png()], stay)
        return broken["outcome"], whole["outcome"]

    assert run(work) == ("damaged", "done")


def test_a_client_that_has_gone_does_not_keep_a_process_busy():
    async def work(pool):
        await asyncio.gather(*(pool.run(TASK, [png()], stay) for _ in range(2)))
        tasks = [asyncio.create_task(pool.run(TASK, [png()], leave)) for _ in range(4)]
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = run(work)
    assert sum(isinstance(result, ClientDisconnect) for result in results) == 2


def test_too_many_waiting_files_are_refused():
    async def work(pool):
        pool.max_waiting = 1
        tasks = [asyncio.create_task(pool.run(TASK, [png()], stay)) for _ in range(4)]
        return await asyncio.gather(*tasks, return_exceptions=True)

    assert sum(isinstance(result, BusyError) for result in run(work)) == 1


def test_a_large_image_needs_permission():
    body = hostile.many_pixels(side=1200)

    async def work(pool):
        first, _ = await pool.run(TASK, [body], stay)
        second, pixels = await pool.run(TASK | {"large_pixels": first["pixels"]}, [body], stay)
        return first, second, pixels

    first, second, pixels = run(work)
    assert first == {"outcome": "large", "pixels": 1_440_000, "retire": False}
    assert (second["outcome"], len(pixels)) == ("done", 3 * 32 * 32)


@pytest.mark.skipif(not hostile.Path("/proc/self/statm").exists(), reason="only Linux limits the memory of a process")
def test_the_memory_of_a_process_is_limited():
    """A TIFF file whose tags claim hundreds of gigabytes together."""
    meta, _ = run(lambda pool: pool.run(TASK, [hostile.looping_tiff()], stay))
    assert meta["outcome"] in ("memory", "no_image", "damaged")


def expensive_images():
    """Images of 25 megapixels of every kind that Pillow decodes in another way."""
    grey = np.zeros((5000, 5000), np.uint8)
    yield "16 bits", "PNG", Image.fromarray(grey.astype(np.uint16))
    yield "float", "TIFF", Image.fromarray(grey.astype(np.float32))
    yield "transparent", "WEBP", Image.new("RGBA", (5000, 5000), (9, 9, 9, 9))
    yield "grey with alpha", "PNG", Image.new("LA", (5000, 5000))
    yield "CMYK", "JPEG", Image.new("CMYK", (5000, 5000))
    yield "palette", "GIF", Image.new("P", (5000, 5000))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "image"), [(k, i) for _, k, i in expensive_images()], ids=[n for n, *_ in expensive_images()]
)
def test_the_largest_image_of_each_kind_is_decoded_within_the_memory(kind, image):
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # Turned by 90 degrees.
    image.save(stream, kind, **({"exif": exif} if kind in ("PNG", "JPEG", "WEBP") else {}))
    task = TASK | {"large_pixels": 25_000_000}
    assert run(lambda pool: pool.run(task, [stream.getvalue()], stay))[0]["outcome"] == "done"


def test_pixels_share_memory_and_wait_in_turn():
    async def main():
        memory, log = PixelMemory(10, 20), []

        async def use(name, pixels):
            async with memory.share(pixels):
                log.append(name)
                assert memory.held <= 10
                await asyncio.sleep(0.01)

        tasks = [asyncio.create_task(use(name, pixels)) for name, pixels in (("a", 6), ("b", 6), ("c", 4))]
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await use("d", 15)
        await asyncio.gather(*tasks)
        assert (memory.held, memory.waiting) == (0, 0)
        with pytest.raises(TimeoutError):
            async with memory.share(10), asyncio.timeout(0.01):
                await use("e", 1)
        assert (memory.held, memory.waiting) == (0, 0)
        return log

    assert sorted(asyncio.run(main())) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("size", "status"), [((317, 316), 413), ((400, 400), 413), ((600, 600), 413), ((316, 316), 200)]
)
def test_too_many_pixels_get_413(served, size, status):
    """The largest of them is refused by Pillow itself, as a decompression bomb."""
    with connect(create_app(served, Limits(max_pixels=100_000))) as client:
        answer = client.post(TRANSLATE, content=png(size))
        assert answer.status_code == status
        assert status == 200 or "pixels" in answer.json()["detail"]


@pytest.mark.parametrize("size", [(200_000, 1), (1, 200_000), (60_000, 3)])
def test_an_extreme_shape_is_enlarged_within_its_own_pixels(served, size):
    with connect(create_app(served, Limits())) as client:
        answer = client.post(f"{TRANSLATE}&original_size=true", content=png(size))
        assert opened(answer).size in (size, (min(size), min(size)))


def test_a_large_result_counts_as_an_upload_until_it_is_sent(served):
    body = png((1500, 1500))
    app = create_app(served, Limits(max_bytes=20_000, max_held=20_000))
    with connect(app) as client:
        answer = client.post(f"{TRANSLATE}&original_size=true", content=body)
        assert answer.status_code == 503
        assert app.state.service.upload_memory.held == 0
    with connect(create_app(served, Limits())) as client:
        assert opened(client.post(f"{TRANSLATE}&original_size=true", content=body)).size == (1500, 1500)


def test_a_slow_file_gets_504_and_is_counted(served):
    with connect(create_app(served, Limits(decode_seconds=0.5))) as client:
        answer = client.post(TRANSLATE, content=hostile.empty_chunks())
        assert answer.status_code == 504
        assert "Decoding" in answer.json()["detail"]
        assert "discogan_stopped_decodings_total 0.0" not in client.get("/metrics").text


def test_the_token_does_not_reach_the_processes(monkeypatch):
    monkeypatch.setenv("DISCOGAN_TOKEN", "secret-of-the-server")

    async def work(pool):
        await pool.run(TASK, [png()], stay)
        return psutil.Process(pool._idle[0].pid).environ()

    assert "DISCOGAN_TOKEN" not in run(work)


def test_there_are_at_least_two_processes():
    assert 2 <= process_count() <= 8


def test_a_client_that_goes_while_its_file_is_decoded_frees_the_process():
    async def work(pool):
        started = time.monotonic()
        with pytest.raises(ClientDisconnect):
            await pool.run(TASK, [hostile.empty_chunks()], leave)
        return time.monotonic() - started

    assert run(work) < 4
