"""Render a domain into a folder: one PNG file per view, and labels.csv with the azimuths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from discogan.config import require
from discogan.errors import ConfigError, DataError
from discogan.experiments.renders.atlas import Atlas, View
from discogan.files import atomic_path, write_text
from discogan.images import Pixels, from_pixels
from discogan.registry import RENDERS

LABELS = "labels.csv"
FRONT = tuple(float(azimuth) for azimuth in range(-75, 76, 15))
"""The paper's 11 azimuths: 15 degrees apart, front half."""
FULL = tuple(float(azimuth) for azimuth in range(0, 360, 15))
"""24 azimuths, 15 degrees apart, all around."""


@dataclass(frozen=True)
class Shot:
    """An image to render: its file name, its identity, and the view in degrees."""

    name: str
    identity: int
    azimuth: float
    elevation: float


def render_folder(
    kind: str,
    out: Path,
    count: int,
    azimuths: Sequence[float] = FRONT,
    *,
    first: int = 0,
    elevations: tuple[float, float] = (5.0, 25.0),
    image_size: int = 64,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Render ``count`` identities of a kind at each azimuth (degrees) into ``out``; return the number of images.

    Identity i of a seed is always the same object, so different ``first`` give disjoint sets. Each image has a random
    elevation between the two ``elevations`` (degrees). labels.csv (name, identity, azimuth, elevation) is written last,
    so a folder that has it is complete. ``progress`` is called with (images done, images in all). Raises
    ``ConfigError``, and ``DataError`` if ``out`` already contains files.
    """
    entry = RENDERS.get(kind)
    require("The number of identities", count, at_least=1)
    require("The number of azimuths", len(azimuths), at_least=1)
    require("The image size", image_size, at_least=8, below=513)
    if out.exists() and any(out.iterdir()):
        raise DataError(f"{out} already contains files. Give an empty folder.")
    out.mkdir(parents=True, exist_ok=True)
    shots = list(_list_shots(count, azimuths, first, elevations, seed))
    with Atlas(image_size) as atlas, ThreadPoolExecutor(1) as writer:
        writing = writer.submit(_write_images, out, [], [])
        for start in range(0, len(shots), atlas.capacity):
            batch = shots[start : start + atlas.capacity]
            identities = {shot.identity for shot in batch}
            meshes = {number: entry.build(np.random.default_rng([seed, number])).fitted() for number in identities}
            pixels = atlas.draw([View(meshes[shot.identity], shot.azimuth, shot.elevation) for shot in batch])
            # Writing takes as long as rendering, so the next views are rendered while these are written.
            writing.result()
            writing = writer.submit(_write_images, out, batch, list(pixels))
            if progress:
                progress(start + len(batch), len(shots))
        writing.result()
    lines = [f"{shot.name},{shot.identity},{shot.azimuth:g},{shot.elevation:.2f}\n" for shot in shots]
    write_text(out / LABELS, "name,identity,azimuth,elevation\n" + "".join(lines))
    return len(shots)


def parse_azimuths(text: str) -> tuple[float, ...]:
    """Return the azimuths of ``front`` (-75 to 75 by 15 degrees), ``full`` (0 to 345 by 15), or degrees as 0,15,30.

    Raises ``ConfigError`` for other texts.
    """
    if text == "front":
        return FRONT
    if text == "full":
        return FULL
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(f"Azimuths cannot be {text!r}. Give front, full or degrees such as 0,15,30.") from error


def _list_shots(
    count: int, azimuths: Sequence[float], first: int, elevations: tuple[float, float], seed: int
) -> Iterator[Shot]:
    for identity in range(first, first + count):
        heights = np.random.default_rng([seed, identity, 1]).uniform(*elevations, len(azimuths))
        for azimuth, elevation in zip(azimuths, heights, strict=True):
            yield Shot(f"{identity:05d}_az{azimuth:+g}.png", identity, azimuth, elevation)


def _write_images(out: Path, shots: Sequence[Shot], images: Sequence[Pixels]) -> None:
    for shot, image in zip(shots, images, strict=True):
        with atomic_path(out / shot.name, durable=False) as temporary:
            from_pixels(image).save(temporary, compress_level=1)
