"""Requests that arrive together are translated together."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

import numpy as np

from discogan.images import Pixels

Key = TypeVar("Key", bound=Hashable)


class BusyError(Exception):
    """Too many wait already; ``seconds`` is when it is worth trying again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many images wait or are on their way; try again in {seconds} s.")
        self.seconds = seconds


@dataclass(eq=False)
class _Waiting(Generic[Key]):
    key: Key
    pixels: Pixels
    done: asyncio.Future[Pixels] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Batcher(Generic[Key]):
    """Hands images of one kind at a time to ``translate``, as many as wait when it is free: nobody waits for company.

    ``translate(key, pixels)`` takes uint8 (N, H, W, C) and gives as many; it runs in ``workers`` threads of its own,
    each of which calls ``on_thread`` first. ``on_batch`` is told the size of each batch.
    """

    def __init__(
        self,
        translate: Callable[[Key, Pixels], Pixels],
        max_waiting: int,
        max_batch: int,
        on_batch: Callable[[int], None] | None = None,
        workers: int = 1,
        on_thread: Callable[[], None] | None = None,
    ) -> None:
        self._translate, self._on_batch = translate, on_batch
        self.max_waiting, self.max_batch = max_waiting, max_batch
        self._queue: deque[_Waiting[Key]] = deque()
        self._threads = ThreadPoolExecutor(workers, "translate", on_thread)
        self._workers = workers
        self._working: set[asyncio.Task[None]] = set()
        self._seconds_an_image = 0.0

    @property
    def waiting(self) -> int:
        """Images in the queue whose requests still want them."""
        return sum(not job.done.done() for job in self._queue)

    async def submit(self, key: Key, pixels: Pixels) -> Pixels:
        """The translation of one image, uint8 (H, W, C); raises ``BusyError`` where too many wait."""
        if self.waiting >= self.max_waiting:
            raise BusyError(1 + int(self.waiting * self._seconds_an_image))
        job = _Waiting(key, pixels)
        self._queue.append(job)
        if len(self._working) < self._workers:
            self._working.add(asyncio.create_task(self._work()))
        return await job.done

    async def _work(self) -> None:
        """Translate until the queue is empty."""
        try:
            while batch := self._take():
                await self._translate_batch(batch)
        finally:
            self._working.remove(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _translate_batch(self, batch: Sequence[_Waiting[Key]]) -> None:
        started = time.monotonic()
        pixels = np.stack([job.pixels for job in batch])
        try:
            results = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._translate, batch[0].key, pixels
            )
        except Exception as error:  # Whatever it is, it belongs to those who wait for it.
            _settle(batch, error)
            return
        self._seconds_an_image = (time.monotonic() - started) / len(batch) / self._workers
        if self._on_batch:
            self._on_batch(len(batch))
        for job, result in zip(batch, results, strict=True):
            if not job.done.done():
                job.done.set_result(result)

    def _take(self) -> list[_Waiting[Key]]:
        """The oldest image and others of its kind; those whose requests were given up are dropped."""
        alive = [job for job in self._queue if not job.done.done()]
        batch = [job for job in alive if job.key == alive[0].key][: self.max_batch]
        taken = set(map(id, batch))
        self._queue = deque(job for job in alive if id(job) not in taken)
        return batch

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _settle(batch: Sequence[_Waiting[Key]], error: Exception) -> None:
    for job in batch:
        if not job.done.done():
            job.done.set_exception(error)
