"""The layout of CycleGAN's data sets: one folder with trainA and trainB."""

from dataclasses import dataclass
from typing import Literal

from discogan.config import Options
from discogan.data import Record, folder_records
from discogan.names import path_of
from discogan.registry import SOURCES


@SOURCES.register("train_ab")
@dataclass(frozen=True)
class TrainAB(Options):
    """ROOT/trainA and ROOT/trainB (and testA, testB), the layout of CycleGAN's data sets."""

    root: str
    """The folder that contains trainA and trainB."""
    split: Literal["train", "test"] = "train"
    """The pair of folders to read."""

    def records(self) -> tuple[list[Record], list[Record]]:
        root = path_of(self.root)
        return folder_records(root / f"{self.split}A"), folder_records(root / f"{self.split}B")
