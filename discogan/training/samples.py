"""The sheets of samples that show a training's progress."""

from __future__ import annotations

from pathlib import Path

from discogan.directions import LABELS, opposite, source_and_target, source_domain
from discogan.files import atomic_path
from discogan.images import Pixels, draw_sheet, evenly_spaced
from discogan.model import TranslationModel
from discogan.run_folder import RunFolder
from discogan.training.data import TrainingData

SAMPLE_IMAGES = 8
"""Training images of each domain on a sheet."""


def write_sample_sheet(model: TranslationModel, data: TrainingData, run: RunFolder, step: int) -> Path:
    """Write the sheet of a step: for each direction the inputs, their translations and their round trips.

    ``model`` must be in evaluation mode.
    """
    rows: list[tuple[str, list[Pixels]]] = []
    for direction in model.directions:
        source = source_domain(direction)
        store, _ = source_and_target(direction, data.a, data.b)
        pixels = store.pixels[evenly_spaced(len(store), SAMPLE_IMAGES)]
        translated = model.translate_pixels(pixels, direction)
        rows.append((source.upper(), list(pixels)))
        rows.append((LABELS[direction], list(translated)))
        if direction in model.round_trip_directions:
            reconstructed = model.translate_pixels(translated, opposite(direction))
            rows.append((f"{LABELS[direction]} to {source.upper()}", list(reconstructed)))
    sheet = run.samples / f"step-{step:06d}.png"
    with atomic_path(sheet) as temporary:
        draw_sheet(rows, f"step {step:,}").save(temporary)
    return sheet
