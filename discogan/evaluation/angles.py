"""How well the azimuths of translations follow those of their inputs. All angles are in degrees."""

from __future__ import annotations

import torch
from torch import Tensor

FOLLOWED_DEGREES = 15.0
"""Median error up to which an azimuth counts as followed."""
REACHED_SHARE = 0.25
"""Share of the expected outputs from which an azimuth counts as reached."""


def compare_azimuths(outputs: Tensor, inputs: Tensor) -> dict[str, float]:
    """Compare the azimuths of translations (N,) with those of their inputs (N,), at the best constant offset.

    No unpaired method can know the sign or the zero of an angle, and DiscoGAN section 4.2 counts a mirrored azimuth as
    correct. So outputs are compared as they are and mirrored, each at its best constant offset:

    - ``median_error_as_is``, ``median_error_mirrored``: degrees in [0, 180], lower is better
    - ``circular_correlation_as_is``, ``circular_correlation_mirrored``: in [-1, 1], 1 is best
    - ``is_mirrored`` (0 or 1) and ``offset`` (degrees): the sign and offset with the lower median error
    - ``median_error``, ``circular_correlation``: the values for that sign
    - ``reached``: share in [0, 1] of the input azimuths that receive at least a quarter of the expected outputs. A map
      onto only three azimuths can have a small error, but reaches three.
    - ``followed``: share in [0, 1] of the input azimuths whose outputs have a median error of at most 15 degrees
    - ``chance_median_error``: the median error of shuffled outputs
    """
    signed = {"as_is": outputs, "mirrored": -outputs}
    errors = {sign: best_offset(values, inputs) for sign, values in signed.items()}
    correlations = {sign: circular_correlation(values, inputs) for sign, values in signed.items()}
    best = min(errors, key=lambda sign: errors[sign][0])
    error, offset = errors[best]
    shuffled = outputs[torch.randperm(len(outputs), generator=torch.Generator().manual_seed(0))]
    return {
        "median_error": error,
        "circular_correlation": correlations[best],
        "reached": reached(signed[best] + offset, inputs),
        "followed": followed(signed[best] + offset, inputs),
        "is_mirrored": float(best == "mirrored"),
        "offset": offset,
        "median_error_as_is": errors["as_is"][0],
        "median_error_mirrored": errors["mirrored"][0],
        "circular_correlation_as_is": correlations["as_is"],
        "circular_correlation_mirrored": correlations["mirrored"],
        "chance_median_error": min(best_offset(shuffled, inputs)[0], best_offset(-shuffled, inputs)[0]),
    }


def angle_between(first: Tensor, second: Tensor) -> Tensor:
    """Return ``first`` - ``second``, wrapped to [-180, 180)."""
    return (first - second + 180) % 360 - 180


def best_offset(outputs: Tensor, inputs: Tensor) -> tuple[float, float]:
    """Return the smallest median absolute error over all constant offsets in whole degrees, and its offset."""
    offsets = torch.arange(-180.0, 180.0)
    errors = angle_between(outputs[None] + offsets[:, None], inputs[None]).abs().median(1).values
    best = int(errors.argmin())
    return errors[best].item(), offsets[best].item()


def reached(outputs: Tensor, inputs: Tensor) -> float:
    """Share of the distinct azimuths of ``inputs`` that are the nearest to enough outputs (``REACHED_SHARE``)."""
    azimuths, expected = inputs.unique(return_counts=True)  # type: ignore[no-untyped-call]
    nearest = angle_between(outputs[:, None], azimuths[None]).abs().argmin(1)
    arrived = torch.bincount(nearest, minlength=len(azimuths))
    return int((arrived >= expected * REACHED_SHARE).sum()) / len(azimuths)


def followed(outputs: Tensor, inputs: Tensor, degrees: float = FOLLOWED_DEGREES) -> float:
    """Share of the distinct azimuths of ``inputs`` whose outputs have a median error of at most ``degrees``."""
    errors = angle_between(outputs, inputs).abs()
    azimuths = sorted(set(inputs.tolist()))
    return sum(errors[inputs == azimuth].median().item() <= degrees for azimuth in azimuths) / len(azimuths)


def circular_correlation(first: Tensor, second: Tensor) -> float:
    """Correlation of two sets of angles (Fisher and Lee 1983), which needs no mean direction.

    In [-1, 1]; 0 if one set is constant. Constant offsets do not change it, even over the full turn. Mirroring changes
    its sign.
    """
    a, b = first.double().deg2rad(), second.double().deg2rad()

    def squared_length(angles: Tensor) -> float:
        return torch.polar(torch.ones_like(angles), angles).sum().abs().square().item()

    squared_count = float(len(a)) ** 2
    scale = ((squared_count - squared_length(2 * a)) * (squared_count - squared_length(2 * b))) ** 0.5
    difference = squared_length(a - b) - squared_length(a + b)
    return difference / scale if scale > 1e-6 * squared_count else 0.0
