"""The official code's rendered domains: cars (.mat), chairs and faces, in its folder layout."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from discogan.data import Record, folder_records, require_folder
from discogan.errors import DataError
from discogan.images import natural_key
from discogan.registry import SOURCES

Kind = Literal["car", "chair", "face"]
CAR_VIEWS = {"full": range(24), "front": (*range(5, -1, -1), *range(23, 18, -1))}
TEST_CARS, TEST_CHAIRS, TRAIN_FACES = 14, 10, 8
CHAIR_ANGLE = re.compile(r"_t(\d+)_")
FACE_ID = 20
"""A face's file name begins with so many characters of its identity."""


@SOURCES.register("official_renders")
@dataclass(frozen=True)
class OfficialRenders:
    """Renders in the official code's layout; A and B of one kind show different identities.

    ROOT/data/cars/*_car_NNN_mesh*.mat (Reed et al. 2015, nips2015-analogy-data), ROOT/rendered_chairs/ID/renders/*.png
    (Aubry et al. 2014) and ROOT/PublicMM1/05_renderings/*.png (Basel Face Model).
    """

    root: str
    """The folder that holds data/cars, rendered_chairs and PublicMM1."""
    a: Kind = "car"
    """What domain A shows."""
    b: Kind = "car"
    """What domain B shows."""
    turn: Literal["front", "full"] = "front"
    """The azimuths of cars and chairs: the half that the official code trains on, or all."""
    split: Literal["train", "test"] = "train"
    """The last 14 cars, the last 10 chairs and all faces but the first 8 are the test part."""

    def records(self) -> tuple[list[Record], list[Record]]:
        halves = [self._half(kind, part) for kind, part in ((self.a, "first"), (self.b, "last"))]
        if not all(halves):
            raise DataError(f"{self.root} has too few identities of {self.a} and {self.b} for their {self.split} part.")
        return halves[0], halves[1]

    def _half(self, kind: Kind, part: str) -> list[Record]:
        """All identities of a kind that is in one domain alone; of a kind that is in both, a half for each."""
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
        folder = require_folder(Path(self.root) / "data" / "cars", "nips2015-analogy-data (Reed et al. 2015)")
        files = sorted(folder.glob("*.mat"), key=lambda path: natural_key(path.name))
        files = files[:-TEST_CARS] if self.split == "train" else files[-TEST_CARS:]
        return [[Record(f"{file.stem}_{view:02d}", file, view=view) for view in CAR_VIEWS[self.turn]] for file in files]

    def _chairs(self) -> list[list[Record]]:
        folder = require_folder(Path(self.root) / "rendered_chairs", "the rendered chairs (Aubry et al. 2014)")
        chairs = sorted(path for path in folder.iterdir() if (path / "renders").is_dir())
        chairs = chairs[:-TEST_CHAIRS] if self.split == "train" else chairs[-TEST_CHAIRS:]
        return [[r for r in folder_records(chair / "renders") if self._is_shown(r.name)] for chair in chairs]

    def _faces(self) -> list[list[Record]]:
        folder = require_folder(Path(self.root) / "PublicMM1" / "05_renderings", "the Basel Face Model's renderings")
        faces: dict[str, list[Record]] = {}
        for record in folder_records(folder):
            faces.setdefault(record.name[:FACE_ID], []).append(record)
        chosen = list(faces.values())
        return chosen[:TRAIN_FACES] if self.split == "train" else chosen[TRAIN_FACES:]

    def _is_shown(self, name: str) -> bool:
        """The official front half of the chairs is 180 < angle < 360."""
        angle = CHAIR_ANGLE.search(name)
        return self.turn == "full" or bool(angle and 180 < int(angle[1]) < 360)
