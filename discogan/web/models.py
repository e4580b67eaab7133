"""The runs that are served, by name, each with a few of its own images as examples and folders to match with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from discogan.data.domains import open_domains
from discogan.directions import Direction, source_domain, target_domain
from discogan.errors import ConfigError, DataError
from discogan.images import Pixels
from discogan.labels import verdict_name
from discogan.matching import Counterparts
from discogan.onnx_model import OnnxModel
from discogan.run_folder import RunFolder, read_verdict
from discogan.translator import Translator

EXAMPLES = 8


@dataclass(frozen=True)
class Served:
    """One run: what translates, what it can do, and images to try it with."""

    name: str
    translator: Translator
    directions: Sequence[Direction]
    verdict: str | None
    examples: dict[Direction, Pixels]
    """Some training images of the domain that a direction starts from, uint8 (N, H, W, C)."""
    counterparts: dict[Direction, Counterparts] = field(default_factory=dict)
    """By direction, the folder of the other domain to look for counterparts in."""

    def describe(self) -> dict[str, Any]:
        """For GET /v1/models."""
        data = self.translator.config.data
        return {
            "name": self.name,
            "preset": self.translator.config.preset,
            "image_size": data.image_size,
            "directions": list(self.directions),
            "round_trips": set(self.directions) == set(self.translator.model.round_trip_directions),
            "verdict": self.verdict,
            "examples": {way: len(images) for way, images in self.examples.items()},
            "matches": [way for way in self.directions if way in self.counterparts],
        }


def load_served(
    runs: Sequence[str | Path],
    folder_a: str | Path | None = None,
    folder_b: str | Path | None = None,
    device: str = "auto",
    examples: bool = True,
) -> dict[str, Served]:
    """Runs and exported ONNX files by name; raises ``ConfigError`` for none or for two of a name, and ``RunError``."""
    if not runs:
        raise ConfigError("Give a run to serve: discogan serve RUN.")
    served: dict[str, Served] = {}
    for run in runs:
        path = Path(run).resolve()
        name = path.stem if path.suffix == ".onnx" else path.name
        if name in served:
            raise ConfigError(f"Two of the runs are called {name}; rename one of them.")
        loaded = _load(name, Path(run), {"a": folder_a, "b": folder_b}, device)
        served[name] = loaded if examples else replace(loaded, examples={})
    return served


def _load(name: str, run: Path, folders: dict[str, str | Path | None], device: str) -> Served:
    translator = Translator.load(run, device)
    directions = translator.model.directions
    counterparts = {
        way: Counterparts(translator, Path(folder), way)
        for way in directions
        if (folder := folders[target_domain(way)]) is not None and not isinstance(translator.model, OnnxModel)
    }
    return Served(name, translator, directions, _verdict(run), _examples(translator, directions), counterparts)


def _examples(translator: Translator, directions: Sequence[Direction]) -> dict[Direction, Pixels]:
    try:
        stores = open_domains(translator.config)
    except (DataError, ConfigError):
        return {}  # The images stayed where it was trained.
    domains = {way: stores["ab".index(source_domain(way))].pixels for way in directions}
    return {way: np.array(pixels[:: 1 + (len(pixels) - 1) // EXAMPLES]) for way, pixels in domains.items()}


def _verdict(run: Path) -> str | None:
    verdict = read_verdict(RunFolder(run))
    return verdict_name(verdict) if verdict else None
