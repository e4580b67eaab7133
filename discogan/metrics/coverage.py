"""Fidelity and diversity separately: precision and recall, density and coverage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from discogan.images import make_thumbnails
from discogan.metrics import Metric, Value, pairwise_distances
from discogan.registry import METRICS

NEIGHBOURS = 5


@METRICS.register("coverage")
@dataclass(frozen=True)
class Coverage(Metric):
    """Precision, recall, density and coverage of 16x16 thumbnails (Kynkäänniemi et al. 2019, Naeem et al. 2020)."""

    on_demand: ClassVar[bool] = True
    values: ClassVar[tuple[Value, ...]] = (
        Value("precision", "precision", "higher", 1.0),
        Value("recall", "recall", "higher", 1.0),
        Value("density", "density", "higher", 1.0),
        Value("coverage", "coverage", "higher", 1.0),
    )

    def compute(self, images: Tensor, references: Tensor) -> dict[str, float]:
        return manifold_scores(make_thumbnails(images).flatten(1), make_thumbnails(references).flatten(1))


def manifold_scores(translated: Tensor, references: Tensor, neighbours: int = NEIGHBOURS) -> dict[str, float]:
    """Precision, recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020) of given features.

    ``translated`` (N, D) and ``references`` (M, D). The ball of each point reaches its ``neighbours``-th nearest point
    of the same set. Precision, recall and coverage are in [0, 1]. Density is about 1 for equal distributions and can
    exceed it. Precision and density fall if translations leave the manifold of the real images; recall and coverage
    fall if translations leave out parts of it.
    """
    neighbours = min(neighbours, len(translated) - 1, len(references) - 1)
    distances = pairwise_distances(translated, references)
    reference_radii = _radii(references, neighbours)
    translated_radii = _radii(translated, neighbours)
    inside_reference_balls = distances <= reference_radii[None]
    inside_translated_balls = distances <= translated_radii[:, None]
    nearest_translation = distances.min(0).values
    return {
        "precision": inside_reference_balls.any(1).double().mean().item(),
        "recall": inside_translated_balls.any(0).double().mean().item(),
        "density": inside_reference_balls.double().sum(1).mean().item() / neighbours,
        "coverage": (nearest_translation <= reference_radii).double().mean().item(),
    }


def _radii(features: Tensor, neighbours: int) -> Tensor:
    """Distance of each row to its k-th nearest other row."""
    return pairwise_distances(features, features).kthvalue(neighbours + 1, dim=1).values
