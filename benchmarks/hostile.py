"""Measure a server under hostile requests: how fast it still answers, and how much memory it needs.

    python benchmarks/hostile.py RUN [--count 100] [--seconds 8] [--kinds chunks,pixels]

Starts ``discogan serve`` with its default limits for each kind of attack, keeps ``--count`` hostile requests open from
this machine, and requests ``/healthz`` meanwhile. The table has the longest answer of ``/healthz``, the largest memory
of all processes of the server together, and the responses to the hostile requests.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import multiprocessing
import struct
import time
import urllib.request
import zlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from serving import Server

HEAD = "POST /v1/translate?direction=a_to_b{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
UPLOAD_BYTES = 9_900_000
"""Just below the default limit."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--kinds", default=",".join(ATTACKS))
    arguments = parser.parse_args()
    print("| attack | longest /healthz | 95th percentile | peak memory | responses |\n|---|---|---|---|---|")
    for kind in arguments.kinds.split(","):
        measured = measure(arguments.run, ATTACKS[kind], arguments.count, arguments.seconds)
        counts = ", ".join(f"{count} x {status}" for status, count in sorted(measured.responses.items()))
        print(
            f"| {ATTACKS[kind].title} | {max(measured.waits):.3f} s | {np.percentile(measured.waits, 95):.3f} s "
            f"| {measured.peak_bytes / 1e6:,.0f} MB | {counts} |",
            flush=True,
        )


@dataclass
class Attack:
    """A kind of hostile request."""

    title: str
    request: Callable[[], bytes]
    """Returns the bytes that each connection sends."""
    drip: bytes = b""
    """Sent again and again afterwards."""
    drip_seconds: float = 0.5
    multiple: int = 1
    """Connections instead of one."""
    reads: bool = True
    """Whether the client reads its response."""


@dataclass
class Measured:
    """The seconds of each answer of /healthz, the peak memory, and the number of responses by status."""

    waits: list[float]
    peak_bytes: int
    responses: Counter[str]


def measure(run: Path, attack: Attack, count: int, seconds: float) -> Measured:
    """Attack a new server for some seconds."""
    server = Server(run)
    with server as port, ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        # The hostile requests keep this process busy, so another one requests /healthz.
        waits = pool.submit(measure_health, port, seconds)
        measured = asyncio.run(_attack(port, server.process.pid, attack, count * attack.multiple, seconds))
        measured.waits = waits.result()
    return measured


def measure_health(port: int, seconds: float) -> list[float]:
    """Return the seconds of each answer of /healthz; raise an error unless each is 200."""
    waits = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=30).read()
        waits.append(time.perf_counter() - started)
        time.sleep(0.05)
    return waits


async def _attack(port: int, pid: int, attack: Attack, count: int, seconds: float) -> Measured:
    measured = Measured([], 0, Counter())
    request = attack.request()
    end = time.perf_counter() + seconds
    tasks = [asyncio.create_task(_send(port, request, attack, measured.responses)) for _ in range(count)]
    watch = asyncio.create_task(_watch_memory(pid, measured))
    while time.perf_counter() < end:
        await asyncio.sleep(0.05)
    watch.cancel()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    measured.responses["none yet"] = count - sum(measured.responses.values())
    return measured


async def _send(port: int, request: bytes, attack: Attack, responses: Counter[str]) -> None:
    """Send a hostile request and count the status of its response."""
    status = "no answer"
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        if not attack.reads:
            await asyncio.Event().wait()
        reading = asyncio.create_task(reader.readline())
        while not reading.done() and attack.drip:
            writer.write(attack.drip)
            await asyncio.wait([reading], timeout=attack.drip_seconds)
        line = await reading
        status = line.split()[1].decode() if line else "closed"
        writer.close()
    except (ConnectionError, OSError):
        status = "closed"
    responses[status] += 1


async def _watch_memory(pid: int, measured: Measured) -> None:
    """Keep the largest resident memory of the server and its processes."""
    server = psutil.Process(pid)
    while True:
        total = 0
        for process in [server, *server.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        measured.peak_bytes = max(measured.peak_bytes, total)
        await asyncio.sleep(0.1)


# Files -------------------------------------------------------------------------------------------


def upload(body: bytes, query: str = "", content_type: str = "image/png") -> bytes:
    """Return a request that uploads a file."""
    head = HEAD.format(query) + f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def png_chunk(kind: bytes, content: bytes = b"") -> bytes:
    """Return a chunk of a PNG file."""
    return struct.pack("!I", len(content)) + kind + content + struct.pack("!I", zlib.crc32(kind + content))


def png_of(*chunks: bytes, size: tuple[int, int] = (32, 32)) -> bytes:
    """Return a PNG file with some chunks between its header and its pixels."""
    header = png_chunk(b"IHDR", struct.pack("!IIBBBBB", *size, 8, 2, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(bytes(size[1] * (1 + 3 * size[0]))))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + pixels + png_chunk(b"IEND")


def empty_chunks() -> bytes:
    """Return a PNG file of 9.9 MB that has hardly anything but empty chunks."""
    return png_of(png_chunk(b"prVt") * (UPLOAD_BYTES // 12))


def text_chunks() -> bytes:
    """Return a PNG file of many short texts."""
    text = png_chunk(b"tEXt", b"a\0b")
    return png_of(text * (UPLOAD_BYTES // len(text)))


def compressed_texts() -> bytes:
    """Return a PNG file of texts that are a thousand times larger when they are decompressed."""
    text = png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(900_000), 9))
    return png_of(text * (UPLOAD_BYTES // len(text)))


def animation(kind: str, frames: int, **options: object) -> bytes:
    """Return an animation of small frames."""
    images = [Image.new("RGB", (8, 8), (number % 256, number // 256, 0)) for number in range(frames)]
    stream = io.BytesIO()
    images[0].save(stream, kind, save_all=True, append_images=images[1:], **options)
    return stream.getvalue()


def many_gif_frames() -> bytes:
    """Return a GIF file with 10^5 frames; only the first is needed."""
    frame = b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0"
    return b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff" + frame * 100_000 + b"\x3b"


def looping_tiff(tags: int = 65_535) -> bytes:
    """Return a TIFF file whose directory has many tags of 4 MB each, and names itself as the next."""
    entries = b"".join(struct.pack("<HHII", 40_000 + number % 25_000, 1, 4_000_000, 8) for number in range(tags))
    directory = struct.pack("<H", tags) + entries + struct.pack("<I", 8)
    return b"II*\0\x08\0\0\0" + directory + bytes(5_000_000)


def many_jpeg_markers() -> bytes:
    """Return a JPEG file with millions of empty application segments."""
    stream = io.BytesIO()
    Image.new("RGB", (32, 32)).save(stream, "JPEG")
    data = stream.getvalue()
    return data[:2] + b"\xff\xee\x00\x02" * (UPLOAD_BYTES // 4) + data[2:]


def many_pixels(kind: str = "PNG", mode: str = "I;16", side: int = 5000) -> bytes:
    """Return a small file of 25 million pixels."""
    stream = io.BytesIO()
    if mode == "I;16":
        Image.fromarray(np.zeros((side, side), np.uint16)).save(stream, kind)
    else:
        Image.new(mode, (side, side)).save(stream, kind)
    return stream.getvalue()


def form_of_headers() -> bytes:
    """Return a form whose part has one header of megabytes."""
    return b"--b\r\nContent-Disposition: " + b"x" * UPLOAD_BYTES


def form_of_newlines() -> bytes:
    """Return a form of newlines that could each begin a boundary."""
    return b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + b"\r\n--" * (
        UPLOAD_BYTES // 4
    )


SLOW_BODY = (HEAD.format("") + "Content-Length: 1000000\r\n\r\n").encode()
FORM = "multipart/form-data; boundary=b"
ATTACKS = {
    "chunks": Attack("PNG of 825,000 empty chunks, 9.9 MB", lambda: upload(empty_chunks())),
    "texts": Attack("PNG of 660,000 texts", lambda: upload(text_chunks())),
    "ztexts": Attack("PNG of compressed texts, 9 GB", lambda: upload(compressed_texts())),
    "gif": Attack("GIF of 100,000 frames", lambda: upload(many_gif_frames())),
    "webp": Attack("WebP of 1,000 frames", lambda: upload(animation("WEBP", 1000))),
    "apng": Attack("PNG of 1,000 frames", lambda: upload(animation("PNG", 1000))),
    "tiff": Attack("TIFF of 65,535 tags of 4 MB in a loop", lambda: upload(looping_tiff())),
    "jpeg": Attack("JPEG of 2.5 million markers", lambda: upload(many_jpeg_markers())),
    "pixels": Attack("16-bit PNG of 25 megapixels, 48 kB", lambda: upload(many_pixels())),
    "palette": Attack("palette PNG of 25 megapixels", lambda: upload(many_pixels(mode="P"))),
    "enlarged": Attack(
        "result at 25 megapixels, not read", lambda: upload(many_pixels(mode="RGB"), "&original_size=true"), reads=False
    ),
    "form": Attack("form with a header of 9.9 MB", lambda: upload(form_of_headers(), "", FORM)),
    "newlines": Attack("form of 2.5 million newlines", lambda: upload(form_of_newlines(), "", FORM)),
    "half": Attack("half-sent head", lambda: b"POST /v1/translate HTTP/1.1\r\nHost: localhost\r\n", multiple=22),
    "slow_head": Attack("head of a header each 0.5 s", lambda: b"GET / HTTP/1.1\r\n", drip=b"X: y\r\n"),
    "endless_head": Attack("endless headers", lambda: b"GET / HTTP/1.1\r\n", b"X: " + b"y" * 9_000 + b"\r\n", 0.001),
    "endless_header": Attack("endless header", lambda: b"GET / HTTP/1.1\r\nX: ", b"y" * 9_000, 0.001),
    "slow_body": Attack("body of a byte each 0.5 s", lambda: SLOW_BODY, drip=b"x", multiple=22),
}

if __name__ == "__main__":
    main()
