"""The contents of folders before and after a fault: digests without clock times, temporary names, damaged copies."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import re
import select
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load_file

from discogan.run_folder import RunFolder, read_progress

CLOCK_KEYS = {"elapsed_seconds", "images_per_second"}
"""Keys of JSON files that hold times of a clock, which differ between equal runs."""
VARYING = re.compile(rb"\b\d+:\d\d\b|-[mp][0-9a-f]{10}\b")
"""Parts of a page that differ between equal runs: a training time, and the random names in curves."""
CREATED, MOVED_HERE = 0x100, 0x80
"""Events of inotify."""


def contents(folder: Path) -> dict[str, str]:
    """Return a digest for each file below a folder, by relative path. Lock files are left out."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.name != ".lock":
            found[path.relative_to(folder).as_posix()] = digest(path)
    return found


def digest(file: Path) -> str:
    """Return a digest of a file's bytes, without times of a clock."""
    data = file.read_bytes()
    if file.suffix in (".json", ".jsonl"):
        lines = data.splitlines() if file.suffix == ".jsonl" else [data]
        with contextlib.suppress(ValueError):  # A damaged file is compared as it is.
            data = json.dumps([_without_times(json.loads(line)) for line in lines]).encode()
    if file.suffix == ".html":
        data = VARYING.sub(b"", data)
    return hashlib.sha256(data).hexdigest()


def _without_times(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_times(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_times(item) for key, item in value.items() if key not in CLOCK_KEYS}
    return value


def is_temporary(path: str) -> bool:
    """Return whether a relative path names a file that is being written or deleted."""
    return any(part.startswith((".", "building-")) for part in Path(path).parts)


def half_written(folder: Path, *complete: Mapping[str, str]) -> list[str]:
    """Return the files under final names whose content is none of those in ``complete``, the results of ``contents``.

    Logs grow line by line, so their lines need only be complete ones, apart from the last line. The file named last may
    name any checkpoint that is there.
    """
    wrong = []
    for path, value in contents(folder).items():
        if is_temporary(path) or value in [known.get(path) for known in complete]:
            continue
        if path.endswith(".jsonl") and _has_whole_lines(folder / path):
            continue
        if Path(path).name == "last" and _names_a_checkpoint(folder / path):
            continue
        wrong.append(path)
    return wrong


def _has_whole_lines(log: Path) -> bool:
    for line in log.read_text("utf-8").split("\n")[:-1]:
        try:
            json.loads(line)
        except ValueError:
            return False
    return True


def _names_a_checkpoint(last: Path) -> bool:
    name = last.read_text("utf-8")
    return name.startswith("step-") and (last.parent / "checkpoints" / name / "progress.json").exists()


def missing(folder: Path, before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return the files that were there before, are gone, and are there after an undisturbed command.

    A newer checkpoint removes the verdict of the smaller budget, because it does not describe the run any more.
    """
    now = contents(folder)
    gone = [path for path in before if path not in now and path in after and not is_temporary(path)]
    has_newer_checkpoint = any("/checkpoints/step-" in path for path in now.keys() - before.keys())
    return [path for path in gone if not (has_newer_checkpoint and path.endswith("verdict.json"))]


def damaged_run_files(run: Path) -> list[str]:
    """Return the files of a run folder that no reader accepts: checkpoints, best/ and JSON files."""
    wrong = []
    folder = RunFolder(run)
    for checkpoint in (*folder.checkpoints.glob("step-*"), folder.best):
        if not checkpoint.exists():
            continue
        try:
            read_progress(checkpoint)
            for file in checkpoint.glob("*.safetensors"):
                load_file(file)
        except (Exception, SafetensorError) as error:
            wrong.append(f"{checkpoint.relative_to(run)} ({error})")
    for file in run.rglob("*.json"):
        try:
            json.loads(file.read_text("utf-8"))
        except ValueError as error:
            if not is_temporary(file.relative_to(run).as_posix()):
                wrong.append(f"{file.relative_to(run)} ({error})")
    return wrong


def newest_step(run: Path) -> int:
    """Return the step of the newest complete checkpoint of a run or of its seeds; -1 if there is none."""
    steps = [-1]
    for folder in (run, *run.glob("seeds/seed-*")):
        newest = RunFolder(folder).last_checkpoint()
        if newest is not None:
            steps.append(read_progress(newest).step)
    return max(steps)


class FolderWatch:
    """Reports names that appear in folders, by inotify, within a fraction of a millisecond."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK)
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            if self._libc.inotify_add_watch(self._descriptor, os.fsencode(folder), CREATED | MOVED_HERE) < 0:
                raise OSError(ctypes.get_errno(), f"{folder} cannot be watched")

    def wait_for_temporary(self, seconds: float) -> str:
        """Return the first temporary name that appears, or an empty text if none does in time."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self._descriptor], [], [], left)[0]:
                break
            data = os.read(self._descriptor, 65536)
            position = 0
            while position < len(data):
                length = int.from_bytes(data[position + 12 : position + 16], "little")
                name = data[position + 16 : position + 16 + length].rstrip(b"\0").decode()
                position += 16 + length
                if is_temporary(name) and name != ".lock":
                    return name
        return ""

    def close(self) -> None:
        """Stop watching."""
        os.close(self._descriptor)
