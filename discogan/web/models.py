"""Served runs by name, each with example images and the folders that are searched for counterparts."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from discogan.data.domains import open_domains
from discogan.directions import Direction, source_and_target
from discogan.errors import ConfigError, DataError, DiscoGANWarning
from discogan.images import Pixels, evenly_spaced
from discogan.labels import verdict_name
from discogan.matching import Counterparts, open_counterparts
from discogan.names import absolute
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


Folders = str | Path | Mapping[str, str | Path] | None
"""A folder of images for the only run, or folders by the names of runs."""


def load_served(
    runs: Sequence[str | Path],
    folder_a: Folders = None,
    folder_b: Folders = None,
    device: str = "auto",
    examples: bool = True,
) -> dict[str, Served]:
    """Load runs and exported ONNX files by name.

    ``folder_a`` and ``folder_b`` are searched for counterparts. The two domains of a run are its own, so several runs
    need folders by name. With ``examples`` False no training images are served. Raises ``ConfigError`` if no run is
    given, two have the same name or a folder belongs to none, and ``RunError``.
    """
    if not runs:
        raise ConfigError("Give a run to serve: discogan serve RUN.")
    paths: dict[str, Path] = {}
    for run in runs:
        # A name comes from the resolved path: the current folder "." has none.
        path = absolute(Path(run))
        name = path.stem if path.suffix == ".onnx" else path.name
        if name in paths:
            raise ConfigError(f"Two of the runs are named {name}. Rename one of them.")
        paths[name] = Path(run)
    folders_a = _folders_by_name(folder_a, list(paths), "a")
    folders_b = _folders_by_name(folder_b, list(paths), "b")
    served: dict[str, Served] = {}
    for name, path in paths.items():
        translator = Translator.load(path, device)
        verdict = read_verdict(RunFolder(path))
        searched = [name in folders_a, name in folders_b]
        if any(searched) and isinstance(translator.model, OnnxModel):
            raise ConfigError(f"{name} is an exported file, which cannot search a folder. Serve the run itself.")
        served[name] = Served(
            name,
            translator,
            translator.directions,
            verdict_name(verdict) if verdict else None,
            _choose_examples(translator) if examples else {},
            open_counterparts(translator, folders_a.get(name), folders_b.get(name)) if any(searched) else {},
        )
    return served


def _folders_by_name(folders: Folders, names: Sequence[str], domain: str) -> dict[str, Path]:
    """Return the folders of images of a domain by the names of their runs."""
    flag = f"--match-{domain}"
    if folders is None:
        return {}
    if isinstance(folders, Mapping):
        for name in folders:
            if name not in names:
                raise ConfigError(f"{flag} names {name!r}, which is not served. Choose one of: {', '.join(names)}.")
        return {name: Path(folder) for name, folder in folders.items()}
    if len(names) > 1:
        raise ConfigError(
            f"{flag} {folders} does not say whose images these are. Give {flag} NAME=DIR. "
            f"The names are: {', '.join(names)}."
        )
    return {names[0]: Path(folders)}


def _choose_examples(translator: Translator) -> dict[Direction, Pixels]:
    """Return evenly spaced training images of each direction's source domain; none if the images are missing."""
    try:
        store_a, store_b = open_domains(translator.config)
    except (DataError, ConfigError) as error:
        warnings.warn(f"No examples are shown. {error}", DiscoGANWarning, stacklevel=2)
        return {}
    examples = {}
    for direction in translator.directions:
        source, _ = source_and_target(direction, store_a, store_b)
        examples[direction] = source.pixels[evenly_spaced(len(source), EXAMPLE_IMAGES)]
    return examples
