"""Queued images are translated in batches, each request gets its own result, and the queue is limited."""

import asyncio
import threading

import numpy as np
import pytest

from discogan.web.batching import Batcher, BusyError


def image(value):
    return np.full((2, 2, 3), value, np.uint8)


class Slow:
    """Adds 1 to each pixel, holds the first batch until ``release`` is set, and records the batches."""

    def __init__(self):
        self.batches, self.release = [], threading.Event()

    def __call__(self, key, pixels):
        self.batches.append((key, len(pixels)))
        if len(self.batches) == 1:
            assert self.release.wait(10)
        if key == "broken":
            raise ValueError("cannot")
        return pixels + 1


async def started(batcher, jobs):
    tasks = [asyncio.create_task(batcher.submit(key, pixels)) for key, pixels in jobs]
    await asyncio.sleep(0.05)
    return tasks


def test_queued_images_form_batches_and_each_request_gets_its_own():
    async def run():
        slow = Slow()
        sizes = []
        batcher = Batcher(slow, max_waiting=100, max_batch=4, on_batch=sizes.append)
        tasks = await started(batcher, [("ab", image(0))])
        tasks += await started(batcher, [("ab" if n % 3 else "ba", image(n)) for n in range(1, 10)])
        slow.release.set()
        results = await asyncio.gather(*tasks)
        assert [result[0, 0, 0] for result in results] == list(range(1, 11))
        assert slow.batches == [("ab", 1), ("ab", 4), ("ba", 3), ("ab", 2)]
        assert sizes == [1, 4, 3, 2]
        assert batcher.waiting == 0

    asyncio.run(run())


def test_each_worker_takes_a_batch_and_an_idle_worker_takes_the_next():
    async def run():
        slow = Slow()
        prepared = []
        batcher = Batcher(
            slow, max_waiting=100, max_batch=4, workers=2, on_thread=lambda: prepared.append(threading.get_ident())
        )
        held = await started(batcher, [("ab", image(0))])
        others = await started(batcher, [("ab", image(n)) for n in range(1, 7)])
        assert [result[0, 0, 0] for result in await asyncio.gather(*others)] == list(range(2, 8))
        assert not held[0].done()
        assert sum(size for _, size in slow.batches) == 7
        assert len(set(prepared)) == 2
        slow.release.set()
        assert (await held[0])[0, 0, 0] == 1
        assert (await batcher.submit("ab", image(7)))[0, 0, 0] == 8  # Both workers were idle before.

    asyncio.run(run())


def test_the_queue_is_limited():
    async def run():
        slow = Slow()
        batcher = Batcher(slow, max_waiting=2, max_batch=4)
        tasks = await started(batcher, [("ab", image(0))])
        tasks += await started(batcher, [("ab", image(1)), ("ab", image(2))])
        with pytest.raises(BusyError) as busy:
            await batcher.submit("ab", image(3))
        assert busy.value.seconds >= 1
        slow.release.set()
        assert len(await asyncio.gather(*tasks)) == 3

    asyncio.run(run())


def test_a_cancelled_request_is_not_translated():
    async def run():
        slow = Slow()
        batcher = Batcher(slow, max_waiting=9, max_batch=4)
        first, second = await started(batcher, [("ab", image(0)), ("ba", image(1))])
        second.cancel()
        slow.release.set()
        await first
        await asyncio.sleep(0.05)
        assert slow.batches == [("ab", 1)]

    asyncio.run(run())


def test_an_error_reaches_the_requests_of_its_batch_only():
    async def run():
        slow = Slow()
        slow.release.set()
        batcher = Batcher(slow, max_waiting=9, max_batch=4)
        good, bad, later = await started(batcher, [("ab", image(0)), ("broken", image(1)), ("ab", image(2))])
        assert (await good)[0, 0, 0] == 1
        assert (await later)[0, 0, 0] == 3
        with pytest.raises(ValueError, match="cannot"):
            await bad

    asyncio.run(run())
