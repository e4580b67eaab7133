"""Translate the images of concurrent requests in batches."""

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
    """The queue or the memory for uploads is full; ``seconds`` is the time to wait before a retry."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many images are queued or being uploaded. Try again in {seconds} s.")
        self.seconds = seconds


@dataclass(eq=False)
class _QueuedImage(Generic[Key]):
    key: Key
    pixels: Pixels
    done: asyncio.Future[Pixels] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Batcher(Generic[Key]):
    """Translates queued images in batches of one kind.

    A free worker takes all queued images of one kind, up to ``max_batch``, and does not delay a batch to fill it.
    ``translate(key, pixels)`` maps uint8 (N, H, W, C) to N results. It runs in ``workers`` threads, each of which calls
    ``on_thread`` first. ``on_batch`` is called with the size of each batch.
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
        self._queue: deque[_QueuedImage[Key]] = deque()
        self._threads = ThreadPoolExecutor(workers, "translate", on_thread)
        self._workers = workers
        self._working: set[asyncio.Task[None]] = set()
        self._seconds_per_image = 0.0

    @property
    def waiting(self) -> int:
        """Number of queued images whose requests still need them."""
        return sum(not job.done.done() for job in self._queue)

    async def submit(self, key: Key, pixels: Pixels) -> Pixels:
        """Return the translation of one image, uint8 (H, W, C); raise ``BusyError`` if ``max_waiting`` are queued."""
        if self.waiting >= self.max_waiting:
            raise BusyError(1 + int(self.waiting * self._seconds_per_image))
        job = _QueuedImage(key, pixels)
        self._queue.append(job)
        if len(self._working) < self._workers:
            self._working.add(asyncio.create_task(self._work()))
        return await job.done

    async def _work(self) -> None:
        """Translate batches until the queue is empty."""
        try:
            while batch := self._take():
                await self._translate_batch(batch)
        finally:
            self._working.remove(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _translate_batch(self, batch: Sequence[_QueuedImage[Key]]) -> None:
        started = time.monotonic()
        pixels = np.stack([job.pixels for job in batch])
        try:
            results = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._translate, batch[0].key, pixels
            )
        except Exception as error:  # Any error is passed to the requests of this batch.
            for job in batch:
                if not job.done.done():
                    job.done.set_exception(error)
            return
        self._seconds_per_image = (time.monotonic() - started) / len(batch) / self._workers
        if self._on_batch:
            self._on_batch(len(batch))
        for job, result in zip(batch, results, strict=True):
            if not job.done.done():
                job.done.set_result(result)

    def _take(self) -> list[_QueuedImage[Key]]:
        """Take the oldest image and others of its kind from the queue, and drop images of cancelled requests."""
        active = [job for job in self._queue if not job.done.done()]
        batch = [job for job in active if job.key == active[0].key][: self.max_batch]
        taken = set(map(id, batch))
        self._queue = deque(job for job in active if id(job) not in taken)
        return batch

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
