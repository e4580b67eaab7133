"""Handbags against shoes: the photographs of edges2handbags and edges2shoes (DiscoGAN section 4.3)."""

from dataclasses import dataclass
from typing import Literal

from discogan.config import Options
from discogan.data import Record, folder_records, require_folder
from discogan.names import path_of
from discogan.registry import SOURCES


@SOURCES.register("handbags_shoes")
@dataclass(frozen=True)
class HandbagsShoes(Options):
    """The right halves of ROOT/edges2handbags/train and ROOT/edges2shoes/train, without any pairs."""

    root: str
    """The folder that contains edges2handbags and edges2shoes."""
    split: Literal["train", "val"] = "train"
    """The part of both sets."""

    def records(self) -> tuple[list[Record], list[Record]]:
        return self._photographs("edges2handbags"), self._photographs("edges2shoes")

    def _photographs(self, name: str) -> list[Record]:
        folder = require_folder(path_of(self.root) / name / self.split, f"{name} (pix2pix data sets)")
        return [Record(file.name, file.path, "right") for file in folder_records(folder)]
