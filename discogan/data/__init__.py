"""Sources of images, one file each. ``store`` decodes the images of every source. No PyTorch here.

A source is a registered frozen dataclass. Its fields are its options, and its ``records`` lists the images of both
domains. The store decodes them later.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from discogan.errors import DataError
from discogan.images import image_files


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


def folder_records(folder: Path) -> list[Record]:
    """Return a record for every image below a folder; raise ``DataError`` if there is none."""
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}. Give a folder of images.")
    records = [Record(path.relative_to(folder).as_posix(), path) for path in image_files(folder)]
    if not records:
        raise DataError(
            f"{folder} contains no images. Put JPEG, PNG, WebP, BMP, TIFF or GIF files into it or its subfolders."
        )
    return records
