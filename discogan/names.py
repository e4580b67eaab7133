"""Names of files as text: valid Unicode, safe to print, and the same in every locale.

A file name on Linux is a sequence of bytes, which need not be UTF-8. ``name_of`` returns UTF-8 text. Each byte that is
not UTF-8, and each control character, becomes a backslash, x and two digits. A backslash is doubled. ``path_of`` is
the inverse. Names without such characters, which are nearly all names, do not change.
"""

import os
import re
import unicodedata
from pathlib import Path, PurePath

ESCAPE = re.compile(rb"\\(?:x([0-9a-f]{2})|\\)")
"""What ``name_of`` writes for a byte that it does not show, or for a backslash."""
UNSAFE_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories that are not shown: control characters, lone surrogates, line and paragraph separators."""
UNSAFE_CHARACTERS = "\\\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""The backslash, and the characters that reverse the direction of text."""


def name_of(path: PurePath) -> str:
    """Return a path as text, with forward slashes. Different paths have different texts."""
    text = os.fsencode(path.as_posix()).decode("utf-8", "surrogateescape")
    return "".join(character if _is_shown(character) else _escape(character) for character in text)


def expand_user(path: str | PurePath) -> Path:
    """Return a path with ``~`` replaced by the home folder; that of an unknown user stays as it is."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 (Path.expanduser raises RuntimeError)


def absolute(path: str | PurePath) -> Path:
    """Return an absolute path without links; one that contains a link to itself is returned as far as it leads."""
    return Path(os.path.realpath(path))  # Path.resolve raises RuntimeError for a link to itself.


def path_of(name: str) -> Path:
    """Return the path whose ``name_of`` is ``name``."""
    if os.name == "nt":
        return Path(name)  # The backslash separates folders there, and names are Unicode.

    def unescape(match: re.Match[bytes]) -> bytes:
        return bytes.fromhex(match[1].decode()) if match[1] else b"\\"

    return Path(os.fsdecode(ESCAPE.sub(unescape, name.encode("utf-8", "surrogateescape"))))


def _is_shown(character: str) -> bool:
    return unicodedata.category(character) not in UNSAFE_CATEGORIES and character not in UNSAFE_CHARACTERS


def _escape(character: str) -> str:
    if character == "\\":
        return "\\\\"
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
