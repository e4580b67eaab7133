"""Whether the translations differ from each other as much as real images do."""

import torch
from torch import Tensor

from discogan.metrics.retrieval import thumbnails
from discogan.registry import METRICS


@METRICS.register("diversity")
def diversity(translated: Tensor, references: Tensor) -> dict[str, float]:
    """Mean L2 between two translations over that between two real images, at 16x16.

    0 is one output for every input (collapse), about 1 is right, above 1 is noise. 0 where the real
    images are all alike.
    """
    real = _spread(references)
    return {"diversity": _spread(translated) / real if real > 0 else 0.0}


def _spread(images: Tensor) -> float:
    distances: Tensor = torch.nn.functional.pdist(thumbnails(images))
    return distances.mean().item() if len(images) > 1 else 0.0
