"""Small disks and read-only folders, by mounts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

FILLER = ".filler"
"""The file that fills a small disk."""


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[None]:
    """Mount a disk of this size on an empty folder; skip the test if that is not allowed."""
    _mount("-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder))
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make a folder read-only; permissions do not stop root, so it is mounted on itself."""
    _mount("--bind", str(folder), str(folder))
    try:
        _mount("-o", "remount,bind,ro", str(folder))
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting needs root ({done.stderr.strip()})")


def fill(disk: Path, left_bytes: int = 0) -> None:
    """Write a file that leaves ``left_bytes`` of a disk free."""
    free(disk)
    status = os.statvfs(disk)
    count = max(0, status.f_bavail - left_bytes // status.f_bsize)
    # Another process may write at the same time, so the disk can be full earlier.
    with suppress(OSError), (disk / FILLER).open("wb") as file:
        for _ in range(count):
            file.write(b"x" * status.f_bsize)
            file.flush()


def free(disk: Path) -> None:
    """Remove the file that fills a disk."""
    (disk / FILLER).unlink(missing_ok=True)
