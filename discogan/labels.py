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


def left_out_sentence(evaluation: Mapping[str, Any]) -> str:
    """Return which images of an evaluation have no partner, or no text if all have one."""
    names = evaluation.get("left_out") or {}
    parts = []
    for domain in "ab":
        left_out = names.get(domain) or []
        if left_out:
            shown = ", ".join([*left_out[:MAX_NAMES], *(["..."] if len(left_out) > MAX_NAMES else [])])
            parts.append(f"{len(left_out):,} of {domain.upper()} ({shown})")
    return f"Left out, because the other folder has no image of the same name: {' and '.join(parts)}." if parts else ""


MAX_NAMES = 3
"""Names of images without a partner that are shown; the others are counted."""


def value_label(value: Mapping[str, Any]) -> str:
    """Return the label of a value in evaluation.json, with "higher is better", "lower is better" or "best at X"."""
    if value["better"] == "closer":
        return f"{value['label']} (best at {value['ideal']:g})"
    return f"{value['label']} ({value['better']} is better)"


def format_value(value: float | None, digits: int = 3) -> str:
    """Return a number with a fixed number of decimals, or a dash if there is none."""
    return NO_VALUE if value is None else f"{value:.{digits}f}"


def verdict_name(verdict: Mapping[str, Any]) -> str:
    """Return a verdict's label as a phrase, such as "relation found"."""
    label = str(verdict["label"])
    return f"relation {label}" if label.startswith(("found", "unconfirmed")) else label
