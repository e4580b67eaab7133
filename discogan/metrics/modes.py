"""Whether a map between two mixtures reaches every mode, and sends no two modes to one (DiscoGAN section 4.1)."""

from __future__ import annotations

import torch
from torch import Tensor

from discogan.registry import METRICS

COVERED_SHARE = 0.25
"""A mode is covered when it gets this share of the points that would be its due."""


@METRICS.register("modes")
def modes(translated: Tensor, origins: Tensor, centres: Tensor, sigma: float) -> dict[str, float]:
    """What became of points (N, 2) that came from modes ``origins`` (N,), in a mixture with ``centres`` (K, 2).

    ``covered``: modes within 3 ``sigma`` of which lies at least a quarter of N/K points, in [0, K], higher is
    better. ``collisions``: pairs of modes of origin most of whose points are nearest to the same centre, lower is
    better. ``within_3_sigma``: share of points that near to some centre, in [0, 1], higher is better (0.989 for
    the mixture itself).
    """
    distances, nearest = torch.cdist(translated, centres).min(1)
    near = distances < 3 * sigma
    arrived = torch.bincount(nearest[near], minlength=len(centres))
    targets = torch.stack([torch.bincount(nearest[origins == mode]).argmax() for mode in sorted(set(origins.tolist()))])
    sharing = torch.bincount(targets, minlength=len(centres))
    return {
        "covered": float((arrived >= COVERED_SHARE * len(translated) / len(centres)).sum()),
        "collisions": float((sharing * (sharing - 1) // 2).sum()),
        "within_3_sigma": near.float().mean().item(),
    }
