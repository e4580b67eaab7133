"""How close a translation is to its true partner, pixel by pixel and in structure."""

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from discogan.metrics import as_rgb
from discogan.registry import METRICS

BATCH = 64
"""SSIM holds several copies of what it compares, so it sees a few images at a time."""


@METRICS.register("similarity")
def similarity(translated: Tensor, partners: Tensor) -> dict[str, float]:
    """Mean absolute difference (l1, [0, 1], lower is better) and SSIM ([-1, 1], higher is better; Wang et al. 2004)."""
    translated, partners = as_rgb(translated.float()), as_rgb(partners.float())
    batches = zip(translated.split(BATCH), partners.split(BATCH), strict=True)  # type: ignore[no-untyped-call]
    ssim = torch.cat([_ssim(*batch) for batch in batches])
    return {"l1": (translated - partners).abs().mean().item(), "ssim": ssim.mean().item()}


def _ssim(translated: Tensor, partners: Tensor) -> Tensor:
    values = structural_similarity_index_measure(translated, partners, data_range=1.0, reduction="none")
    assert isinstance(values, Tensor)
    return values.reshape(-1)
