"""The parts that all experiments on images share: settings, training, scores and sheets."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from discogan.config import Config, Table, load_config
from discogan.data import Record
from discogan.data.domains import open_records
from discogan.directions import opposite, source_and_target, source_domain, target_domain
from discogan.errors import DataError, RunError
from discogan.evaluation.scores import score_direction
from discogan.experiments import Job
from discogan.files import atomic_path
from discogan.images import Pixels, draw_sheet, evenly_spaced
from discogan.model import TranslationModel
from discogan.run_folder import RunFolder
from discogan.training import resume, train

SMALL = ("generator.width=16", "discriminator.width=16", "training.batch_size=16")
"""Narrow networks and small batches for a minute on one core. Each objective keeps its own networks and optimiser."""
SMALL_CYCLEGAN = (*SMALL, "training.batch_size=4")
"""Its residual generator is several times slower. The batch size of its preset is 1."""
QUIET = (
    "training.sample_every_steps=1000000",
    "training.checkpoint_every_steps=1000000",
    "training.keep_checkpoints=1",
)
SHEET_IMAGES = 12
"""Test images in a row of a sheet."""


def job_config(job: Job, source: Table, preset: str, settings: Sequence[str] = ()) -> Config:
    """Return the preset with small networks, the experiment's settings and the user's, for the source's images."""
    config = load_config(
        preset,
        image_size=job.image_size,
        seed=job.seed,
        minutes=job.minutes,
        settings=(
            *(SMALL_CYCLEGAN if job.objective == "cyclegan" else SMALL),
            *settings,
            *QUIET,
            f"training.clock={'wall' if torch.cuda.is_available() else 'processor'}",
            f"training.threads={job.threads}",
            *job.settings,
        ),
    )
    return replace(config, source=source)


def train_job(job: Job, config: Config, out: Path) -> tuple[Path, int]:
    """Train a job in OUT/runs, or resume it; return its folder and steps. Raises ``RunError`` if interrupted."""
    run = run_folder(job, out)
    if RunFolder(run).last_checkpoint():
        outcome = resume(run)
    else:
        shutil.rmtree(run, ignore_errors=True)  # A run that was killed before its first checkpoint starts again.
        outcome = train(config, run)
    if outcome.ended == "interrupted":
        raise RunError(f"{job.name} was stopped at step {outcome.step:,}. Repeat the command to continue.")
    return run, outcome.step


def run_folder(job: Job, out: Path) -> Path:
    """Return the folder in which a job trains."""
    return out / "runs" / job.name


def read_tests(records: tuple[Sequence[Record], Sequence[Record]], config: Config) -> tuple[Pixels, Pixels]:
    """Return the test images of A and of B, uint8 (N, H, W, C); raise ``DataError`` if one is broken."""
    records_a, records_b = records
    stores = open_records(config, "a", records_a), open_records(config, "b", records_b)
    for store in stores:
        if store.skipped:
            raise DataError(f"Test images must all be readable: {store.skipped[0]}")
    return np.array(stores[0].pixels), np.array(stores[1].pixels)


def score_tests(model: TranslationModel, tests: tuple[Pixels, Pixels], paired: bool) -> dict[str, Any]:
    """Return ``score_direction`` of each direction that the model was trained in, on test images of A and of B."""
    scores: dict[str, Any] = {}
    for direction in model.directions:
        source, target = source_and_target(direction, *tests)
        scores[direction] = score_direction(model, source, target, direction, paired)
    return scores


def write_sheet(model: TranslationModel, tests: tuple[Pixels, Pixels], file: Path, title: str, times: int) -> None:
    """Draw some test images of A and of B, uint8 (N, H, W, C), and their translations, repeated ``times`` times."""
    rows = []
    for direction in model.directions:
        test_images, _ = source_and_target(direction, *tests)
        images = test_images[evenly_spaced(len(test_images), SHEET_IMAGES)]
        domains = [source_domain(direction).upper()]
        rows.append((f"{domains[0]}, unseen", list(images)))
        step_direction = direction
        for _ in range(times):
            images = model.translate_pixels(images, step_direction)
            domains.append(target_domain(step_direction).upper())
            rows.append((" to ".join(domains), list(images)))
            step_direction = opposite(step_direction)
    with atomic_path(file) as temporary:
        draw_sheet(rows, title, cell_pixels=64).save(temporary)
