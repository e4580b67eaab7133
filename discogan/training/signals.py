"""Handle Ctrl-C, SIGTERM and SIGHUP: finish the current step and stop. A second signal terminates immediately."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def catch_signals() -> Iterator[list[int]]:
    """Collect SIGINT, SIGTERM and SIGHUP in the list instead of terminating; a second signal acts as usual.

    SIGHUP comes when a terminal is closed. It stays ignored if the command was started with nohup. Outside the main
    thread Python allows no handlers, so nothing is collected there.
    """
    caught: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return
    kinds = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        kinds.append(signal.SIGHUP)
    before = {kind: signal.getsignal(kind) for kind in kinds}

    def catch(number: int, _: FrameType | None) -> None:
        caught.append(number)
        signal.signal(number, before[signal.Signals(number)])

    try:
        for kind in kinds:
            signal.signal(kind, catch)
        yield caught
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
