"""Losses, samples and settings for the trackers that people have open; metrics.jsonl is written in any case."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from discogan.config import Config
from discogan.extras import import_extra
from discogan.registry import TRACKERS
from discogan.run_folder import Progress, losses
from discogan.training import Alarm, Observer, Outcome, StepReport


@TRACKERS.register("tensorboard")
class TensorBoard(Observer):
    """Event files in RUN/tensorboard: ``tensorboard --logdir RUN``."""

    def __init__(self) -> None:
        import_extra("tensorboard", "track", "TensorBoard tracking")
        self._writer: Any = None

    def on_start(self, run: Path, config: Config, progress: Progress) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._close()
        # What a killed run wrote beyond its checkpoint is dropped, as from metrics.jsonl.
        self._writer = SummaryWriter(run / "tensorboard", purge_step=progress.step + 1)
        lines = [f"    {name} = {value}" for name, value in config.flat().items()]
        self._writer.add_text("config", "\n".join(lines), progress.step)

    def on_step(self, report: StepReport) -> None:
        for name, value in _numbers(report).items():
            self._writer.add_scalar(name, value, report.step)

    def on_samples(self, file: Path, step: int) -> None:
        self._writer.add_image("samples", _pixels(file), step, dataformats="HWC")

    def on_alarm(self, alarm: Alarm) -> None:
        self._writer.add_text(f"alarm/{alarm.kind}", alarm.message)

    def on_end(self, outcome: Outcome) -> None:
        if outcome.verdict:
            self._writer.add_text("verdict", f"{outcome.verdict.label}: {outcome.verdict.reason}", outcome.step)
            self._writer.add_scalar("verdict/score", outcome.verdict.score, outcome.step)
        self._close()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


@TRACKERS.register("wandb")
class WeightsAndBiases(Observer):
    """A run of the project ``discogan`` (WANDB_PROJECT names another); WANDB_MODE=offline keeps it on this machine."""

    def __init__(self) -> None:
        self._wandb = import_extra("wandb", "track", "Weights & Biases tracking")
        self._run: Any = None

    def on_start(self, run: Path, config: Config, progress: Progress) -> None:
        if self._run is not None:
            self._run.finish()
        # Kept in the run, so that a resumed one goes on where it stopped and another in its place does not.
        identity = run / "wandb-id"
        if not identity.exists():
            identity.write_text(secrets.token_hex(8))
        settings = self._wandb.Settings(silent=True)
        self._run = self._wandb.init(
            project=None if "WANDB_PROJECT" in os.environ else "discogan",
            name=run.name,
            id=identity.read_text(),
            resume="allow",
            dir=str(run),
            config=config.flat(),
            settings=settings,
        )

    def on_step(self, report: StepReport) -> None:
        if numbers := _numbers(report):
            self._run.log(numbers, step=report.step)

    def on_samples(self, file: Path, step: int) -> None:
        self._run.log({"samples": self._wandb.Image(_pixels(file))}, step=step)

    def on_alarm(self, alarm: Alarm) -> None:
        self._run.alert(title=alarm.kind, text=alarm.message)

    def on_end(self, outcome: Outcome) -> None:
        if outcome.verdict:
            self._run.summary.update({"verdict": outcome.verdict.label, "score": outcome.verdict.score})
        self._run.finish()
        self._run = None


def _numbers(report: StepReport) -> dict[str, float]:
    """The losses and the speed at a logged step; nothing between them."""
    record = report.record
    return {**losses(record), "images_per_second": record["images_per_second"]} if record else {}


def _pixels(file: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(file) as sheet:
        return np.asarray(sheet.convert("RGB"))
