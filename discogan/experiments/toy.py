"""Two mixtures of Gaussians in the plane: which model reaches every mode? (DiscoGAN section 4.1, figure 4)"""

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
from discogan.errors import ConfigError, DivergedError
from discogan.experiments import Column, Experiment, Job, Row, job_of
from discogan.experiments.modes import modes
from discogan.experiments.toy_figures import draw_claim, draw_training, frame_steps
from discogan.model import TranslationModel
from discogan.objectives import Terms
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
"""The same networks and optimiser for all objectives; `modern` alone keeps its average of the generators."""
MODERN = ("objective.gamma=0.1",)
"""A penalty for two numbers in place of thousands of pixels."""
CHECK_EVERY_STEPS = 50
SHOWN_SEED = 0
TEST_POINTS = 5000
SHOWN_POINTS = 400
GRID = 48
EDGE = 1.6
"""The background reaches this much beyond B's modes."""


@dataclass(frozen=True)
class Ring:
    """Ten equal round Gaussians of standard deviation ``sigma``, their centres evenly on a circle."""

    radius: float
    sigma: float

    @property
    def centres(self) -> Tensor:
        """(10, 2)."""
        angles = 2 * torch.pi * torch.arange(MODES) / MODES
        return self.radius * torch.stack([angles.cos(), angles.sin()], 1)

    def sample(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Points (count, 2) and the mode of each (count,)."""
        origins = torch.randint(MODES, (count,), generator=generator)
        return self.centres[origins] + self.sigma * torch.randn(count, 2, generator=generator), origins


@dataclass(frozen=True)
class Toy(Experiment):
    """Ten modes a side: the objectives and the steps that images have, on points and fully connected networks."""

    a: Ring = Ring(0.2, 0.02)
    b: Ring = Ring(3.0, 0.1)
    minutes: float = 0.0
    """0: as many steps as ``steps`` says."""
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
        """A line for the list."""
        sizes = f"radius {self.a.radius:g} to {self.b.radius:g}, sigma {self.a.sigma:g} to {self.b.sigma:g}"
        return f"ten Gaussians in the plane to ten others ({sizes}): modes covered, collisions"

    def prepare(self, folder: Path, data: Path | None, image_size: int) -> Path:
        if data is not None:
            raise ConfigError("The toy experiment draws its own points; leave out --data.")
        return folder

    def check(self, job: Job) -> None:
        check_config(self.config(job))

    def run(self, job: Job, data: Path, folder: Path) -> Row:
        record = Recording(self.a, self.b, folder / "points" / f"{job.name}.npz") if job.seed == SHOWN_SEED else None
        with own_state(job.threads):
            learner = Learner(self.config(job), ((2,), (2,)))
            step = self._learn(learner, job, record)
            model = learner.model.eval()
            model.generator_ab, model.generator_ba = (
                learner.inference_generators["generator_ab"],
                learner.inference_generators["generator_ba"],
            )
            scores: Row = {way: self.score(model, way) for way in job.directions}
        if record:
            record.save()
        return {**scores, "directions": job.directions, "steps": step}

    def found(self, row: Row) -> bool:
        return all(row[way]["covered"] == MODES and row[way]["collisions"] == 0 for way in row["directions"])

    def figures(self, rows: Sequence[Row], folder: Path) -> list[Path]:
        recorded = {
            row["objective"]: folder / "points" / f"{job_of(row).name}.npz" for row in rows if row["seed"] == SHOWN_SEED
        }
        recorded = {name: file for name, file in recorded.items() if file.exists()}
        return [draw_claim(recorded, folder), draw_training(recorded, folder)] if recorded else []

    def config(self, job: Job) -> Config:
        """The objective's preset with fully connected networks and one optimiser for all."""
        steps = f"objective.rate_steps={self.steps // 5}"
        own = {"modern": MODERN, "official": (steps,)}.get(job.objective, ())
        threads = f"training.threads={job.threads}"
        return load_config(
            job.objective, seed=job.seed, steps=self.steps, settings=(*SETTINGS, *own, threads, *job.settings)
        )

    @torch.inference_mode()
    def score(self, model: TranslationModel, direction: str) -> dict[str, float]:
        """Modes and round trip of a direction, on points that are the same for all runs."""
        ends = {"a_to_b": (self.a, self.b, "b_to_a"), "b_to_a": (self.b, self.a, "a_to_b")}
        source, target, back = ends[direction]
        points, origins = source.sample(TEST_POINTS, torch.Generator().manual_seed(0))
        translated = model.translate(points, direction)
        round_trip = (model.translate(translated, back) - points).abs().mean().item()
        return {**modes(translated, origins, target.centres, target.sigma), "round_trip": round_trip}

    def _learn(self, learner: Learner, job: Job, record: Recording | None) -> int:
        """Train to the end of the budget; steps done."""
        generator, options = torch.Generator().manual_seed(job.seed), learner.config.training
        size, steps = options.batch_size, options.steps or self.steps
        end = time.monotonic() + 60 * job.minutes if job.minutes else math.inf
        for step in range(steps):
            if record and step in frame_steps(steps):
                record.add(learner, step)
            (points_a, _), (points_b, _) = self.a.sample(size, generator), self.b.sample(size, generator)
            terms = learner.step(points_a, points_b, step)
            if step % CHECK_EVERY_STEPS == 0:
                _require_finite(terms, step)
            if time.monotonic() > end:
                break
        if record:
            record.add(learner, step + 1)
        return step + 1


def _require_finite(terms: Terms, step: int) -> None:
    for name, term in terms.items():
        if not term.isfinite():
            raise DivergedError(step + 1, name, "points keep no checkpoint")


class Recording:
    """What the figures show of one run: points of A in B and what D_B says of the plane, from time to time."""

    def __init__(self, a: Ring, b: Ring, file: Path) -> None:
        self.file, self.centres = file, b.centres
        self.frames: list[tuple[int, Tensor, Tensor]] = []
        self.points, self.origins = a.sample(SHOWN_POINTS, torch.Generator().manual_seed(1))
        edge = b.radius * EDGE
        line = torch.linspace(-edge, edge, GRID)
        self.plane, self.edge = torch.cartesian_prod(line, line), float(edge)

    @torch.no_grad()
    def add(self, learner: Learner, step: int) -> None:
        """Keep the state after ``step`` steps."""
        translated = learner.inference_generators["generator_ab"](self.points)
        logits = learner.model.discriminate_b(self.plane).logits
        self.frames.append((step, translated.half(), logits.reshape(GRID, GRID).T.half()))

    def save(self) -> None:
        """Write all frames to the file."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        steps, points, background = zip(*self.frames, strict=True)
        np.savez_compressed(
            self.file,
            steps=np.array(steps),
            points=torch.stack(points).numpy(),
            background=torch.stack(background).numpy(),
            origins=self.origins.numpy(),
            centres=self.centres.numpy(),
            edge=self.edge,
        )
