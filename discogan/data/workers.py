"""Map a function over jobs in several processes, none of which can hold up the others, however it ends.

The workers of ``concurrent.futures.ProcessPoolExecutor`` share a lock. If one of them is killed while it holds the
lock, shutting the pool down can wait for ever. Here each worker has a pipe of its own, and nothing else.
"""

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TypeVar

from discogan.errors import DataError

T = TypeVar("T")
R = TypeVar("R")


def map_in_processes(function: Callable[[T], R], jobs: Sequence[T], workers: int) -> Iterator[R]:
    """Yield ``function(job)`` for each job, in order; in one process if there are at most two jobs.

    Worker *i* takes the jobs *i*, *i* + ``workers``, and so on. Closing the iterator ends the workers.

    Raises:
        DataError: A worker died.
    """
    if workers == 1 or len(jobs) <= 2:
        yield from map(function, jobs)
        return
    with _started([(function, jobs[first::workers]) for first in range(min(workers, len(jobs)))]) as answers:
        for number in range(len(jobs)):
            try:
                result, error = answers[number % len(answers)].recv()
            except (EOFError, OSError) as died:
                raise DataError(
                    "A decoding process died. Free memory and disk space, or decode in one process with "
                    "--set data.workers=1. On Windows and macOS a script must make this call below "
                    'if __name__ == "__main__".'
                ) from died
            if error is not None:
                raise error
            yield result


@contextmanager
def _started(shares: Sequence[tuple[Callable[[T], R], Sequence[T]]]) -> Iterator[list[Connection]]:
    """Start a process for each share of the jobs, provide the pipes with their answers, and end the processes."""
    # With fork, a plain script can call train() without a __main__ guard; on other systems only spawn is safe.
    context = multiprocessing.get_context("fork") if sys.platform == "linux" else multiprocessing.get_context("spawn")
    started: list[BaseProcess] = []
    answers: list[Connection] = []
    try:
        with _interrupts_blocked():  # The processes inherit the mask: Ctrl-C is left to this process.
            for function, jobs in shares:
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(function, jobs, sender), daemon=True)
                process.start()
                sender.close()  # The end of the worker must end the pipe, so no other process may hold this side of it.
                started.append(process)
                answers.append(receiver)
        yield answers
    finally:
        for worker in started:
            worker.kill()
        for worker, receiver in zip(started, answers, strict=True):
            worker.join()
            receiver.close()


def _work(function: Callable[[T], R], jobs: Sequence[T], answers: Connection) -> None:
    """Send (result, error) for each job; one of them is ``None``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for job in jobs:
        try:
            answers.send((function(job), None))
        except Exception as error:  # Whatever it is, the main process raises it.
            answers.send((None, error))
            return


def _end_with_parent() -> None:
    """End this process when the main process ends, however it ends."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Delay Ctrl-C in this thread; Windows has no signal masks."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
