"""The results of the fault suite: one row for each kind of fault and place, in a JSON-lines file."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from discogan.files import write_text
from tests.faults.command import Result

ROOT = Path(__file__).parents[2]
IS_FULL = os.environ.get("DISCOGAN_FAULTS") == "all"
"""Whether all faults are injected; otherwise a subset that takes about a minute."""
RECORDED = "docs/reliability/faults.jsonl"
MAX_FINDINGS = 12
"""Findings of each kind that a failing test prints."""


def times(subset: int, full: int) -> int:
    """Return how often to inject a fault: ``subset`` in ``make test``, ``full`` in ``make test-faults``."""
    return full if IS_FULL else subset


@dataclass
class Tally:
    """What one kind of fault did at one place."""

    fault: str
    place: str
    tried: int = 0
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    left_behind: list[str] = field(default_factory=list)

    @property
    def findings(self) -> str:
        """Return the first findings of each kind as text; empty if there are none."""
        parts = []
        for name in ("lost", "wrong", "tracebacks", "left_behind"):
            found = getattr(self, name)
            parts += [f"{name}: {text}" for text in found[:MAX_FINDINGS]]
            if len(found) > MAX_FINDINGS:
                parts.append(f"{name}: and {len(found) - MAX_FINDINGS} more")
        return "\n".join(parts)

    def check_end(self, result: Result, allowed: Iterable[int], instant: str) -> bool:
        """Note a traceback, another exit code than the allowed ones, and an error without a message.

        Returns whether the command ended as it should.
        """
        problem = ""
        if any(text in result.err for text in CRASHES_OF_LIBRARIES):
            problem = ""
        elif result.has_traceback:
            problem = "traceback"
        elif result.code not in allowed:
            problem = f"exit code {result.code}"
        elif result.code == 2 and not result.err.strip():
            problem = "exit code 2 without a message"
        if problem:
            self.tracebacks.append(f"{instant}: {problem}; {result.summary}")
        if result.orphans:
            self.left_behind.append(f"{instant}: {result.orphans} processes outlived the command")
        return not problem

    def row(self, seconds: float) -> dict[str, Any]:
        """Return the row of the results file."""
        return {
            "fault": self.fault,
            "place": self.place,
            "tried": self.tried,
            "lost": len(self.lost),
            "wrong": len(self.wrong),
            "tracebacks": len(self.tracebacks),
            "left_behind": len(self.left_behind),
            "seconds": round(seconds, 1),
            "machine": machine(),
            "commit": commit(),
        }


CRASHES_OF_LIBRARIES = ("OpenBLAS error: Memory allocation still failed", "lost sys.stderr")
"""What native libraries and the interpreter print before they end without memory; Python code cannot prevent it."""


@contextmanager
def scenario(fault: str, place: str) -> Iterator[Tally]:
    """Collect findings; at the end record the row, and fail if there are any.

    A scenario without findings that is recorded for this commit is skipped, so that an interrupted suite continues.
    """
    if any(is_same(row, fault, place) and is_clean(row) and row["commit"] == commit() for row in read_rows()):
        pytest.skip(f"recorded for this commit: {fault}, {place}")
    tally, started = Tally(fault, place), time.monotonic()
    yield tally
    record(tally.row(time.monotonic() - started))
    if tally.findings:
        pytest.fail(f"{fault}, {place}, tried {tally.tried} times\n{tally.findings}", pytrace=False)


def is_same(row: dict[str, Any], fault: str, place: str) -> bool:
    return bool(row["fault"] == fault and row["place"] == place)


def is_clean(row: dict[str, Any]) -> bool:
    return not (row["lost"] or row["wrong"] or row["tracebacks"] or row["left_behind"])


def rows_file() -> Path | None:
    """Return the file for the rows: the one that DISCOGAN_FAULT_ROWS names, or RECORDED for the full suite."""
    name = os.environ.get("DISCOGAN_FAULT_ROWS") or (RECORDED if IS_FULL else "")
    return ROOT / name if name else None


def read_rows() -> list[dict[str, Any]]:
    file = rows_file()
    if file is None or not file.exists():
        return []
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def record(row: dict[str, Any]) -> None:
    """Add a row to the file, and remove an older one of the same scenario."""
    file = rows_file()
    if file is None:
        return
    rows = [old for old in read_rows() if not is_same(old, row["fault"], row["place"])]
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, "".join(json.dumps(each) + "\n" for each in [*rows, row]))


def machine() -> str:
    return f"{platform.system()} {platform.release().partition('-')[0]}, {os.cpu_count()} cores"


def commit() -> str:
    """Return the commit of the package, with a plus sign if its sources have changed since."""
    git = ["git", "-C", str(ROOT)]
    try:
        log = [*git, "log", "-1", "--format=%h", "--", "discogan"]
        name = subprocess.run(log, capture_output=True, text=True, check=True).stdout.strip()
        changes = subprocess.run([*git, "status", "--porcelain", "discogan"], capture_output=True, text=True).stdout
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return name + ("+" if changes else "")
