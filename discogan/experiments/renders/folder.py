"""A rendered domain on disk: one PNG a view, and labels.csv with what is known of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from discogan.config import require
from discogan.errors import ConfigError, DataError
from discogan.experiments.renders.atlas import Atlas, View
from discogan.files import write_text
from discogan.images import Pixels, from_pixels
from discogan.registry import RENDERS

LABELS = "labels.csv"
FRONT = tuple(float(azimuth) for azimuth in range(-75, 76, 15))
"""The paper's 11 azimuths: 15 degrees apart, front half."""
FULL = tuple(float(azimuth) for azimuth in range(0, 360, 15))


@dataclass(frozen=True)
class Shot:
    """One image to render: which identity, from where, and the file it becomes."""

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
    """Render ``count`` identities of a kind from each azimuth (degrees) into ``out``; the number of images.

    Identity i of a seed is always the same thing, so ``first`` gives disjoint sets. Each image has an
    elevation drawn from ``elevations`` (degrees, low and high). labels.csv (name, identity, azimuth,
    elevation) is written last: a folder that has it is whole. Raises ``ConfigError``, and ``DataError`` where
    ``out`` already holds files.
    """
    entry = RENDERS.get(kind)
    _check(out, count, azimuths, image_size)
    out.mkdir(parents=True, exist_ok=True)
    shots = list(_shots(count, azimuths, first, elevations, seed))
    with Atlas(image_size) as atlas, ThreadPoolExecutor(1) as writer:
        writing = writer.submit(_save, out, [], [])
        for start in range(0, len(shots), atlas.capacity):
            batch = shots[start : start + atlas.capacity]
            identities = {shot.identity for shot in batch}
            meshes = {number: entry.build(np.random.default_rng([seed, number])).fitted() for number in identities}
            pixels = atlas.draw([View(meshes[shot.identity], shot.azimuth, shot.elevation) for shot in batch])
            # Writing takes as long as drawing, so the next views are drawn meanwhile.
            writing.result()
            writing = writer.submit(_save, out, batch, list(pixels))
            if progress:
                progress(start + len(batch), len(shots))
        writing.result()
    lines = [f"{shot.name},{shot.identity},{shot.azimuth:g},{shot.elevation:.2f}\n" for shot in shots]
    write_text(out / LABELS, "name,identity,azimuth,elevation\n" + "".join(lines))
    return len(shots)


def parse_azimuths(text: str) -> tuple[float, ...]:
    """``front`` (-75 to 75 by 15 degrees), ``full`` (0 to 345 by 15), or degrees as 0,15,30; raises ``ConfigError``."""
    if text in ("front", "full"):
        return FRONT if text == "front" else FULL
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(f"Azimuths are front, full or degrees as 0,15,30, not {text!r}.") from error


def _check(out: Path, count: int, azimuths: Sequence[float], image_size: int) -> None:
    require("The number of identities", count, at_least=1)
    require("The number of azimuths", len(azimuths), at_least=1)
    require("The image size", image_size, at_least=8, below=513)
    if out.exists() and any(out.iterdir()):
        raise DataError(f"{out} already holds files; give an empty folder.")


def _shots(
    count: int, azimuths: Sequence[float], first: int, elevations: tuple[float, float], seed: int
) -> Iterator[Shot]:
    for identity in range(first, first + count):
        heights = np.random.default_rng([seed, identity, 1]).uniform(*elevations, len(azimuths))
        for azimuth, elevation in zip(azimuths, heights, strict=True):
            yield Shot(f"{identity:05d}_az{azimuth:+g}.png", identity, azimuth, elevation)


def _save(out: Path, shots: Sequence[Shot], images: Sequence[Pixels]) -> None:
    for shot, image in zip(shots, images, strict=True):
        from_pixels(image).save(out / shot.name, compress_level=1)
