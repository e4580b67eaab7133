"""Files with [A | B] side by side: edges2shoes and edges2handbags (Isola et al. 2017)."""

from dataclasses import dataclass
from typing import Literal

from discogan.config import Options
from discogan.data import Record, folder_records
from discogan.errors import DataError
from discogan.names import path_of
from discogan.registry import SOURCES


@SOURCES.register("side_by_side")
@dataclass(frozen=True)
class SideBySide(Options):
    """ROOT/train files [A | B], cut in halves so that each file belongs to one domain only (edges2shoes)."""

    root: str
    """The folder that contains train (and val)."""
    split: Literal["train", "val"] = "train"
    """train: the first half of the files gives A, the second half B. val: every file gives both, as a true pair."""
    dilate_edges: bool = True
    """Thicken the dark lines of A once by a 3x3 kernel at full size, as the official code does."""

    def records(self) -> tuple[list[Record], list[Record]]:
        files = folder_records(path_of(self.root) / self.split)
        if self.split == "train" and len(files) < 2:
            raise DataError(f"{self.root} contains a single side-by-side file. Unpaired halves need two or more.")
        middle = len(files) // 2
        files_a, files_b = (files[:middle], files[middle:]) if self.split == "train" else (files, files)
        records_a = [Record(file.name, file.path, "left", self.dilate_edges) for file in files_a]
        records_b = [Record(file.name, file.path, "right") for file in files_b]
        return records_a, records_b
