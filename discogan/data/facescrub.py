"""FaceScrub (Ng and Winkler 2014): actors against actresses."""

from dataclasses import dataclass
from typing import Literal

from discogan.config import Options
from discogan.data import Record, folder_records, require_folder
from discogan.errors import DataError
from discogan.names import path_of
from discogan.registry import SOURCES

TEST_COUNT = 200


@SOURCES.register("facescrub")
@dataclass(frozen=True)
class FaceScrub(Options):
    """ROOT/actors/face and ROOT/actresses/face: cropped faces of men and of women."""

    root: str
    """The folder that contains actors and actresses."""
    split: Literal["train", "test"] = "train"
    """The last 200 faces of each are the test part, as in the official code."""

    def records(self) -> tuple[list[Record], list[Record]]:
        return self._faces("actors"), self._faces("actresses")

    def _faces(self, name: str) -> list[Record]:
        folder = require_folder(path_of(self.root) / name / "face", "the cropped faces of FaceScrub")
        files = folder_records(folder)
        part = files[:-TEST_COUNT] if self.split == "train" else files[-TEST_COUNT:]
        if not part:
            raise DataError(f"{folder} has {len(files)} faces, and the last {TEST_COUNT} are the test part. Add faces.")
        return part
