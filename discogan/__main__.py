"""The entry point of ``discogan`` and ``python -m discogan``; Ctrl-C during the imports ends it without a traceback."""

import os
import signal
from types import FrameType


def _stop(*_: int | FrameType | None) -> None:
    """End at once: while modules are imported or the interpreter ends, there is nothing to clean up."""
    os.write(2, b"Stopped.\n")
    os._exit(130)


_is_usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
if _is_usual:  # A shell ignores Ctrl-C for commands in the background.
    signal.signal(signal.SIGINT, _stop)


def main() -> None:
    """Run the command line and exit."""
    from discogan import cli

    if _is_usual:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        cli.main()
    finally:
        if _is_usual:
            signal.signal(signal.SIGINT, _stop)


if __name__ == "__main__":
    main()
