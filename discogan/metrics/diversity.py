"""Whether the translations differ from each other as much as real images do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from discogan.images import make_thumbnails
from discogan.metrics import Metric, Value
from discogan.registry import METRICS


@METRICS.register("diversity")
@dataclass(frozen=True)
class Diversity(Metric):
    """Mean distance of two translations, relative to that of two real images, at 16x16 pixels."""

    values: ClassVar[tuple[Value, ...]] = (Value("diversity", "diversity", "closer", 1.0),)

    def compute(self, images: Tensor, references: Tensor) -> dict[str, float]:
        return diversity(images, references)


def diversity(translated: Tensor, references: Tensor) -> dict[str, float]:
    """Mean L2 distance between two translations divided by that between two real images, at 16x16 pixels.

    0 is a single output for all inputs (collapse), 1 is ideal, and more than 1 is noise. The result is 0 if all real
    images are equal.
    """
    reference_distance = _mean_distance(references)
    return {"diversity": _mean_distance(translated) / reference_distance if reference_distance > 0 else 0.0}


def _mean_distance(images: Tensor) -> float:
    distances: Tensor = torch.nn.functional.pdist(make_thumbnails(images).flatten(1))
    return distances.mean().item() if len(images) > 1 else 0.0
