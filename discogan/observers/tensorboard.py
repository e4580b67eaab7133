"""TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from discogan.config import Config
from discogan.extras import import_extra
from discogan.observers import logged_values, read_sheet
from discogan.registry import TRACKERS
from discogan.run_records import Progress
from discogan.training import Alarm, Observer, Outcome, StepReport


@TRACKERS.register("tensorboard")
class TensorBoard(Observer):
    """Event files in RUN/tensorboard, for ``tensorboard --logdir RUN``."""

    def __init__(self) -> None:
        import_extra("tensorboard", "track", "TensorBoard tracking")
        self._writer: Any = None

    def on_start(self, run: Path, config: Config, progress: Progress) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._close()
        # Events after the checkpoint are dropped, as in metrics.jsonl: a killed run may have written some.
        self._writer = SummaryWriter(run / "tensorboard", purge_step=progress.step + 1)
        lines = [f"    {name} = {value}" for name, value in config.flat().items()]
        self._writer.add_text("config", "\n".join(lines), progress.step)

    def on_step(self, report: StepReport) -> None:
        for name, value in logged_values(report).items():
            self._writer.add_scalar(name, value, report.step)

    def on_samples(self, file: Path, step: int) -> None:
        self._writer.add_image("samples", read_sheet(file), step, dataformats="HWC")

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
