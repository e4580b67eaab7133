"""Metrics that are asked for by name: slower, or with networks of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from discogan.errors import ConfigError, unknown_choice
from discogan.metrics.inception import fid, inception, kid
from discogan.registry import METRICS

NOT_EXTRA = ("azimuth", "diversity", "modes", "retrieval", "round_trip", "similarity", "sliced_wasserstein")
"""Metrics that are scored in any case, or are not of translated and real images."""


def check_extra(names: Sequence[str], paired: bool) -> None:
    """Raises ``ConfigError`` for an unknown name, and for LPIPS without true pairs."""
    known = [name for name in METRICS.entries() if name not in NOT_EXTRA]
    for name in names:
        if name not in known:
            raise unknown_choice("metric", name, known)
    if "lpips" in names and not paired:
        raise ConfigError("LPIPS compares true pairs; give --pairs-a and --pairs-b, or leave it out.")


def extra_scores(
    names: Sequence[str], images: Tensor, real: Tensor, *, paired: bool, weights: Path | None = None
) -> dict[str, float]:
    """The metrics ``names`` of translations and real images, float RGB (N, 3, H, W) in [0, 1].

    ``weights`` is a file of Inception's weights, PyTorch's hub cache unless given. Raises ``ConfigError`` for
    another name, for LPIPS without true pairs, and where weights or libraries are missing.
    """
    check_extra(names, paired)
    network = inception(weights) if {"fid", "kid"} & set(names) else None
    scores: dict[str, float] = {}
    for name in names:
        if name in ("fid", "kid"):
            scores |= (fid if name == "fid" else kid)(images, real, network)
        else:
            scores |= METRICS.get(name).build(images, real)
    return scores
