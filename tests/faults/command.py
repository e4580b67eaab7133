"""Command lines as processes that a test can disturb: start one, signal it, wait for it, read what it printed."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "GIT_DIR": os.devnull,  # A commit during the suite must not change the revision in config.json.
}
GRACE_SECONDS = 3.0
"""Time that a command's own child processes have to end after it."""
TRACEBACK = "Traceback (most recent call last)"


@dataclass(frozen=True)
class Result:
    """What a command printed and how it ended. A negative ``code`` is the signal that killed it."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str
    seconds: float
    orphans: int
    """Child processes that outlived the command by ``GRACE_SECONDS``; they have been killed."""

    @property
    def has_traceback(self) -> bool:
        return TRACEBACK in self.out + self.err

    @property
    def summary(self) -> str:
        """Return the exit code and the message; of a traceback, the deepest line of the package and the error."""
        lines = [line.strip() for line in self.err.splitlines() if line.strip()] or [""]
        own_lines = [line for line in lines if line.startswith("File ") and "/discogan/" in line]
        shown = [*own_lines[-1:], lines[-1]] if self.has_traceback else lines[-3:]
        return f"exit code {self.code} of discogan {self.arguments[0]}: {' | '.join(shown)}"

    def __str__(self) -> str:
        words = " ".join(self.arguments)
        return (
            f"discogan {words}\nexit code {self.code} after {self.seconds:.2f} s\n{self.out[-1500:]}{self.err[-2500:]}"
        )


class Command:
    """A running command line."""

    def __init__(self, launcher: Launcher, pid: int, arguments: Sequence[str], folder: Path) -> None:
        """``folder`` holds what the command prints."""
        self.pid = pid
        self._launcher, self._arguments, self._folder = launcher, tuple(arguments), folder
        self._started = time.monotonic()
        self._pidfd = os.pidfd_open(pid)

    @property
    def has_ended(self) -> bool:
        return self._ends_within(0)

    @property
    def age_seconds(self) -> float:
        return time.monotonic() - self._started

    def signal(self, number: int) -> None:
        """Send a signal to the process, and not to its children; one that has ended is left alone."""
        if not self.has_ended:
            os.kill(self.pid, number)

    def wait_until(self, condition: Callable[[], object], seconds: float = 60) -> bool:
        """Wait until ``condition`` holds; return ``False`` if the command ends or the time is over before."""
        deadline = time.monotonic() + seconds
        while not condition():
            if self._ends_within(0.002) or time.monotonic() > deadline:
                return False
        return True

    def children(self) -> list[int]:
        """Return the processes of the command's session, without the command itself."""
        return [pid for pid in session_processes(self.pid) if pid != self.pid]

    def wait(self, seconds: float = 120) -> Result:
        """Wait for the end; raise ``TimeoutError`` if the command runs longer, after killing it."""
        in_time = self._ends_within(seconds)
        if not in_time:
            os.kill(self.pid, signal.SIGKILL)
            self._ends_within(30)
        elapsed = self.age_seconds
        code = self._launcher.reap(self.pid)
        os.close(self._pidfd)
        result = Result(
            self._arguments,
            code,
            (self._folder / "out").read_text("utf-8", "replace"),
            (self._folder / "err").read_text("utf-8", "replace"),
            elapsed,
            self._end_orphans(),
        )
        if not in_time:
            raise TimeoutError(f"The command ran for more than {seconds} s.\n{result}")
        return result

    def _ends_within(self, seconds: float) -> bool:
        return bool(select.select([self._pidfd], [], [], seconds)[0])

    def _end_orphans(self) -> int:
        deadline = time.monotonic() + GRACE_SECONDS
        while (orphans := self.children()) and time.monotonic() < deadline:
            time.sleep(0.02)
        for pid in orphans:
            os.kill(pid, signal.SIGKILL)
        return len(orphans)


class Launcher:
    """Starts command lines of the package in ``folder``, by fork of a prepared process or as a new interpreter."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._fresh: dict[int, subprocess.Popen[bytes]] = {}
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **ENVIRONMENT},
            start_new_session=True,
        )
        self._answer()

    def start(self, *arguments: object, memory_bytes: int | None = None, **environment: str) -> Command:
        """Start a command. ``memory_bytes`` limits what it may map in addition to the loaded libraries."""
        words, folder = [str(word) for word in arguments], Path(mkdtemp(dir=self._folder))
        for name in ("out", "err"):  # The process may be killed before it opens them.
            (folder / name).touch()
        request = {
            "arguments": words,
            "environment": environment,
            "out": str(folder / "out"),
            "err": str(folder / "err"),
            "memory_bytes": memory_bytes,
        }
        return Command(self, self._ask(request), words, folder)

    def start_fresh(self, *arguments: object, memory_bytes: int | None = None, **environment: str) -> Command:
        """Start a command in a new interpreter, which takes 2 s to load the libraries."""
        limit = [] if memory_bytes is None else ["prlimit", f"--as={memory_bytes}"]
        words, folder = [str(word) for word in arguments], Path(mkdtemp(dir=self._folder))
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            process = subprocess.Popen(
                [*limit, sys.executable, "-m", "discogan", *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=ROOT,
                env={**os.environ, **ENVIRONMENT, **environment},
                start_new_session=True,
            )
        self._fresh[process.pid] = process
        return Command(self, process.pid, words, folder)

    def reap(self, pid: int) -> int:
        """Return the exit code of a command that has ended."""
        if pid in self._fresh:
            return self._fresh.pop(pid).wait()
        return self._ask({"reap": pid})

    def close(self) -> None:
        """End the prepared process."""
        self._zygote.communicate()

    def _ask(self, request: Mapping[str, object]) -> int:
        assert self._zygote.stdin is not None
        self._zygote.stdin.write(json.dumps(request) + "\n")
        self._zygote.stdin.flush()
        return int(self._answer())

    def _answer(self) -> str:
        assert self._zygote.stdout is not None
        answer = self._zygote.stdout.readline()
        if not answer:
            raise RuntimeError("The prepared process has ended. Its message is in the output above.")
        return answer


def session_processes(session: int) -> list[int]:
    """Return the processes of a session that have not ended."""
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal():
            continue
        try:
            fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] not in "ZX":
            found.append(int(entry.name))
    return found
