"""What every experiment on images shares: the settings of its objectives, one run of them, one sheet."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from discogan.checkpoint import RunFolder, load_model
from discogan.config import Config, load_config
from discogan.data import folder_records
from discogan.data.store import open_store
from discogan.devices import pick_device
from discogan.errors import RunError
from discogan.evaluation.scores import domain_decoding
from discogan.experiments import Job
from discogan.images import draw_sheet
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


def job_config(job: Job, data: Path, preset: str, settings: Sequence[str] = ()) -> Config:
    """The preset made small, with the experiment's and then the user's settings, on DATA/train_a and train_b."""
    return load_config(
        preset,
        image_size=job.image_size,
        seed=job.seed,
        minutes=job.minutes,
        settings=(
            *(SMALL_CYCLEGAN if job.objective == "cyclegan" else SMALL),
            *settings,
            *QUIET,
            f"training.threads={job.threads}",
            f"source.a={data / 'train_a'}",
            f"source.b={data / 'train_b'}",
            *job.settings,
        ),
    )


def train_job(job: Job, config: Config, out: Path) -> tuple[Path, int]:
    """Train a job in OUT/runs, or go on with it; the run folder and its steps. Raises ``RunError`` when interrupted."""
    run = out / "runs" / f"{job.name}-{job.image_size}px-{job.minutes:g}min"
    outcome = resume(run) if RunFolder(run).last_checkpoint() else train(config, _empty(run))
    if outcome.ended == "interrupted":
        raise RunError(f"{job.name} was stopped at step {outcome.step:,}; the same command goes on from there.")
    return run, outcome.step


def write_sheet(run: Path, tests: Sequence[Path], directions: Sequence[str], file: Path, title: str) -> None:
    """Test images of each domain above what the run makes of them."""
    model, config = load_model(run, pick_device("cpu"))
    rows = []
    for direction in directions:
        one, other = ("a", "b") if direction == "a_to_b" else ("b", "a")
        records = folder_records(tests["ab".index(one)])
        chosen = [records[place] for place in np.linspace(0, len(records) - 1, SHOWN).astype(int)]
        pixels = np.array(open_store(chosen, domain_decoding(config, one)).pixels)
        translated = model.translate_pixels(pixels, direction)
        rows += [(f"{one.upper()}, unseen", list(pixels)), (f"{one.upper()} to {other.upper()}", list(translated))]
    file.parent.mkdir(parents=True, exist_ok=True)
    draw_sheet(rows, title, cell_pixels=64).save(file)


def _empty(run: Path) -> Path:
    """A run that was killed before its first checkpoint is begun again."""
    shutil.rmtree(run, ignore_errors=True)
    return run
