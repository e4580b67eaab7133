"""The rules that hold for every input, and how one case is run and checked against them.

1. Only an error of ``discogan.errors`` escapes, of a kind that the target allows, with a message that can be printed.
2. A case ends within ``CPU_SECONDS`` of processor time and ``WALL_SECONDS`` of waiting.
3. Files are written, renamed and deleted only in the folders that the target allows.
4. The resident memory grows by at most the target's bound.
5. There is no network, no new program and no unpickling.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import resource
import signal
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from hypothesis.strategies import SearchStrategy

from discogan.errors import DiscoGANError

CPU_SECONDS = 5.0
"""Processor time after which a case counts as a hang."""
WALL_SECONDS = 30.0
"""Time after which a case counts as a hang, even if it only waits. Other processes may use the cores meanwhile."""
MAX_MESSAGE_CHARACTERS = 4000
"""Longest message of an error: a hostile value must not fill the terminal."""
CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters that change what a terminal shows, or the direction of text."""
PACKAGE = str(Path(__file__).parents[2] / "discogan")
TESTS = str(Path(__file__).parent)
Case = Any
"""What a strategy generates: bytes, or a value that JSON can hold."""


class Hang(BaseException):
    """A case ran too long. Not an ``Exception``, so that no reader takes it for a damaged file."""


class Forbidden(BaseException):
    """A case tried what no reader may do. The attempt is stopped, and it is recorded even if this is caught."""


class RuleError(AssertionError):
    """A target's own check failed."""


@dataclass(frozen=True)
class Finding:
    """A broken rule: which one, what happened, and where."""

    rule: str
    """exception, message, hang, write, memory, forbidden, result or crash."""
    what: str
    where: str = ""
    """The innermost line of the package."""
    trace: str = field(default="", compare=False)

    @property
    def signature(self) -> str:
        """A name that equal faults share."""
        kind = self.what.partition(":")[0]
        return f"{self.rule} {kind} {self.where}".strip()


class Target(ABC):
    """A kind of input: how cases are generated, run and stored."""

    name: ClassVar[str]
    weight: ClassVar[float] = 1.0
    """Share of the cases of a campaign, compared with the other targets."""
    memory_mib: ClassVar[int] = 256
    """Bound on the growth of resident memory during one case."""
    allowed: ClassVar[tuple[type[DiscoGANError], ...]] = (DiscoGANError,)
    """Errors that a case may raise."""
    by_coverage: ClassVar[bool] = False
    """Whether a search by coverage is worth its time: the reader is Python code, and a case is fast."""
    is_bytes: ClassVar[bool] = False
    """Whether a case is bytes; otherwise it is a value that JSON can hold."""

    def __init__(self, material: Path, box: Path) -> None:
        self.material = material
        """The valid files (``material.py``), which no case changes."""
        self.box = box
        """The folder of this worker. Cases write to its subfolder ``work`` and to the cache only."""
        self.work = box / "work"
        self.writable: tuple[Path, ...] = (self.work, box / "cache")

    @abstractmethod
    def strategy(self) -> SearchStrategy[Case]:
        """Return the strategy that generates cases."""

    def starts(self) -> Sequence[bytes]:
        """Return valid inputs from which a coverage-guided search starts; only for cases that are bytes."""
        return ()

    def prepare(self, case: Case) -> None:  # noqa: B027 (not every target needs it)
        """Write the files of a case. The rules do not apply here."""

    @abstractmethod
    def run(self, case: Case) -> None:
        """Pass the case to the package. Raise ``RuleError`` if a result is wrong."""

    def tidy(self) -> None:  # noqa: B027 (not every target needs it)
        """Undo what ``prepare`` and ``run`` did. The rules do not apply here."""

    def dump(self, case: Case) -> bytes:
        """Return the content of a seed file."""
        return case if self.is_bytes else json.dumps(case, indent=1).encode()

    def load(self, content: bytes) -> Case:
        """Return the case of a seed file."""
        return content if self.is_bytes else json.loads(content)

    @property
    def suffix(self) -> str:
        """The ending of a seed file."""
        return ".bin" if self.is_bytes else ".json"


# What a case does to the machine -------------------------------------------------------------------

CHANGES: dict[str, tuple[tuple[int, int], ...]] = {
    "os.rename": ((0, 2), (1, 3)),
    "os.link": ((1, 3),),
    "os.symlink": ((1, 2),),
    "os.mkdir": ((0, 2),),
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.chmod": ((0, 2),),
    "os.truncate": ((0, -1),),
}
"""Audit events that change files: the arguments that are a path and the open folder that it is relative to."""
FORBIDDEN = ("socket.", "subprocess.", "pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "ctypes.dlopen")
"""Beginnings of audit events that no reader needs."""
WRITING_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Guard:
    """Watches file changes, network and programs by an audit hook, while ``active``."""

    def __init__(self) -> None:
        self.active = False
        self.writable: tuple[str, ...] = ()
        self.violations: list[Finding] = []
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.active:
            return
        if event == "open":
            path, mode, flags = arguments
            is_writing = isinstance(mode, str) and set(mode) & set("wax+")
            if (is_writing or (mode is None and flags & WRITING_FLAGS)) and not isinstance(path, int):
                self._check_path(event, path)
        elif event in CHANGES:
            for place, folder in CHANGES[event]:
                self._check_path(event, arguments[place], arguments[folder] if folder > 0 else -1)
        elif event.startswith(FORBIDDEN):
            self._report(Finding("forbidden", f"{event}: {arguments!r:.200}", _where(sys._getframe())))

    def _check_path(self, event: str, path: Any, folder: int = -1) -> None:
        """Stop a change of a file that is not in a writable folder. ``folder`` is a descriptor, or -1."""
        if isinstance(path, int):
            return
        self.active = False
        try:
            base = Path(f"/proc/self/fd/{folder}").readlink() if folder >= 0 else Path.cwd()
            absolute = base / os.path.normpath(os.fsdecode(path))
            place = str(absolute.parent.resolve() / absolute.name)
        finally:
            self.active = True
        if place != os.devnull and not place.startswith(self.writable):
            self._report(Finding("write", f"{event}: {place!r:.300}", _where(sys._getframe())))

    def _report(self, finding: Finding) -> None:
        self.violations.append(finding)
        raise Forbidden(finding.what)

    @contextlib.contextmanager
    def watching(self, writable: Sequence[Path]) -> Iterator[None]:
        """Apply the rules inside the context."""
        self.writable = tuple(os.path.realpath(folder) + os.sep for folder in writable)
        self.writable += tuple(folder.rstrip(os.sep) for folder in self.writable)
        self.violations = []
        self.active = True
        try:
            yield
        finally:
            self.active = False


_guards: list[Guard] = []


def guard() -> Guard:
    """Return the guard of this process. An audit hook cannot be removed, so there is one."""
    if not _guards:
        _guards.append(Guard())
    return _guards[0]


@contextlib.contextmanager
def time_limit() -> Iterator[None]:
    """Raise ``Hang`` in the main thread when the time of a case is over."""

    def stop(number: int, frame: Any) -> None:
        kind = "processor time" if number == signal.SIGPROF else "waiting"
        seconds = CPU_SECONDS if number == signal.SIGPROF else WALL_SECONDS
        raise Hang(f"more than {seconds:g} s of {kind} at {_where(frame)}")

    before = {number: signal.signal(number, stop) for number in (signal.SIGPROF, signal.SIGALRM)}
    timers_before = (
        (signal.ITIMER_PROF, signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS, 1.0)),
        (signal.ITIMER_REAL, signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS, 1.0)),
    )
    try:
        yield
    finally:
        for timer, _ in timers_before:
            signal.setitimer(timer, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
        for timer, (delay, interval) in timers_before:
            signal.setitimer(timer, delay, interval)  # pytest-timeout has one too.


def peak_kib(reset: bool = False) -> int:
    """Return the largest resident memory in KiB, since the last ``reset`` if the system can reset it."""
    with contextlib.suppress(OSError):
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def limit_address_space(extra_mib: int) -> None:
    """Let this process use at most ``extra_mib`` more address space than now, so that it cannot harm the machine."""
    used_pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = used_pages * resource.getpagesize() + extra_mib * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


# One case -----------------------------------------------------------------------------------------


def execute(target: Target, case: Case) -> Finding | None:
    """Run one case and return the rule that it breaks, or ``None``."""
    target.prepare(case)
    watcher = guard()
    before = peak_kib(reset=True)
    finding: Finding | None = None
    try:
        with time_limit(), watcher.watching(target.writable):
            finding = _outcome(target, case)
    except Hang as error:  # The signal came after the case and before the timers were off.
        finding = Finding("hang", f"Hang: {error}")
    grown_mib = (peak_kib() - before) // 1024
    if watcher.violations:
        finding = watcher.violations[0]
    elif finding is None and grown_mib > target.memory_mib:
        finding = Finding("memory", f"growth: {grown_mib} MiB, more than {target.memory_mib} MiB")
    target.tidy()
    return finding


def _outcome(target: Target, case: Case) -> Finding | None:
    try:
        target.run(case)
    except target.allowed as error:
        return check_message(str(error), _where(error.__traceback__))
    except Hang as error:
        return Finding("hang", f"Hang: {error}", _where(error.__traceback__), traceback.format_exc())
    except Forbidden as error:
        return Finding("forbidden", f"Forbidden: {error}", _where(error.__traceback__))
    except RuleError as error:
        return Finding("result", str(error))
    except BaseException as error:
        what = f"{type(error).__name__}: {error!s:.300}"
        return Finding("exception", what, _where(error.__traceback__), traceback.format_exc()[-4000:])
    return None


def check_message(message: str, where: str) -> Finding | None:
    """Return the fault of an error's message: empty, too long, or not printable."""
    if not message.strip():
        return Finding("message", "empty: the error has no message", where)
    if len(message) > MAX_MESSAGE_CHARACTERS:
        return Finding("message", f"long: {len(message):,} characters, {message[:80]!r} ...", where)
    return None


def _where(origin: Any) -> str:
    """Return the innermost line of the package in a traceback or a frame, as file:function."""
    frames: Iterator[Any]
    if origin is None:
        return ""
    if hasattr(origin, "f_code"):
        frames = (frame for frame, _ in traceback.walk_stack(origin))
        own = next((frame for frame in frames if frame.f_code.co_filename.startswith(PACKAGE)), None)
    else:
        frames = (frame for frame, _ in traceback.walk_tb(origin))
        own = None
        for frame in frames:
            if frame.f_code.co_filename.startswith(PACKAGE):
                own = frame
    if own is None:
        return ""
    return f"{Path(own.f_code.co_filename).relative_to(Path(PACKAGE).parent)}:{own.f_code.co_name}"


def call_command(words: Sequence[str]) -> tuple[int, str, str]:
    """Run ``discogan WORDS`` in this process; return its exit code, standard output and standard error."""
    from discogan.cli import main

    return call_quietly(lambda: main(words))


def call_quietly(function: Callable[[], object]) -> tuple[int, str, str]:
    """Call a function that prints and may exit; return its exit code, standard output and standard error.

    The streams encode like those of a terminal in UTF-8: standard output is strict, standard error escapes.
    """
    from discogan.cli import console

    output = io.TextIOWrapper(io.BytesIO(), "utf-8", "strict", write_through=True)
    errors = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace", write_through=True)
    console.console.quiet, console.errors.verbose = False, False
    code = 0
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            function()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
    texts = [stream.buffer.getvalue().decode("utf-8") for stream in (output, errors)]  # type: ignore[attr-defined]
    return code, texts[0], texts[1]


def check_output(code: int, output: str, errors: str) -> None:
    """Raise ``RuleError`` unless a command ended well, or with 2 and a printable message."""
    if code not in (0, 2):
        raise RuleError(f"exit code {code}: {errors[-300:]}")
    if code == 2 and not errors.strip():
        raise RuleError("exit code 2 without a message")
    if len(errors) > MAX_MESSAGE_CHARACTERS:
        raise RuleError(f"a long error message reaches the terminal: {errors[:80]!r} ...")
    for text in (output, errors):
        hidden = CONTROL_CHARACTER.search(text)
        if hidden:
            raise RuleError(f"a control character reaches the terminal: {hidden[0]!r} in {text[:300]!r}")
