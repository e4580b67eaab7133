"""The rendered domains of the official code: cars (.mat), chairs and faces, in its folder layout."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from discogan.config import Options
from discogan.data import Record, folder_records, require_folder
from discogan.errors import DataError
from discogan.images import natural_key
from discogan.names import path_of
from discogan.registry import SOURCES

Kind = Literal["car", "chair", "face"]
CAR_VIEWS = {"full": range(24), "front": (*range(5, -1, -1), *range(23, 18, -1))}
TEST_CARS, TEST_CHAIRS, TRAIN_FACES = 14, 10, 8
CHAIR_ANGLE = re.compile(r"_t(\d+)_")
IDENTITY_CHARACTERS = 20
"""Length of the identity at the beginning of a face's file name, in characters."""


@SOURCES.register("official_renders")
@dataclass(frozen=True)
class OfficialRenders(Options):
    """Renders in the official code's layout; A and B of one kind show different identities.

    ROOT/data/cars/*_car_NNN_mesh*.mat (Reed et al. 2015, nips2015-analogy-data), ROOT/rendered_chairs/ID/renders/*.png
    (Aubry et al. 2014) and ROOT/PublicMM1/05_renderings/*.png (Basel Face Model).
    """

    root: str
    """The folder that contains data/cars, rendered_chairs and PublicMM1."""
    a: Kind = "car"
    """The objects of domain A."""
    b: Kind = "car"
    """The objects of domain B."""
    turn: Literal["front", "full"] = "front"
    """The azimuths of cars and chairs: front is the half that the official code trains on, full is all."""
    split: Literal["train", "test"] = "train"
    """The last 14 cars, the last 10 chairs and all faces but the first 8 are the test part."""

    def records(self) -> tuple[list[Record], list[Record]]:
        records_a, records_b = self._half(self.a, "first"), self._half(self.b, "last")
        if not records_a or not records_b:
            raise DataError(
                f"{self.root} has too few identities of {self.a} and {self.b} for the {self.split} part. "
                "Download the complete sets."
            )
        return records_a, records_b

    def _half(self, kind: Kind, part: str) -> list[Record]:
        """Return all identities of a kind; if both domains show it, the first or last half of them for training."""
        readers: dict[str, Callable[[], list[list[Record]]]] = {
            "car": self._cars,
            "chair": self._chairs,
            "face": self._faces,
        }
        identities = readers[kind]()
        if self.a == self.b and self.split == "train":
            middle = len(identities) // 2
            identities = identities[:middle] if part == "first" else identities[middle:]
        return [record for records in identities for record in records]

    def _cars(self) -> list[list[Record]]:
        folder = require_folder(path_of(self.root) / "data" / "cars", "nips2015-analogy-data (Reed et al. 2015)")
        files = sorted(folder.glob("*.mat"), key=lambda path: natural_key(path.name))
        files = files[:-TEST_CARS] if self.split == "train" else files[-TEST_CARS:]
        cars = []
        for file in files:
            cars.append([Record(f"{file.stem}_{view:02d}", file, view=view) for view in CAR_VIEWS[self.turn]])
        return cars

    def _chairs(self) -> list[list[Record]]:
        folder = require_folder(path_of(self.root) / "rendered_chairs", "the rendered chairs (Aubry et al. 2014)")
        chairs = sorted(path for path in folder.iterdir() if (path / "renders").is_dir())
        chairs = chairs[:-TEST_CHAIRS] if self.split == "train" else chairs[-TEST_CHAIRS:]
        chosen = []
        for chair in chairs:
            records = folder_records(chair / "renders")
            chosen.append([record for record in records if self._has_azimuth(record.name)])
        return chosen

    def _faces(self) -> list[list[Record]]:
        folder = require_folder(path_of(self.root) / "PublicMM1" / "05_renderings", "the Basel Face Model's renderings")
        faces: dict[str, list[Record]] = {}
        for record in folder_records(folder):
            faces.setdefault(record.name[:IDENTITY_CHARACTERS], []).append(record)
        chosen = list(faces.values())
        return chosen[:TRAIN_FACES] if self.split == "train" else chosen[TRAIN_FACES:]

    def _has_azimuth(self, name: str) -> bool:
        """Return whether a chair's file is in the chosen turn; the official front half is 180 < angle < 360."""
        angle = CHAIR_ANGLE.search(name)
        return self.turn == "full" or bool(angle and 180 < int(angle[1]) < 360)
