"""What metrics and verdicts are called in the terminal and in reports.

The labels of image metrics are declared by the metrics themselves. evaluation.json repeats them under ``values``, so
that reading it needs neither PyTorch nor a user's own metric file.
"""

from collections.abc import Mapping
from typing import Any

AZIMUTHS = (
    ("median azimuth error in degrees (lower is better)", "median_error"),
    ("median azimuth error in degrees, outputs as they are", "median_error_as_is"),
    ("median azimuth error in degrees, outputs mirrored", "median_error_mirrored"),
    ("median azimuth error in degrees of the regressor on real images", "regressor_error"),
    ("share of azimuths reached (higher is better)", "reached"),
    ("share of azimuths followed (higher is better)", "followed"),
    ("circular correlation (best at 1 or -1)", "circular_correlation_as_is"),
)
"""Values of an azimuth evaluation: label and key. The first also has identity_KEY and chance_KEY."""
VERDICT_METRICS = (
    ("round trip (0 is perfect, 1 is no relation)", "round_trip"),
    ("diversity (0 is collapsed, 1 is ideal)", "diversity"),
    ("distribution (0 is ideal, 1 is a single image)", "distribution"),
    ("change (0 is a copy)", "change"),
    ("discriminator accuracy (0.5 is balance)", "discriminator_accuracy"),
)
"""Metrics behind a verdict, in each direction: label and key."""
NO_VALUE = "-"
"""What a cell without a value shows."""


def value_label(value: Mapping[str, Any]) -> str:
    """Return the label of a value in evaluation.json, with "higher is better", "lower is better" or "best at X"."""
    if value["better"] == "closer":
        return f"{value['label']} (best at {value['ideal']:g})"
    return f"{value['label']} ({value['better']} is better)"


def format_value(value: float | None, digits: int = 3) -> str:
    """Return a number with a fixed number of decimals, or a dash if there is none."""
    return NO_VALUE if value is None else f"{value:.{digits}f}"


def image_remarks(domain: Mapping[str, Any]) -> list[str]:
    """Return what config.json records on a domain's images: their value range, and what its folder holds besides.

    Runs of version 0.1.0 have no such records.
    """
    left_out = domain.get("left_out", {}).get("summary", "")
    depth = domain.get("depth", "")
    return [*([depth] if depth else []), *([f"left out: {left_out}"] if left_out else [])]


def verdict_name(verdict: Mapping[str, Any]) -> str:
    """Return a verdict's label as a phrase, such as "relation found"."""
    label = str(verdict["label"])
    return f"relation {label}" if label.startswith(("found", "unconfirmed")) else label
