"""The losses since the last logged step: their means, and the first one that is not finite."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from discogan.objectives import Terms


@dataclass(frozen=True)
class NonFiniteLoss:
    """A loss that is NaN or infinite, and its step, counted from 1."""

    step: int
    name: str


class LossLog:
    """Keeps the terms of each step on the device until they are read, each once.

    Reading many steps at once spares the device a wait in each of them.
    """

    def __init__(self) -> None:
        self._pending: list[tuple[int, Terms]] = []
        self._read: list[tuple[int, dict[str, float]]] = []

    def add(self, step: int, terms: Terms) -> None:
        """Add the detached terms of a step, counted from 0."""
        self._pending.append((step, terms))

    def first_non_finite(self) -> NonFiniteLoss | None:
        """Return the first pending loss that is NaN or infinite."""
        for step, values in self._values():
            for name, value in values.items():
                if not math.isfinite(value):
                    return NonFiniteLoss(step + 1, name)
        return None

    def take_means(self) -> dict[str, float]:
        """Return the mean of each pending term by name, sorted, and forget them."""
        series: dict[str, list[float]] = {}
        for _, values in self._values():
            for name, value in values.items():
                series.setdefault(name, []).append(value)
        self._read = []
        return {name: sum(values) / len(values) for name, values in sorted(series.items())}

    def state_dict(self) -> dict[str, Tensor]:
        """Return the steps and values of each pending term by name, float64 (2, N), for a checkpoint.

        A resumed run then logs the same means as an uninterrupted one.
        """
        series: dict[str, list[tuple[int, float]]] = {}
        for step, values in self._values():
            for name, value in values.items():
                series.setdefault(name, []).append((step, value))
        return {name: torch.tensor(pairs, dtype=torch.float64).T.contiguous() for name, pairs in series.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what ``state_dict`` returned."""
        by_step: dict[int, dict[str, float]] = {}
        for name, pairs in state.items():
            for step, value in pairs.T.tolist():
                by_step.setdefault(int(step), {})[name] = value
        self._pending = []
        self._read = sorted(by_step.items())

    def _values(self) -> list[tuple[int, dict[str, float]]]:
        """Return the terms of every step since the last means, after moving the pending ones off the device."""
        for step, terms in self._pending:
            values = torch.stack(list(terms.values())).tolist()
            self._read.append((step, dict(zip(terms, values, strict=True))))
        self._pending = []
        return self._read
