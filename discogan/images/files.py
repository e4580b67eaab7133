"""Which files of a folder are images: the one place that decides it."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from PIL import Image

from discogan.errors import DataError
from discogan.names import name_of

EXCLUDED_FORMATS = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})
"""Formats that Pillow recognises but cannot decode by itself. For EPS it would run Ghostscript."""
SHOWN_SUFFIXES = 5
"""Suffixes of other files that the summary of a folder names."""


@cache
def suffix_formats() -> Mapping[str, str]:
    """Return the suffixes of all images that Pillow decodes, such as .jpg, each with its format."""
    suffixes = Image.registered_extensions()
    return {suffix: kind for suffix, kind in suffixes.items() if kind in Image.OPEN and kind not in EXCLUDED_FORMATS}


@cache
def decodable_formats() -> tuple[str, ...]:
    """Return Pillow's names of the formats that are decoded, the common ones first."""
    common = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
    return (*common, *sorted({*suffix_formats().values()} - {*common}))


SUFFIXES = frozenset(suffix_formats())
"""The suffixes of images, in lower case."""


@dataclass(frozen=True)
class LeftOut:
    """What a folder holds besides its images, counted by reason."""

    other_suffixes: Mapping[str, int] = field(default_factory=dict)
    """Files with each suffix that no image has; the empty text is for files without a suffix."""
    hidden: int = 0
    """Hidden files and folders."""
    unreadable_folders: int = 0
    special_files: int = 0
    """Devices, pipes and sockets with the suffix of an image."""
    repeated_folders: int = 0
    """Links to folders whose images are already in the list."""

    def __bool__(self) -> bool:
        return bool(str(self))

    def __str__(self) -> str:
        """Return the counts as one phrase, such as ``3 of other suffixes (.txt, .mov), 1 unreadable folder``."""
        parts = []
        if self.other_suffixes:
            ranked = sorted(self.other_suffixes, key=lambda suffix: (-self.other_suffixes[suffix], suffix))
            shown = [suffix or "none" for suffix in ranked[:SHOWN_SUFFIXES]]
            more = ["..."] if len(ranked) > SHOWN_SUFFIXES else []
            parts.append(f"{sum(self.other_suffixes.values()):,} of other suffixes ({', '.join([*shown, *more])})")
        if self.hidden:
            parts.append(f"{self.hidden:,} hidden")
        if self.unreadable_folders:
            parts.append(_count(self.unreadable_folders, "unreadable folder"))
        if self.special_files:
            parts.append(_count(self.special_files, "special file"))
        if self.repeated_folders:
            parts.append(_count(self.repeated_folders, "link") + " to folders that are read already")
        return ", ".join(parts)

    def __add__(self, other: LeftOut) -> LeftOut:
        return LeftOut(
            dict(Counter(self.other_suffixes) + Counter(other.other_suffixes)),
            self.hidden + other.hidden,
            self.unreadable_folders + other.unreadable_folders,
            self.special_files + other.special_files,
            self.repeated_folders + other.repeated_folders,
        )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' if number > 1 else ''}"


@dataclass(frozen=True)
class FolderImages:
    """The images below a folder in natural order, and what was left out."""

    files: list[Path]
    left_out: LeftOut


def image_files(folder: Path) -> list[Path]:
    """Return every image file below ``folder`` by suffix, without hidden ones, in natural order."""
    return find_images(folder).files


def is_image_name(name: str) -> bool:
    """Return whether a file of this name is read as an image: whether its suffix is that of an image."""
    return _suffix(name) in SUFFIXES


def find_images(folder: Path) -> FolderImages:
    """Return the image files below ``folder``, decided by suffix and kind of file; nothing is opened.

    Linked folders are followed. Each folder is read once, also if several links lead to it or a link leads back. A
    dead link with the suffix of an image is in the list, so that decoding reports it. Raises ``DataError`` if
    ``folder`` itself cannot be read.
    """
    search = _Search()
    try:
        search.read(folder)
    except OSError as error:
        raise DataError(f"The folder {name_of(folder)} cannot be read ({error.strerror}). Check its path.") from error
    files = sorted(search.files, key=lambda path: natural_key(name_of(path.relative_to(folder))))
    left_out = LeftOut(
        dict(search.other_suffixes),
        search.hidden,
        search.unreadable_folders,
        search.special_files,
        search.repeated_folders,
    )
    return FolderImages(files, left_out)


class _Search:
    """The state of one search through a folder tree."""

    def __init__(self) -> None:
        self.files: list[Path] = []
        self.other_suffixes: Counter[str] = Counter()
        self.hidden = 0
        self.unreadable_folders = 0
        self.special_files = 0
        self.repeated_folders = 0
        self._seen: set[tuple[int, int]] = set()

    def read(self, folder: Path) -> None:
        """Read a tree: real folders first, so that their images keep their usual names, then linked folders."""
        status = folder.stat()
        self._seen.add((status.st_dev, status.st_ino))
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        folders, links = self._sort(entries)
        while folders or links:
            path = folders.pop(0) if folders else links.pop(0)
            try:
                status = path.stat()
                identity = (status.st_dev, status.st_ino)
                if identity in self._seen:
                    self.repeated_folders += 1
                    continue
                self._seen.add(identity)
                entries = sorted(os.scandir(path), key=lambda entry: entry.name)
            except OSError:
                self.unreadable_folders += 1
                continue
            deeper, further_links = self._sort(entries)
            folders += deeper
            links += further_links

    def _sort(self, entries: Sequence[os.DirEntry[str]]) -> tuple[list[Path], list[Path]]:
        """Add the images among the entries to the list, and count the rest; return subfolders and linked folders."""
        folders: list[Path] = []
        links: list[Path] = []
        for entry in entries:
            path = Path(entry.path)
            if entry.name.startswith("."):
                self.hidden += 1
            elif _is_folder(entry):
                (links if entry.is_symlink() else folders).append(path)
            elif not is_image_name(entry.name):
                self.other_suffixes[_suffix(entry.name)] += 1
            elif _is_special(path):
                self.special_files += 1
            else:
                self.files.append(path)
        return folders, links


def _suffix(name: str) -> str:
    return name_of(Path(Path(name).suffix.lower())) if Path(name).suffix else ""


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # A link to itself.
        return False


def _is_special(path: Path) -> bool:
    """Return whether a path leads to a device, a pipe or a socket; opening one can block for ever."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:  # A dead link, which decoding reports.
        return False


def natural_key(name: str) -> tuple[list[tuple[int, str]], str]:
    """Return a sort key that puts img2 before img10. Names that differ in leading zeros have a fixed order too."""
    parts = [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
    return parts, name
