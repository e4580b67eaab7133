"""Sources of images, one file each. ``store`` decodes the images of every source. No PyTorch here.

A source is a registered frozen dataclass. Its fields are its options, and its ``records`` lists the images of both
domains. The store decodes them later.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from discogan.errors import DataError
from discogan.images import LeftOut, find_images
from discogan.names import name_of


@dataclass(frozen=True)
class Record:
    """One image of a domain: its name, its file, and which part of the file it is."""

    name: str
    path: Path
    half: Literal["whole", "left", "right"] = "whole"
    dilate: bool = False
    view: int | None = None
    """Index of the azimuth in a MATLAB file of renders (``discogan.data.official_renders``)."""


class Source(Protocol):
    """Lists the images of both domains; raises ``DataError`` if they are missing."""

    def records(self) -> tuple[list[Record], list[Record]]:
        """Return the images of A and of B, two unrelated lists."""


def require_folder(folder: Path, download: str) -> Path:
    """Return the folder; raise ``DataError`` if it is missing, naming what to download and where to unpack it."""
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}. Download {download} and unpack it there.")
    return folder


Listed = dict[Path, LeftOut]
"""Folders that were listed, and what each holds besides images."""
_listed: ContextVar[Listed | None] = ContextVar("listed", default=None)


def folder_records(folder: Path) -> list[Record]:
    """Return a record for every image below a folder; raise ``DataError`` if there is none."""
    if not folder.is_dir():
        raise DataError(f"There is no folder {name_of(folder)}. Give a folder of images.")
    found = find_images(folder)
    listed = _listed.get()
    if listed is not None:
        listed[folder] = found.left_out
    records = [Record(name_of(path.relative_to(folder)), path) for path in found.files]
    if not records:
        left_out = f" Left out: {found.left_out}." if found.left_out else ""
        raise DataError(
            f"{name_of(folder)} contains no images. Put JPEG, PNG, WebP, BMP, TIFF or GIF files into it or its "
            f"subfolders.{left_out}"
        )
    return records


@contextmanager
def listing_folders() -> Iterator[Listed]:
    """Provide a table to which each call of ``folder_records`` in this context adds its folder."""
    listed: Listed = {}
    token = _listed.set(listed)
    try:
        yield listed
    finally:
        _listed.reset(token)


def left_out_of(records: Sequence[Record], listed: Listed) -> LeftOut:
    """Return what the folders of these records hold besides images."""
    folders: set[Path] = set()
    for parent in {record.path.parent for record in records}:
        folders |= {folder for folder in (parent, *parent.parents) if folder in listed}
    return sum((listed[folder] for folder in sorted(folders)), LeftOut())
