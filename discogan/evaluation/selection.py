"""Which metrics an evaluation computes, with their options."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from discogan.config import split_setting
from discogan.errors import ConfigError
from discogan.metrics import Metric, metric_kinds
from discogan.registry import METRICS


def select_metrics(
    requested: Sequence[str] = (), settings: Sequence[str] = (), *, paired: bool = False
) -> dict[str, Metric]:
    """Return the metrics to compute by name, in the order of display: the requested ones and the default ones.

    ``settings`` are ``METRIC.OPTION=VALUE`` strings. Raises ``ConfigError`` if a name or an option is
    unknown, if a requested metric needs pairs that are not given, or if a library or a file is missing.
    """
    kinds = metric_kinds()
    for name in requested:
        METRICS.get(name)
    selected = []
    for name, kind in kinds.items():
        if name in requested and kind.needs_pairs and not paired:
            raise ConfigError(f"The metric {name} compares true pairs. Give --pairs-a and --pairs-b, or leave it out.")
        if name in requested or not (kind.on_demand or (kind.needs_pairs and not paired)):
            selected.append(name)
    options: dict[str, dict[str, Any]] = {name: {} for name in selected}
    for setting in settings:
        name, option, value = split_setting(setting)
        METRICS.get(name)
        if name not in options:
            raise ConfigError(f"{setting} sets a metric that is not computed. Add --metrics {name}.")
        options[name][option] = value
    metrics = {name: METRICS.build({"name": name, **options[name]}, name) for name in selected}
    _check_keys(metrics)
    for metric in metrics.values():
        metric.check()
    return metrics


def _check_keys(metrics: dict[str, Metric]) -> None:
    counts = Counter(value.key for metric in metrics.values() for value in metric.values)
    repeated = [key for key, count in counts.items() if count > 1]
    if repeated:
        raise ConfigError(f"Two metrics return a value named {repeated[0]!r}. Rename it in one of them.")
