"""How similar a translation is to its true partner, in pixels and in structure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from discogan.images import as_rgb
from discogan.metrics import Metric, Value
from discogan.registry import METRICS

BATCH_IMAGES = 64
"""Images compared at a time, because SSIM holds several copies of its input."""


@METRICS.register("similarity")
@dataclass(frozen=True)
class Similarity(Metric):
    """Mean absolute difference from the true partner, and structural similarity to it."""

    needs_pairs: ClassVar[bool] = True
    has_baselines: ClassVar[bool] = True
    values: ClassVar[tuple[Value, ...]] = (
        Value("l1", "L1", "lower", 0.0),
        Value("ssim", "SSIM", "higher", 1.0),
    )

    def compute(self, images: Tensor, references: Tensor) -> dict[str, float]:
        return similarity(images, references)


def similarity(translated: Tensor, partners: Tensor) -> dict[str, float]:
    """Mean absolute difference (l1, [0, 1], lower is better) and SSIM ([-1, 1], higher is better; Wang et al. 2004)."""
    translated, partners = as_rgb(translated.float()), as_rgb(partners.float())
    batches = zip(translated.split(BATCH_IMAGES), partners.split(BATCH_IMAGES), strict=True)  # type: ignore[no-untyped-call]
    ssim = torch.cat([_ssim(*batch) for batch in batches])
    return {"l1": (translated - partners).abs().mean().item(), "ssim": ssim.mean().item()}


def _ssim(translated: Tensor, partners: Tensor) -> Tensor:
    values = structural_similarity_index_measure(translated, partners, data_range=1.0, reduction="none")
    assert isinstance(values, Tensor)
    return values.reshape(-1)
