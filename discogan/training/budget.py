"""How much of a run's budget is used, in steps or in minutes of a clock."""

from __future__ import annotations

import time

import torch

from discogan.config import TrainingOptions
from discogan.run_records import Progress


class Budget:
    """The budget of a run that has used ``progress`` of it; ``start`` starts the clock of this session."""

    def __init__(self, options: TrainingOptions, progress: Progress) -> None:
        self._options = options
        self._earlier_seconds = progress.elapsed_seconds
        self._started = 0.0

    def start(self) -> None:
        """Start the clock."""
        self._started = self._clock_seconds()

    def elapsed_seconds(self) -> float:
        """Return the training time in seconds, earlier sessions included."""
        return self._earlier_seconds + self._clock_seconds() - self._started

    def fraction(self, progress: Progress) -> float:
        """Return the share of the budget used, in [0, 1]; with two limits, of the one that ends first."""
        options = self._options
        by_steps = progress.step / options.steps if options.steps else 0.0
        by_time = progress.elapsed_seconds / (60 * options.minutes) if options.minutes else 0.0
        return min(1.0, max(by_steps, by_time))

    def _clock_seconds(self) -> float:
        if self._options.clock == "wall":
            return time.monotonic()
        return time.process_time() / torch.get_num_threads()
