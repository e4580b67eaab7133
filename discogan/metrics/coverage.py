"""Fidelity and diversity apart: precision and recall, density and coverage, on given features."""

import torch
from torch import Tensor

from discogan.metrics.retrieval import thumbnails
from discogan.registry import METRICS

NEIGHBOURS = 5


@METRICS.register("coverage")
def coverage(translated: Tensor, references: Tensor) -> dict[str, float]:
    """``manifold_scores`` on 16x16 thumbnails of images (N, C, H, W) and (M, C, H, W) in [0, 1]."""
    return manifold_scores(thumbnails(translated), thumbnails(references))


def manifold_scores(translated: Tensor, references: Tensor, neighbours: int = NEIGHBOURS) -> dict[str, float]:
    """Precision, recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).

    Features (N, D) of translations and (M, D) of real images; each point's ball reaches its ``neighbours``-th
    nearest in its own set. All are higher when better; precision, recall and coverage lie in [0, 1]; density is
    1 where the sets agree and may exceed it. Precision and density fall when translations leave the real images'
    manifold, recall and coverage when they leave parts of it out.
    """
    neighbours = min(neighbours, len(translated) - 1, len(references) - 1)
    between = torch.cdist(translated.double(), references.double())
    real_radii = _radii(references, neighbours)
    inside_real = between <= real_radii[None]
    return {
        "precision": inside_real.any(1).double().mean().item(),
        "recall": (between <= _radii(translated, neighbours)[:, None]).any(0).double().mean().item(),
        "density": inside_real.double().sum(1).mean().item() / neighbours,
        "coverage": (between.min(0).values <= real_radii).double().mean().item(),
    }


def _radii(features: Tensor, neighbours: int) -> Tensor:
    """Distance of each row to its k-th nearest other row."""
    distances = torch.cdist(features.double(), features.double())
    return distances.kthvalue(neighbours + 1, dim=1).values
