"""What a training tells those who watch it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from discogan.checkpoint import Progress
from discogan.config import Config
from discogan.training.watch import Alarm
from discogan.verdict import Verdict

Ended = Literal["budget", "interrupted", "stalled"]


@dataclass(frozen=True)
class StepReport:
    """What an observer is told after each step."""

    step: int
    """Steps done."""
    images_seen: int
    """Images of each domain seen."""
    elapsed_seconds: float
    """Training time, earlier sittings included."""
    fraction: float
    """Share of the budget used, in [0, 1]."""
    record: dict[str, Any] | None
    """The line written to metrics.jsonl, at logged steps."""
    run: Path
    """The run folder."""


@dataclass(frozen=True)
class Outcome:
    """How a call of ``train`` ended."""

    run: Path
    step: int
    ended: Ended
    signal: int = 0
    """The signal that interrupted it, or 0."""
    verdict: Verdict | None = None
    """What can be said of the relation; None where it was interrupted."""


class Observer:
    """Watches a training; override what is of interest. The default watches nothing."""

    def on_prepare(self, domain: str, done: int, total: int) -> None:
        """Images of domain ``a`` or ``b`` decoded so far."""

    def on_skipped(self, domain: str, problems: list[str]) -> None:
        """Broken files that were left out, a sentence each."""

    def on_start(self, run: Path, config: Config, progress: Progress) -> None:
        """Training begins or goes on at ``progress``."""

    def on_step(self, report: StepReport) -> None:
        """A step is done."""

    def on_samples(self, file: Path, step: int) -> None:
        """A sheet of samples was drawn."""

    def on_alarm(self, alarm: Alarm) -> None:
        """Something goes wrong; each kind is said once in each direction."""

    def on_round(self, scores: Mapping[str, float]) -> None:
        """A round of several starts is over; the score of each by its seed."""

    def on_end(self, outcome: Outcome) -> None:
        """Training is over, its verdict known."""


class Observers(Observer):
    """Tells several, in their order."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self.observers = observers

    def on_prepare(self, domain: str, done: int, total: int) -> None:
        for each in self.observers:
            each.on_prepare(domain, done, total)

    def on_skipped(self, domain: str, problems: list[str]) -> None:
        for each in self.observers:
            each.on_skipped(domain, problems)

    def on_start(self, run: Path, config: Config, progress: Progress) -> None:
        for each in self.observers:
            each.on_start(run, config, progress)

    def on_step(self, report: StepReport) -> None:
        for each in self.observers:
            each.on_step(report)

    def on_samples(self, file: Path, step: int) -> None:
        for each in self.observers:
            each.on_samples(file, step)

    def on_alarm(self, alarm: Alarm) -> None:
        for each in self.observers:
            each.on_alarm(alarm)

    def on_round(self, scores: Mapping[str, float]) -> None:
        for each in self.observers:
            each.on_round(scores)

    def on_end(self, outcome: Outcome) -> None:
        for each in self.observers:
            each.on_end(outcome)


class StepCallback(Observer):
    """Calls a function after each step."""

    def __init__(self, call: Callable[[StepReport], object]) -> None:
        self.call = call

    def on_step(self, report: StepReport) -> None:
        self.call(report)
