"""Where images come from. One file a source; ``store`` and ``batches`` serve them all. No PyTorch here.

A source is a registered frozen dataclass whose fields are its options and whose ``records`` lists both
domains. Nothing is decoded before the store asks for it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from discogan.errors import DataError
from discogan.images import image_files


@dataclass(frozen=True)
class Record:
    """One image of a domain: which file, which part of it, and the name it goes by."""

    name: str
    path: Path
    half: Literal["whole", "left", "right"] = "whole"
    dilate: bool = False
    view: int | None = None
    """Which azimuth of a MATLAB file of renders (``discogan.data.official_renders``)."""


class Source(Protocol):
    """Lists the images of both domains; raises ``DataError`` when they are not where they should be."""

    def records(self) -> tuple[list[Record], list[Record]]:
        """The images of A and of B; nothing ties the two lists together."""


def require_folder(folder: Path, download: str) -> Path:
    """The folder; raises ``DataError`` saying what to download, and that it belongs there, where it is missing."""
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}; download {download} and unpack it so that the folder is there.")
    return folder


def folder_records(folder: Path) -> list[Record]:
    """Every image below a folder; raises ``DataError`` where there is none."""
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}; give a folder of images.")
    records = [Record(path.relative_to(folder).as_posix(), path) for path in image_files(folder)]
    if not records:
        raise DataError(f"{folder} holds no images; put JPEG, PNG, WebP, BMP, TIFF or GIF files below it.")
    return records
