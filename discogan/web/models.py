"""Served runs by name, each with example images and the folders that are searched for counterparts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from discogan.data.domains import open_domains
from discogan.directions import Direction, source_and_target
from discogan.errors import ConfigError, DataError
from discogan.images import Pixels, evenly_spaced
from discogan.labels import verdict_name
from discogan.matching import Counterparts
from discogan.onnx_model import OnnxModel
from discogan.run_folder import RunFolder
from discogan.run_summary import read_verdict
from discogan.translator import Translator

EXAMPLE_IMAGES = 8
"""Example inputs per direction."""


@dataclass(frozen=True)
class Served:
    """A run: its translator, directions, verdict and example images."""

    name: str
    translator: Translator
    directions: Sequence[Direction]
    verdict: str | None
    examples: dict[Direction, Pixels]
    """Training images of a direction's source domain, uint8 (N, H, W, C)."""
    counterparts: dict[Direction, Counterparts] = field(default_factory=dict)
    """The folder of a direction's target domain, which is searched for counterparts."""

    def describe(self) -> dict[str, Any]:
        """Return the description of the run for GET /v1/models."""
        data = self.translator.config.data
        return {
            "name": self.name,
            "preset": self.translator.config.preset,
            "image_size": data.image_size,
            "directions": list(self.directions),
            "round_trips": set(self.directions) == set(self.translator.model.round_trip_directions),
            "verdict": self.verdict,
            "examples": {direction: len(images) for direction, images in self.examples.items()},
            "matches": [direction for direction in self.directions if direction in self.counterparts],
        }


def load_served(
    runs: Sequence[str | Path],
    folder_a: str | Path | None = None,
    folder_b: str | Path | None = None,
    device: str = "auto",
    examples: bool = True,
) -> dict[str, Served]:
    """Load runs and exported ONNX files by name.

    ``folder_a`` and ``folder_b`` are searched for counterparts. With ``examples`` False no training images are served.
    Raises ``ConfigError`` if no run is given or two have the same name, and ``RunError``.
    """
    if not runs:
        raise ConfigError("Give a run to serve: discogan serve RUN.")
    served: dict[str, Served] = {}
    for run in runs:
        path = Path(run).resolve()
        name = path.stem if path.suffix == ".onnx" else path.name
        if name in served:
            raise ConfigError(f"Two of the runs are named {name}. Rename one of them.")
        translator = Translator.load(run, device)
        verdict = read_verdict(RunFolder(Path(run)))
        served[name] = Served(
            name,
            translator,
            translator.directions,
            verdict_name(verdict) if verdict else None,
            _choose_examples(translator) if examples else {},
            _open_counterparts(translator, folder_a, folder_b),
        )
    return served


def _choose_examples(translator: Translator) -> dict[Direction, Pixels]:
    """Return evenly spaced training images of each direction's source domain; none if the images are missing."""
    try:
        store_a, store_b = open_domains(translator.config)
    except (DataError, ConfigError):
        return {}
    examples = {}
    for direction in translator.directions:
        source, _ = source_and_target(direction, store_a, store_b)
        examples[direction] = source.pixels[evenly_spaced(len(source), EXAMPLE_IMAGES)]
    return examples


def _open_counterparts(
    translator: Translator, folder_a: str | Path | None, folder_b: str | Path | None
) -> dict[Direction, Counterparts]:
    """Return the folder of each direction's target domain, if it is given; an exported file has none."""
    counterparts = {}
    for direction in translator.directions:
        _, target = source_and_target(direction, folder_a, folder_b)
        if target is not None and not isinstance(translator.model, OnnxModel):
            counterparts[direction] = Counterparts(translator, Path(target), direction)
    return counterparts
