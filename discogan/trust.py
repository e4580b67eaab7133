"""What this user has trusted: a run from a stranger names code and image folders, and a path alone must open neither.

    CACHE/trusted/imports/SHA256    the content of a Python file that was given by --import
    CACHE/trusted/images/SHA256     the image folders and fingerprints of a run that was trained here

Each is an empty file whose name is a digest, so trust is bound to content and not to a path. The folder belongs to this
user alone: a marker in a folder that other users can write proves nothing.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Literal, get_args

from discogan.files import cache_folder

Kind = Literal["imports", "images"]
MARKER = re.compile("[0-9a-f]{64}")
"""The name of a marker: a SHA-256."""


def trust(kind: Kind, content: bytes) -> None:
    """Remember that this user trusts ``content``; nothing is remembered in a folder that belongs to another user."""
    folder = _trusted_folder()
    if not _is_private(folder):
        _make_private(folder)
    if _is_private(folder):
        marker = _marker(kind, content)
        marker.parent.mkdir(mode=0o700, exist_ok=True)
        marker.touch(mode=0o600)


def is_trusted(kind: Kind, content: bytes) -> bool:
    """Return whether this user has trusted the same content before."""
    return _is_private(_trusted_folder()) and _marker(kind, content).exists()


def _trusted_folder() -> Path:
    return cache_folder() / "trusted"


def _marker(kind: Kind, content: bytes) -> Path:
    return _trusted_folder() / kind / hashlib.sha256(content).hexdigest()


def _is_private(folder: Path) -> bool:
    """Return whether a folder exists, belongs to this user, and can be written by no other user.

    Windows keeps permissions elsewhere: there, each folder that exists counts as private.
    """
    if folder.is_symlink() or not folder.is_dir():
        return False
    if os.name == "nt":
        return True
    status = folder.stat()
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _make_private(folder: Path) -> None:
    """Make a folder that only this user can read or write. Markers that others could have written are removed.

    Nothing else in the folder is touched. A folder of another user stays as it is.
    """
    if folder.is_symlink():
        folder.unlink()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(OSError):
        folder.chmod(0o700)
        for marker in folder.glob("*/*"):
            if MARKER.fullmatch(marker.name) and marker.parent.name in get_args(Kind):
                marker.unlink()
