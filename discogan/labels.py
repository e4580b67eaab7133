"""What figures are called wherever they are shown, in the terminal and in reports: pairs of a label and a key."""

from collections.abc import Mapping
from typing import Any

SCORES = (
    ("top-1 (higher is better)", "top_1"),
    ("top-5 (higher is better)", "top_5"),
    ("L1 (lower is better)", "l1"),
    ("SSIM (higher is better)", "ssim"),
)
"""Against true pairs; each also as identity_KEY and chance_KEY."""
UNPAIRED_SCORES = (
    ("round trip L1 (0 is perfect)", "round_trip_l1"),
    ("diversity (0 is collapsed, 1 is right)", "diversity"),
    ("sliced Wasserstein (0 is perfect)", "sliced_wasserstein"),
    ("precision (1 is best)", "precision"),
    ("recall (1 is best)", "recall"),
    ("density (1 is right)", "density"),
    ("coverage (1 is best)", "coverage"),
    ("FID (0 is perfect)", "fid"),
    ("KID (0 is perfect)", "kid"),
    ("LPIPS to the partner (0 is perfect)", "lpips"),
)
"""Without pairs; those from precision on only where they were asked for."""
AZIMUTHS = (
    ("median error in degrees, best offset and sign", "median_error"),
    ("as it is", "median_error_as_is"),
    ("mirrored", "median_error_mirrored"),
    ("identity", "identity_median_error"),
    ("chance", "chance_median_error"),
    ("the regressor's own, on real images", "regressor_error"),
    ("azimuths reached (1 is best)", "reached"),
    ("azimuths followed (1 is best)", "followed"),
    ("circular correlation (1 or -1 is best)", "circular_correlation_as_is"),
)
FIGURES = (
    ("round trip (0 is perfect, 1 is none)", "round_trip"),
    ("diversity (0 is collapsed, 1 is right)", "diversity"),
    ("distribution (0 is right, 1 is one image)", "distribution"),
    ("change (0 is a copy)", "change"),
    ("ranked rightly by the discriminator (0.5 is balance)", "discriminator_accuracy"),
)
"""Behind a verdict."""


def figure_text(value: float | None) -> str:
    """A figure of a verdict; a dash where it says nothing of the run."""
    return "-" if value is None else f"{value:.2f}"


def verdict_name(verdict: Mapping[str, Any]) -> str:
    """A verdict's word as it is said: what is found, or unconfirmed, is the relation."""
    word = str(verdict["label"])
    return f"relation {word}" if word.startswith(("found", "unconfirmed")) else word
