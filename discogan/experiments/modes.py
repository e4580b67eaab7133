"""Whether a map between two mixtures reaches every mode and keeps modes apart (DiscoGAN section 4.1)."""

from __future__ import annotations

import torch
from torch import Tensor

COVERED_SHARE = 0.25
"""Share of the expected points from which a mode counts as covered."""


def modes(translated: Tensor, origins: Tensor, centres: Tensor, sigma: float) -> dict[str, float]:
    """Count covered modes and collisions of translated points (N, 2), in a mixture with ``centres`` (K, 2).

    ``origins`` (N,) are the modes from which the points came.

    - ``covered``: modes that have at least a quarter of N/K points within 3 ``sigma``, in [0, K], higher is better
    - ``collisions``: pairs of origin modes whose points are mostly nearest to the same centre, lower is better
    - ``within_3_sigma``: share in [0, 1] of points that are that near to a centre, higher is better (0.989 for the
      mixture itself)
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
