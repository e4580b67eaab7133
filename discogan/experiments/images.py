"""What every experiment on images shares: the settings of its objectives, one run of them, one sheet."""

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
from discogan.directions import DIRECTIONS, Direction, opposite, source_domain
from discogan.errors import DataError, RunError
from discogan.evaluation.scores import score_direction
from discogan.experiments import Job
from discogan.images import Pixels, draw_sheet
from discogan.model import TranslationModel
from discogan.run_folder import RunFolder
from discogan.training import resume, train

SMALL = ("generator.width=16", "discriminator.width=16", "training.batch_size=16")
"""Each objective keeps its own networks and optimiser, made small enough for a minute on one core."""
SMALL_CYCLEGAN = (*SMALL, "training.batch_size=4")
"""Its residual generator has several times the work; its own batch size is 1."""
QUIET = (
    "training.sample_every_steps=1000000",
    "training.checkpoint_every_steps=1000000",
    "training.keep_checkpoints=1",
)
SHOWN = 12


def job_config(job: Job, source: Table, preset: str, settings: Sequence[str] = ()) -> Config:
    """The preset made small, with the experiment's and then the user's settings, on the source's images."""
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
    """Train a job in OUT/runs, or go on with it; the run folder and its steps. Raises ``RunError`` when interrupted."""
    run = run_folder(job, out)
    outcome = resume(run) if RunFolder(run).last_checkpoint() else train(config, _empty(run))
    if outcome.ended == "interrupted":
        raise RunError(f"{job.name} was stopped at step {outcome.step:,}; the same command goes on from there.")
    return run, outcome.step


def run_folder(job: Job, out: Path) -> Path:
    """Where a job trains."""
    return out / "runs" / job.name


def read_tests(records: tuple[Sequence[Record], Sequence[Record]], config: Config) -> list[Pixels]:
    """Test images of A and of B, uint8 (N, H, W, C); raises ``DataError`` where one is broken."""
    stores = [open_records(config, domain, listed) for domain, listed in zip("ab", records, strict=True)]
    for store in stores:
        if store.skipped:
            raise DataError(f"Test images must all be readable: {store.skipped[0]}")
    return [np.array(store.pixels) for store in stores]


def score_tests(
    model: TranslationModel, tests: Sequence[Pixels], directions: Sequence[Direction], paired: bool
) -> dict[str, Any]:
    """``score_direction`` of each direction that was trained."""
    ends = {"a_to_b": (tests[0], tests[1]), "b_to_a": (tests[1], tests[0])}
    return {way: score_direction(model, *ends[way], way, paired) for way in directions}


def write_sheet(
    model: TranslationModel,
    tests: Sequence[Pixels],
    directions: Sequence[Direction],
    file: Path,
    title: str,
    times: int,
) -> None:
    """Some test images of A and of B, uint8 (N, H, W, C), and what they become when translated ``times`` over."""
    rows = []
    for direction in directions:
        ways = [direction, opposite(direction)] * times
        images = tests[DIRECTIONS.index(direction)]
        images = images[np.linspace(0, len(images) - 1, SHOWN).astype(int)]
        rows.append((f"{source_domain(direction).upper()}, unseen", list(images)))
        for done, way in enumerate(ways[:times], start=1):
            images = model.translate_pixels(images, way)
            rows.append((" to ".join(source_domain(step).upper() for step in ways[: done + 1]), list(images)))
    file.parent.mkdir(parents=True, exist_ok=True)
    draw_sheet(rows, title, cell_pixels=64).save(file)


def _empty(run: Path) -> Path:
    """A run that was killed before its first checkpoint is begun again."""
    shutil.rmtree(run, ignore_errors=True)
    return run
