"""Shows a training as one progress line; without a terminal, as a plain line every 30 seconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.progress import BarColumn, Progress, TaskID, TextColumn

from discogan import run_records
from discogan.cli.console import console, errors, warn
from discogan.cli.train import losses_line
from discogan.config import Config
from discogan.training import Alarm, Observer, StepReport

SECONDS_BETWEEN_LINES = 30
"""Training time between two printed lines."""


class TrainingDisplay(Observer):
    """An observer that prints to standard error. Use it in a ``with`` statement, which draws and clears the bar.

    With --verbose it also prints the losses, every 30 seconds.
    """

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=errors,
            transient=True,
            disable=console.quiet or not errors.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._task = "training"
        self._next_line_seconds = 0.0
        self._losses = ""

    def __enter__(self) -> TrainingDisplay:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def on_prepare(self, domain: str, done: int, total: int) -> None:
        self._update(f"decoding {domain.upper()}", done, total, f"{done:,}/{total:,} images")

    def on_skipped(self, domain: str, problems: list[str]) -> None:
        for problem in problems:
            self._print(f"Skipped in {domain.upper()}: {problem}")

    def on_remarks(self, domain: str, remarks: list[str]) -> None:
        for remark in remarks:
            self._print(f"Images of {domain.upper()}: {remark}")

    def on_start(self, run: Path, config: Config, progress: run_records.Progress) -> None:
        self._task = f"training seed {config.seed}"
        self._next_line_seconds = progress.elapsed_seconds + SECONDS_BETWEEN_LINES
        position = f" from step {progress.step:,}" if progress.step else ""
        self._print(f"Training {config.preset} at {config.data.image_size} px into {run}{position}")

    def on_step(self, report: StepReport) -> None:
        note = progress_text(report)
        self._update(self._task, report.fraction, 1.0, note)
        if report.record is not None:
            self._losses = losses_line(report.record)
        if report.elapsed_seconds < self._next_line_seconds:
            return
        self._next_line_seconds = report.elapsed_seconds + SECONDS_BETWEEN_LINES
        if errors.verbose:
            self._print(f"{note}  {self._losses}")
        elif not errors.is_terminal:
            self._print(note)

    def on_alarm(self, alarm: Alarm) -> None:
        self._print(f"Warning: {alarm.message}")

    def on_round(self, scores: Mapping[str, float]) -> None:
        ranking = sorted(scores, key=lambda seed: -scores[seed])
        listed = ", ".join(f"seed {seed} {scores[seed]:.2f}" for seed in ranking)
        self._print(f"Scores of {len(ranking)} seeds: {listed}")

    def _print(self, message: str) -> None:
        """Print a line above the bar, unless --quiet is given."""
        if not console.quiet:
            warn(message)

    def _update(self, task: str, done: float, total: float, note: str) -> None:
        """Set a bar, which is hidden once it is full."""
        if task not in self._tasks:
            self._tasks[task] = self._bars.add_task(task, note="")
        self._bars.update(self._tasks[task], completed=done, total=total, note=note, visible=done < total)


def progress_text(report: StepReport) -> str:
    """Return the step, the speed, the time left, and the latest unsupervised score once there is one."""
    images_per_second = report.images_seen / report.elapsed_seconds
    seconds_left = report.elapsed_seconds / report.fraction - report.elapsed_seconds
    text = f"step {report.step:,}  {images_per_second:,.0f} images/s  {duration_text(seconds_left)} left"
    return text if report.score is None else f"{text}  score {report.score:.2f}"


def duration_text(seconds: float) -> str:
    """Return a time as minutes:seconds, or hours:minutes:seconds from one hour on."""
    minutes, whole_seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{whole_seconds:02}" if hours else f"{minutes}:{whole_seconds:02}"
