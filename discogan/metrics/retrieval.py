"""Which belongs with which: the score of the true partner among all candidates."""

import torch
import torch.nn.functional as F
from torch import Tensor

from discogan.metrics import as_rgb
from discogan.registry import METRICS

SIDE = 16


def thumbnails(images: Tensor) -> Tensor:
    """Images (N, C, H, W) as RGB area averages of 16x16, flattened to (N, 768)."""
    return F.adaptive_avg_pool2d(as_rgb(images.float()), SIDE).flatten(1)


@METRICS.register("retrieval")
def retrieval(translated: Tensor, partners: Tensor) -> dict[str, float]:
    """Share of images whose true partner is the nearest (top_1) or among the five nearest (top_5), by L2 at 16x16.

    In [0, 1], higher is better; chance is 1/N and 5/N. Ties count against the translation, so an output
    that is the same for every input cannot score above chance.
    """
    distances = torch.cdist(thumbnails(translated).double(), thumbnails(partners).double())
    own = distances.diagonal().unsqueeze(1)
    rank = (distances <= own).sum(1) - 1
    return {"top_1": (rank < 1).double().mean().item(), "top_5": (rank < 5).double().mean().item()}


def chance_retrieval(count: int) -> dict[str, float]:
    """What guessing scores among ``count`` candidates."""
    return {"top_1": 1 / count, "top_5": min(1.0, 5 / count)}
