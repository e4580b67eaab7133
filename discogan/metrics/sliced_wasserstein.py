"""Distance between the distribution of the translations and that of the real images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from discogan.images import make_thumbnails
from discogan.metrics import Metric, Value
from discogan.registry import METRICS

PROJECTIONS = 256
QUANTILES = 256


@METRICS.register("sliced_wasserstein")
@dataclass(frozen=True)
class SlicedWasserstein(Metric):
    """Distance between the distributions of translations and real images (Rabin et al. 2011), at 16x16 pixels."""

    values: ClassVar[tuple[Value, ...]] = (Value("sliced_wasserstein", "sliced Wasserstein", "lower", 0.0),)

    def compute(self, images: Tensor, references: Tensor) -> dict[str, float]:
        return sliced_wasserstein(images, references)


def sliced_wasserstein(translated: Tensor, references: Tensor) -> dict[str, float]:
    """Sliced Wasserstein-1 distance of 16x16 thumbnails over 256 fixed random projections (Rabin et al. 2011).

    At least 0, in units of a thumbnail's L2 norm. The two sets may differ in size.
    """
    first, second = make_thumbnails(translated).flatten(1), make_thumbnails(references).flatten(1)
    generator = torch.Generator().manual_seed(0)
    projections = torch.randn(first.shape[1], PROJECTIONS, generator=generator)
    projections /= projections.norm(dim=0)
    levels = (torch.arange(QUANTILES) + 0.5) / QUANTILES
    quantiles = [torch.quantile(points @ projections, levels, dim=0) for points in (first, second)]
    return {"sliced_wasserstein": (quantiles[0] - quantiles[1]).abs().mean().item()}
