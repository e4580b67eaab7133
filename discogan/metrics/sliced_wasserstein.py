"""Distance between the distribution of the translations and that of the real images."""

import torch
from torch import Tensor

from discogan.metrics.retrieval import thumbnails
from discogan.registry import METRICS

DIRECTIONS = 256
QUANTILES = 256


@METRICS.register("sliced_wasserstein")
def sliced_wasserstein(translated: Tensor, references: Tensor) -> dict[str, float]:
    """Sliced Wasserstein-1 distance of 16x16 thumbnails over 256 fixed random directions (Rabin et al. 2011).

    At least 0, lower is better, in units of a thumbnail's L2; the two sets may differ in size.
    """
    first, second = thumbnails(translated), thumbnails(references)
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(first.shape[1], DIRECTIONS, generator=generator)
    directions /= directions.norm(dim=0)
    levels = (torch.arange(QUANTILES) + 0.5) / QUANTILES
    quantiles = [torch.quantile(points @ directions, levels, dim=0) for points in (first, second)]
    return {"sliced_wasserstein": (quantiles[0] - quantiles[1]).abs().mean().item()}
