"""Callbacks for training events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from discogan.config import Config
from discogan.run_records import Progress, Verdict
from discogan.training.monitor import Alarm

Ended = Literal["budget", "interrupted", "stalled"]


@dataclass(frozen=True)
class StepReport:
    """The state of a training after a step."""

    step: int
    """Steps done."""
    images_seen: int
    """Images of each domain seen."""
    elapsed_seconds: float
    """Training time, earlier sessions included."""
    fraction: float
    """Share of the budget used, in [0, 1]."""
    record: dict[str, Any] | None
    """The line written to metrics.jsonl, at logged steps."""
    run: Path
    """The run folder."""
    score: float | None = None
    """The latest unsupervised score, in [0, 1]; ``None`` before the first."""


@dataclass(frozen=True)
class Outcome:
    """How a call of ``train`` or ``resume`` ended."""

    run: Path
    step: int
    ended: Ended
    signal: int = 0
    """The signal that interrupted it, or 0."""
    verdict: Verdict | None = None
    """Whether a relation was found; ``None`` if training was interrupted."""


class Observer:
    """Receives training events. Override the methods you need; the others do nothing."""

    def on_prepare(self, domain: str, done: int, total: int) -> None:
        """Called while images of domain ``a`` or ``b`` are decoded."""

    def on_skipped(self, domain: str, problems: list[str]) -> None:
        """Called with one sentence for each unreadable file that was left out."""

    def on_remarks(self, domain: str, remarks: list[str]) -> None:
        """Called with sentences on a domain's images: their value range, what was left out, a cache built again."""

    def on_start(self, run: Path, config: Config, progress: Progress) -> None:
        """Called when training begins or continues at ``progress``."""

    def on_step(self, report: StepReport) -> None:
        """Called after each step."""

    def on_samples(self, file: Path, step: int) -> None:
        """Called when a sample sheet was written."""

    def on_alarm(self, alarm: Alarm) -> None:
        """Called when a problem is detected, once for each kind and direction."""

    def on_round(self, scores: Mapping[str, float]) -> None:
        """Called after each round of --seeds-tried with the score of each seed."""

    def on_end(self, outcome: Outcome) -> None:
        """Called when training has ended and its verdict is known."""


class Observers(Observer):
    """Passes each event to several observers, in order."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self.observers = observers

    def on_prepare(self, domain: str, done: int, total: int) -> None:
        for observer in self.observers:
            observer.on_prepare(domain, done, total)

    def on_skipped(self, domain: str, problems: list[str]) -> None:
        for observer in self.observers:
            observer.on_skipped(domain, problems)

    def on_remarks(self, domain: str, remarks: list[str]) -> None:
        for observer in self.observers:
            observer.on_remarks(domain, remarks)

    def on_start(self, run: Path, config: Config, progress: Progress) -> None:
        for observer in self.observers:
            observer.on_start(run, config, progress)

    def on_step(self, report: StepReport) -> None:
        for observer in self.observers:
            observer.on_step(report)

    def on_samples(self, file: Path, step: int) -> None:
        for observer in self.observers:
            observer.on_samples(file, step)

    def on_alarm(self, alarm: Alarm) -> None:
        for observer in self.observers:
            observer.on_alarm(alarm)

    def on_round(self, scores: Mapping[str, float]) -> None:
        for observer in self.observers:
            observer.on_round(scores)

    def on_end(self, outcome: Outcome) -> None:
        for observer in self.observers:
            observer.on_end(outcome)


class StepCallback(Observer):
    """Calls a function after each step."""

    def __init__(self, call: Callable[[StepReport], object]) -> None:
        self.call = call

    def on_step(self, report: StepReport) -> None:
        self.call(report)
