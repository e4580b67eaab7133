"""How often the true partner of a translation is nearest among all candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from discogan.images import make_thumbnails
from discogan.metrics import Metric, Value, pairwise_distances
from discogan.registry import METRICS


@METRICS.register("retrieval")
@dataclass(frozen=True)
class Retrieval(Metric):
    """How often the true partner is the nearest candidate, or among the five nearest, at 16x16 pixels."""

    needs_pairs: ClassVar[bool] = True
    has_baselines: ClassVar[bool] = True
    values: ClassVar[tuple[Value, ...]] = (
        Value("top_1", "top-1", "higher", 1.0),
        Value("top_5", "top-5", "higher", 1.0),
    )

    def compute(self, images: Tensor, references: Tensor) -> dict[str, float]:
        return retrieval(images, references)

    def chance(self, images: Tensor, references: Tensor) -> dict[str, float]:
        """Return the values of a random guess."""
        return chance_retrieval(len(references))


def retrieval(translated: Tensor, partners: Tensor) -> dict[str, float]:
    """Share of images whose true partner is the nearest (top_1) or among the five nearest (top_5), by L2 at 16x16.

    In [0, 1]; chance is 1/N and 5/N. Ties count against the translation, so a single output for all inputs is not
    above chance.
    """
    points, partner_points = make_thumbnails(translated).flatten(1), make_thumbnails(partners).flatten(1)
    distances = pairwise_distances(points, partner_points)
    partner_distances = distances.diagonal().unsqueeze(1)
    rank = (distances <= partner_distances).sum(1) - 1
    return {"top_1": (rank < 1).double().mean().item(), "top_5": (rank < 5).double().mean().item()}


def chance_retrieval(count: int) -> dict[str, float]:
    """Return the expected values of a random guess among ``count`` candidates."""
    return {"top_1": 1 / count, "top_5": min(1.0, 5 / count)}
