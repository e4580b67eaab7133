"""Images that wait together are translated together, each request gets its own, and too many are turned away."""

import asyncio
import threading

import numpy as np
import pytest

from discogan.web.batching import Batcher, BusyError


def image(value):
    return np.full((2, 2, 3), value, np.uint8)


class Slow:
    """Adds one, holds the first batch until it is told to go on, and remembers what came together."""

    def __init__(self):
        self.batches, self.go_on = [], threading.Event()

    def __call__(self, key, pixels):
        self.batches.append((key, len(pixels)))
        if len(self.batches) == 1:
            assert self.go_on.wait(10)
        if key == "broken":
            raise ValueError("cannot")
        return pixels + 1


async def started(batcher, jobs):
    tasks = [asyncio.create_task(batcher.submit(key, pixels)) for key, pixels in jobs]
    await asyncio.sleep(0.05)
    return tasks


def test_those_that_wait_go_together_and_each_gets_its_own():
    async def scene():
        slow = Slow()
        sizes = []
        batcher = Batcher(slow, max_waiting=100, max_batch=4, on_batch=sizes.append)
        tasks = await started(batcher, [("ab", image(0))])
        tasks += await started(batcher, [("ab" if n % 3 else "ba", image(n)) for n in range(1, 10)])
        slow.go_on.set()
        results = await asyncio.gather(*tasks)
        assert [result[0, 0, 0] for result in results] == list(range(1, 11))
        assert slow.batches == [("ab", 1), ("ab", 4), ("ba", 3), ("ab", 2)]
        assert sizes == [1, 4, 3, 2]
        assert batcher.waiting == 0

    asyncio.run(scene())


def test_several_workers_take_a_batch_each_and_an_idle_one_takes_what_comes_next():
    async def scene():
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
        slow.go_on.set()
        assert (await held[0])[0, 0, 0] == 1
        assert (await batcher.submit("ab", image(7)))[0, 0, 0] == 8  # Both have gone to sleep and wake again.

    asyncio.run(scene())


def test_the_queue_is_bounded():
    async def scene():
        slow = Slow()
        batcher = Batcher(slow, max_waiting=2, max_batch=4)
        tasks = await started(batcher, [("ab", image(0))])
        tasks += await started(batcher, [("ab", image(1)), ("ab", image(2))])
        with pytest.raises(BusyError) as busy:
            await batcher.submit("ab", image(3))
        assert busy.value.seconds >= 1
        slow.go_on.set()
        assert len(await asyncio.gather(*tasks)) == 3

    asyncio.run(scene())


def test_a_request_that_was_given_up_costs_nothing():
    async def scene():
        slow = Slow()
        batcher = Batcher(slow, max_waiting=9, max_batch=4)
        first, second = await started(batcher, [("ab", image(0)), ("ba", image(1))])
        second.cancel()
        slow.go_on.set()
        await first
        await asyncio.sleep(0.05)
        assert slow.batches == [("ab", 1)]

    asyncio.run(scene())


def test_a_failure_reaches_those_it_belongs_to_and_no_others():
    async def scene():
        slow = Slow()
        slow.go_on.set()
        batcher = Batcher(slow, max_waiting=9, max_batch=4)
        good, bad, later = await started(batcher, [("ab", image(0)), ("broken", image(1)), ("ab", image(2))])
        assert (await good)[0, 0, 0] == 1
        assert (await later)[0, 0, 0] == 3
        with pytest.raises(ValueError, match="cannot"):
            await bad

    asyncio.run(scene())
