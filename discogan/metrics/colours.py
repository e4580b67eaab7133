"""Whether the translations have the colours of real images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from discogan.images import evenly_spaced, make_thumbnails
from discogan.metrics import Metric, Value
from discogan.registry import METRICS

DIRECTIONS = 64
QUANTILES = 256
MAX_COLOURS = 16_384
"""Colours of a set of images that are compared, at most."""


@METRICS.register("colours")
@dataclass(frozen=True)
class Colours(Metric):
    """Distance between the colour histograms of translations and real images, in units of CIELAB."""

    values: ClassVar[tuple[Value, ...]] = (Value("colour_distance", "colour distance", "lower", 0.0),)

    def compute(self, images: Tensor, references: Tensor) -> dict[str, float]:
        return colours(images, references)


def colours(translated: Tensor, references: Tensor) -> dict[str, float]:
    """Sliced Wasserstein-1 distance of the colours of all 16x16 thumbnails, in CIELAB (Rabin et al. 2011).

    Images are float RGB (N, 3, H, W) in [0, 1]. At least 0. A difference of 2 can just be seen, and black and white are
    55 apart. Where a colour is in the image does not matter.
    """
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(3, DIRECTIONS, generator=generator)
    directions /= directions.norm(dim=0)
    levels = (torch.arange(QUANTILES) + 0.5) / QUANTILES
    quantiles = []
    for images in (translated, references):
        colours_of_pixels = make_thumbnails(images).permute(0, 2, 3, 1).reshape(-1, 3)
        chosen = colours_of_pixels[evenly_spaced(len(colours_of_pixels), MAX_COLOURS)]
        quantiles.append(torch.quantile(to_lab(chosen) @ directions, levels, dim=0))
    return {"colour_distance": (quantiles[0] - quantiles[1]).abs().mean().item()}


def to_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB colours (N, 3) in [0, 1] to CIELAB with white point D65 (CIE 15:2004, IEC 61966-2-1)."""
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)
    to_xyz = torch.tensor(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    relative = linear @ to_xyz.T / to_xyz.sum(1)
    edge = 6 / 29
    roots = torch.where(relative > edge**3, relative.clamp(min=edge**3) ** (1 / 3), relative / (3 * edge**2) + 4 / 29)
    x, y, z = roots.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)
