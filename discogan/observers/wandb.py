"""Weights & Biases."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

from discogan.config import Config
from discogan.extras import import_extra
from discogan.files import read_regular, write_text
from discogan.observers import logged_values, read_sheet
from discogan.registry import TRACKERS
from discogan.run_records import Progress
from discogan.training import Alarm, Observer, Outcome, StepReport


@TRACKERS.register("wandb")
class WeightsAndBiases(Observer):
    """A run in the project ``discogan``, or in WANDB_PROJECT; with WANDB_MODE=offline it stays on this machine."""

    def __init__(self) -> None:
        self._wandb = import_extra("wandb", "track", "Weights & Biases tracking")
        self._run: Any = None

    def on_start(self, run: Path, config: Config, progress: Progress) -> None:
        if self._run is not None:
            self._run.finish()
        # The id is kept in the run folder: a resumed run continues its log, and a new run in the folder gets another.
        identity = run / "wandb-id"
        if not identity.exists():
            write_text(identity, secrets.token_hex(8))
        settings = self._wandb.Settings(silent=True)
        self._run = self._wandb.init(
            project=None if "WANDB_PROJECT" in os.environ else "discogan",
            name=run.name,
            id=read_regular(identity, 64).decode("ascii"),
            resume="allow",
            dir=str(run),
            config=config.flat(),
            settings=settings,
        )

    def on_step(self, report: StepReport) -> None:
        if values := logged_values(report):
            self._run.log(values, step=report.step)

    def on_samples(self, file: Path, step: int) -> None:
        self._run.log({"samples": self._wandb.Image(read_sheet(file))}, step=step)

    def on_alarm(self, alarm: Alarm) -> None:
        self._run.alert(title=alarm.kind, text=alarm.message)

    def on_end(self, outcome: Outcome) -> None:
        if outcome.verdict:
            self._run.summary.update({"verdict": outcome.verdict.label, "score": outcome.verdict.score})
        self._run.finish()
        self._run = None
