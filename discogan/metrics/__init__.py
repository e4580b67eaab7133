"""Image metrics, one file each.

A metric is a frozen dataclass derived from ``Metric`` and registered by name. It declares what it needs and how its
values are read, so evaluation, the terminal, reports and model cards use it without further code.

The modules also hold plain functions of tensors, such as ``retrieval``. The verdict and the experiments call them
directly.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from discogan.errors import ConfigError
from discogan.registry import METRICS

Better = Literal["higher", "lower", "closer"]
"""Whether a higher value is better, a lower one, or one that is closer to the ideal value."""


@dataclass(frozen=True)
class Value:
    """A number that a metric returns, and how to read it."""

    key: str
    """The name in JSON; no two metrics may share one."""
    label: str
    """The name that people read."""
    better: Better
    ideal: float
    """The value that identical image sets reach."""


@dataclass(frozen=True)
class Metric(ABC):
    """A metric of images. The fields of a subclass are its options.

    Register a subclass with ``@discogan.register.metric("name")``. Images are float RGB (N, 3, H, W) in [0, 1].
    """

    values: ClassVar[tuple[Value, ...]]
    """What ``compute`` returns."""
    compares: ClassVar[Literal["translations", "round_trips"]] = "translations"
    """``translations`` are compared with real images of the target domain, ``round_trips`` with their inputs."""
    needs_pairs: ClassVar[bool] = False
    """Whether reference i must be the true partner of image i. Without pairs such a metric is not computed."""
    on_demand: ClassVar[bool] = False
    """Whether the metric is computed only if it is requested (``--metrics NAME``)."""
    has_baselines: ClassVar[bool] = False
    """Whether the values of the untranslated input (identity) and of a random partner (chance) are computed as well."""
    libraries: ClassVar[Mapping[str, str]] = {}
    """Optional libraries that the metric imports, each with the command that installs it."""

    @abstractmethod
    def compute(self, images: Tensor, references: Tensor) -> dict[str, float]:
        """Return one finite number for each key in ``values``.

        ``images`` (N, 3, H, W) and ``references`` (M, 3, H, W) are float RGB in [0, 1]. Their rows are unrelated unless
        the metric needs pairs or compares round trips.
        """

    def chance(self, images: Tensor, references: Tensor) -> dict[str, float]:
        """Return the values of a random partner; by default the references are shifted by half of their number."""
        return self.compute(images, references.roll(max(1, len(references) // 2), 0))

    def check(self) -> None:
        """Raise ``ConfigError`` if a library or a file is missing; called before any image is translated."""
        for module, command in self.libraries.items():
            try:
                importlib.import_module(module)
            except ImportError as error:
                raise ConfigError(f"{self.values[0].label} needs {module}. Install it with: {command}") from error


def metric_kinds() -> dict[str, type[Metric]]:
    """Return the classes of all registered metrics by name, in the order of display.

    Metrics that are always computed come first. Among them, metrics that need pairs come first. Raises ``ConfigError``
    if something else than a ``Metric`` is registered.
    """
    kinds: dict[str, type[Metric]] = {}
    for name, entry in METRICS.entries().items():
        if not (isinstance(entry.build, type) and issubclass(entry.build, Metric)):
            raise ConfigError(f"The metric {name} must be a class derived from discogan.metrics.Metric. Rewrite it.")
        kinds[name] = entry.build
    return dict(sorted(kinds.items(), key=lambda item: (item[1].on_demand, not item[1].needs_pairs, item[0])))


def describe_values(metrics: Mapping[str, Metric | type[Metric]]) -> list[dict[str, Any]]:
    """Return how to read each value of some metrics, as plain values for JSON."""
    rows = []
    for name, metric in metrics.items():
        for value in metric.values:
            flags = {"has_baselines": metric.has_baselines, "on_demand": metric.on_demand}
            rows.append({"metric": name, **asdict(value), **flags})
    return rows


def pairwise_distances(rows: Tensor, references: Tensor) -> Tensor:
    """Return the Euclidean distances (N, M) of all pairs of rows (N, D) and ``references`` (M, D), in float64.

    Equal rows have distance exactly 0, and equal references are equally far. The faster computation by a matrix product
    rounds, so it would break ties at random.
    """
    return torch.cdist(rows.double(), references.double(), compute_mode="donot_use_mm_for_euclid_dist")
