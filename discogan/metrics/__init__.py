"""Metrics, one file each: functions of images, float (N, C, H, W) in [0, 1], that return named numbers.

A paired metric takes (translated, partners), row i of one belonging to row i of the other. An unpaired
one takes (images, references) whose rows have nothing to do with each other.
"""

from torch import Tensor


def as_rgb(images: Tensor) -> Tensor:
    """Grey (N, 1, H, W) repeated to three channels; RGB as it is."""
    return images.expand(-1, 3, -1, -1)
