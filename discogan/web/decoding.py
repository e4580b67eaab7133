"""Processes that decode uploads, and the memory that uploads and decoded images share."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from starlette.requests import ClientDisconnect

from discogan.web.batching import BusyError
from discogan.web.decoder import FRAME, pack

MAX_PROCESSES = 8
"""Each process needs about 50 MB, and one for each core is enough."""
ABANDONED_SECONDS = 0.5
"""Time between two checks whether the client of a slow task has gone."""
MAX_REPLY_META_BYTES = 10_000
PIPE_BYTES = 1_000_000
"""Bytes of a reply that are read at a time."""
log = logging.getLogger("discogan.web")


class StoppedError(Exception):
    """A task took longer than its process is allowed to work."""


class UploadMemory:
    """The memory that all uploads share. An upload holds its bytes until it is decoded."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes, self.held = max_bytes, 0

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """Provide a function that reserves bytes for one upload; all are released at the end.

        The function raises ``BusyError`` if too little memory is free.
        """
        reserved = 0

        def take(count: int) -> None:
            nonlocal reserved
            if self.held + count > self.max_bytes:
                raise BusyError(1)
            reserved += count
            self.held += count

        try:
            yield take
        finally:
            self.held -= reserved


class PixelMemory:
    """The decoded pixels that all large images share, so that a few small files cannot fill the memory."""

    def __init__(self, max_pixels: int, max_waiting_pixels: int) -> None:
        self.max_pixels, self.max_waiting_pixels = max_pixels, max_waiting_pixels
        self.held = self.waiting = 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def share(self, pixels: int) -> AsyncIterator[None]:
        """Wait until the pixels of an image fit; raise ``BusyError`` if too many others wait already."""
        if self.waiting + pixels > self.max_waiting_pixels:
            raise BusyError(1 + self.waiting // max(1, self.max_pixels))
        self.waiting += pixels
        try:
            async with self._changed:
                await self._changed.wait_for(lambda: self.held + pixels <= self.max_pixels)
                self.held += pixels
        finally:
            self.waiting -= pixels
        try:
            yield
        finally:
            self.held -= pixels
            async with self._changed:
                self._changed.notify_all()


class Decoders:
    """Runs tasks in processes of ``discogan.web.decoder``, and kills a process whose task is cancelled or too slow.

    A process starts when all others are busy, up to ``processes``. It is used again until a task fails to end.
    ``on_kill`` is called for each process that is killed.
    """

    def __init__(
        self, processes: int, seconds: float, max_waiting: int, on_kill: Callable[[], None] | None = None
    ) -> None:
        self.seconds, self.max_waiting, self._on_kill = seconds, max_waiting, on_kill
        self.waiting = 0
        self._free = asyncio.Semaphore(processes)
        self._idle: list[Process] = []
        self._ending: set[asyncio.Task[int]] = set()

    async def run(
        self, task: Mapping[str, Any], content: Sequence[bytes], is_abandoned: Callable[[], Awaitable[bool]]
    ) -> tuple[dict[str, Any], bytes]:
        """Return the reply to a task: its JSON object and its bytes.

        ``is_abandoned`` is called after each wait, and tells whether the client has gone. Raises ``ClientDisconnect``
        then, ``BusyError`` if ``max_waiting`` tasks wait, and ``StoppedError`` after ``seconds``. The outcome of a
        process that crashes is ``damaged``.
        """
        has_waited = self._free.locked()
        if self.waiting >= self.max_waiting:
            raise BusyError(1)
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1
        try:
            if has_waited and await is_abandoned():
                raise ClientDisconnect
            process = self._idle.pop() if self._idle else await _start()
            return await self._ask(process, dict(task, seconds=self.seconds + 1), content, is_abandoned)
        finally:
            self._free.release()

    async def _ask(
        self,
        process: Process,
        task: Mapping[str, Any],
        content: Sequence[bytes],
        is_abandoned: Callable[[], Awaitable[bool]],
    ) -> tuple[dict[str, Any], bytes]:
        """Send a task to a process and return its reply; kill the process unless it can be used again."""
        is_reusable = False
        exchange = asyncio.create_task(_exchange(process, task, content))
        try:
            async with asyncio.timeout(self.seconds):
                while not (await asyncio.wait({exchange}, timeout=ABANDONED_SECONDS))[0]:
                    if await is_abandoned():
                        raise ClientDisconnect
            meta, result = exchange.result()
            is_reusable = not meta["retire"]
            return meta, result
        except TimeoutError as error:
            self._count_kill()
            raise StoppedError from error
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            log.warning("A decoding process ended unexpectedly (%s). A new one is started.", type(error).__name__)
            return {"outcome": "damaged", "detail": ""}, b""
        except (asyncio.CancelledError, ClientDisconnect):
            self._count_kill()
            raise
        finally:
            exchange.cancel()
            if is_reusable:
                self._idle.append(process)
            else:
                self._end(process)

    def _count_kill(self) -> None:
        if self._on_kill:
            self._on_kill()

    def _end(self, process: Process) -> None:
        with suppress(ProcessLookupError):
            process.kill()
        # Waiting for the end removes the process from the system's table.
        ending = asyncio.create_task(process.wait())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """End all processes."""
        while self._idle:
            self._end(self._idle.pop())
        await asyncio.gather(*self._ending)


async def _start() -> Process:
    environment = {name: value for name, value in os.environ.items() if name != "DISCOGAN_TOKEN"}
    # One thread for each process: NumPy's own threads would only need memory.
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    command = (sys.executable, "-P", "-m", "discogan.web.decoder")
    # Codecs print messages with text from the file, which belongs neither into a terminal nor into a log.
    return await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment, limit=PIPE_BYTES
    )


async def _exchange(
    process: Process, task: Mapping[str, Any], content: Sequence[bytes]
) -> tuple[dict[str, Any], bytes]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.writelines([pack(task, sum(map(len, content))), *content])
    await process.stdin.drain()
    meta_length, result_length = FRAME.unpack(await process.stdout.readexactly(FRAME.size))
    if meta_length > MAX_REPLY_META_BYTES or result_length > task["max_reply_bytes"]:
        raise ConnectionError("The reply is longer than any correct one.")
    meta = json.loads(await process.stdout.readexactly(meta_length))
    return meta, await process.stdout.readexactly(result_length)


def process_count() -> int:
    """Return how many processes decode: at least two, so that a slow file does not delay all others."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(max(2, cores), MAX_PROCESSES)
