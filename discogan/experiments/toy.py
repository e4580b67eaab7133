"""Two mixtures of Gaussians in the plane: which objective reaches every mode? (DiscoGAN section 4.1, figure 4)"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from discogan.config import Config, load_config
from discogan.devices import own_state
from discogan.directions import Direction, opposite, source_and_target
from discogan.errors import ConfigError, DivergedError
from discogan.experiments import Column, Experiment, Job, Row, job_of
from discogan.experiments.modes import modes
from discogan.experiments.toy_figures import draw_claim, draw_training, frame_steps
from discogan.files import atomic_path
from discogan.model import TranslationModel
from discogan.training import check_config
from discogan.training.learner import Learner

MODES = 10
SETTINGS = (
    "generator.name=mlp",
    "generator.width=64",
    "discriminator.name=mlp",
    "discriminator.width=64",
    "discriminator.layers=4",
    "training.batch_size=128",
    "training.learning_rate=5e-4",
    "training.beta2=0.999",
    "training.weight_decay=1e-5",
    "training.precision=float32",
    "training.device=cpu",
)
"""The networks and optimiser of all objectives. Only `modern` averages its generators."""
MODERN_SETTINGS = ("objective.gamma=0.1",)
"""A gradient penalty for inputs of two numbers instead of thousands of pixels."""
CHECK_EVERY_STEPS = 50
RECORDED_SEED = 0
"""The seed that the figures show."""
TEST_POINTS = 5000
RECORDED_POINTS = 400
GRID_POINTS = 48
"""Points along each side of the background grid."""
BACKGROUND_RADII = 1.6
"""Half side of the background, in radii of B's ring."""


@dataclass(frozen=True)
class Ring:
    """Ten round Gaussians of standard deviation ``sigma``, evenly spaced on a circle."""

    radius: float
    sigma: float

    @property
    def centres(self) -> Tensor:
        """The centres of the modes, (10, 2)."""
        angles = 2 * torch.pi * torch.arange(MODES) / MODES
        return self.radius * torch.stack([angles.cos(), angles.sin()], 1)

    def sample(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return random points (count, 2) and the mode of each (count,)."""
        origins = torch.randint(MODES, (count,), generator=generator)
        return self.centres[origins] + self.sigma * torch.randn(count, 2, generator=generator), origins


@dataclass(frozen=True)
class Toy(Experiment):
    """Ten modes in each domain: the training steps used for images, on points with fully connected networks."""

    a: Ring = Ring(0.2, 0.02)
    b: Ring = Ring(3.0, 0.1)
    minutes: float = 0.0
    """0 means no time limit: a run has ``steps`` steps."""
    steps: int = 3000
    own_data: ClassVar[str] = "mixtures"
    has_images: ClassVar[bool] = False
    columns: ClassVar[tuple[Column, ...]] = (
        Column("modes covered", "covered", 0),
        Column("collisions", "collisions", 0, higher_is_better=False),
        Column("within 3 sigma", "within_3_sigma"),
        Column("round trip L1", "round_trip", 3, higher_is_better=False),
    )

    @property
    def summary(self) -> str:  # type: ignore[override]
        """A line for the list of experiments."""
        sizes = f"radius {self.a.radius:g} to {self.b.radius:g}, sigma {self.a.sigma:g} to {self.b.sigma:g}"
        return f"ten Gaussians in the plane to ten others ({sizes}): modes covered, collisions"

    def prepare(self, folder: Path, data: Path | None, image_size: int) -> Path:
        if data is not None:
            raise ConfigError("The toy experiment generates its own points. Leave out --data.")
        return folder

    def check(self, job: Job) -> None:
        check_config(self.config(job))

    def run(self, job: Job, data: Path, folder: Path) -> Row:
        record = Recording(self.a, self.b, folder / "points" / f"{job.name}.npz") if job.seed == RECORDED_SEED else None
        with own_state(job.threads):
            learner = Learner(self.config(job), ((2,), (2,)))
            steps = self._train(learner, job, record)
            model = learner.inference_model().eval()
            directions = list(learner.objective.directions)
            scores: Row = {direction: self.score(model, direction) for direction in directions}
        if record:
            record.save()
        return {**scores, "directions": directions, "steps": steps}

    def found(self, row: Row) -> bool:
        scores_by_direction = [row[direction] for direction in row["directions"]]
        return all(scores["covered"] == MODES and scores["collisions"] == 0 for scores in scores_by_direction)

    def figures(self, rows: Sequence[Row], folder: Path) -> list[Path]:
        recorded = {}
        for row in rows:
            file = folder / "points" / f"{job_of(row).name}.npz"
            if row["seed"] == RECORDED_SEED and file.exists():
                recorded[row["objective"]] = file
        return [draw_claim(recorded, folder), draw_training(recorded, folder)] if recorded else []

    def config(self, job: Job) -> Config:
        """Return the objective's preset with fully connected networks and the common optimiser."""
        steps = f"objective.rate_steps={self.steps // 5}"
        own = {"modern": MODERN_SETTINGS, "official": (steps,)}.get(job.objective, ())
        threads = f"training.threads={job.threads}"
        return load_config(
            job.objective, seed=job.seed, steps=self.steps, settings=(*SETTINGS, *own, threads, *job.settings)
        )

    @torch.inference_mode()
    def score(self, model: TranslationModel, direction: Direction) -> dict[str, float]:
        """Return the modes and the round trip of a direction, on the same points for all runs."""
        source, target = source_and_target(direction, self.a, self.b)
        points, origins = source.sample(TEST_POINTS, torch.Generator().manual_seed(0))
        translated = model.translate(points, direction)
        reconstructed = model.translate(translated, opposite(direction))
        round_trip = (reconstructed - points).abs().mean().item()
        return {**modes(translated, origins, target.centres, target.sigma), "round_trip": round_trip}

    def _train(self, learner: Learner, job: Job, record: Recording | None) -> int:
        """Train to the end of the budget; return the number of steps."""
        generator, options = torch.Generator().manual_seed(job.seed), learner.config.training
        size, steps = options.batch_size, options.steps or self.steps
        end = time.monotonic() + 60 * job.minutes if job.minutes else math.inf
        for step in range(steps):
            if record and step in frame_steps(steps):
                record.add(learner, step)
            (points_a, _), (points_b, _) = self.a.sample(size, generator), self.b.sample(size, generator)
            terms = learner.step(points_a, points_b, step)
            if step % CHECK_EVERY_STEPS == 0:
                for name, term in terms.items():
                    if not term.isfinite():
                        raise DivergedError(step + 1, name, "A run on points has no checkpoint.")
            if time.monotonic() > end:
                break
        if record:
            record.add(learner, step + 1)
        return step + 1


class Recording:
    """Frames of a run for the figures: translated points of A and the output of discriminator B in the plane."""

    def __init__(self, a: Ring, b: Ring, file: Path) -> None:
        self.file, self.centres = file, b.centres
        self.frames: list[tuple[int, Tensor, Tensor]] = []
        self.points, self.origins = a.sample(RECORDED_POINTS, torch.Generator().manual_seed(1))
        edge = b.radius * BACKGROUND_RADII
        line = torch.linspace(-edge, edge, GRID_POINTS)
        self.plane, self.edge = torch.cartesian_prod(line, line), float(edge)

    @torch.no_grad()
    def add(self, learner: Learner, step: int) -> None:
        """Add a frame after ``step`` steps."""
        translated = learner.inference_generators["generator_ab"](self.points)
        logits = learner.model.discriminate_b(self.plane).logits
        self.frames.append((step, translated.half(), logits.reshape(GRID_POINTS, GRID_POINTS).T.half()))

    def save(self) -> None:
        """Write all frames to the file."""
        steps, points, background = zip(*self.frames, strict=True)
        with atomic_path(self.file) as temporary:
            np.savez_compressed(
                temporary,
                steps=np.array(steps),
                points=torch.stack(points).numpy(),
                background=torch.stack(background).numpy(),
                origins=self.origins.numpy(),
                centres=self.centres.numpy(),
                edge=self.edge,
            )
