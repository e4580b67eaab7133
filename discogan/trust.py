"""What this user has trusted: a run from a stranger names code and image folders, and a path alone must open neither.

    CACHE/trusted/imports/SHA256    the content of a Python file that was given by --import
    CACHE/trusted/images/SHA256     the image folders and fingerprints of a run that was trained here

Each is an empty file whose name is a digest, so trust is bound to content and not to a path.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from discogan.files import cache_folder

Kind = Literal["imports", "images"]


def trust(kind: Kind, content: bytes) -> None:
    """Remember that this user trusts ``content``."""
    marker = _marker(kind, content)
    if not marker.exists():
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch(mode=0o600)


def is_trusted(kind: Kind, content: bytes) -> bool:
    """Return whether this user has trusted the same content before."""
    return _marker(kind, content).exists()


def _marker(kind: Kind, content: bytes) -> Path:
    return cache_folder() / "trusted" / kind / hashlib.sha256(content).hexdigest()
