"""How far the translations are from real images for a network that has seen many photographs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from discogan.metrics import Metric, Value
from discogan.metrics.coverage import manifold_scores
from discogan.pretrained import load_pretrained, weights_file
from discogan.registry import METRICS

MIN_PIXELS = 128
"""Smaller images are enlarged to this height and width: the network knows objects of 224 pixels."""
BATCH_IMAGES = 64


@METRICS.register("features")
@dataclass(frozen=True)
class Features(Metric):
    """Distance, precision and recall on features of EfficientNet-Lite0, whose weights come with an extra."""

    weights: str = ""
    """File of the network's weights; empty for those of the extra ``features``."""

    on_demand: ClassVar[bool] = True
    values: ClassVar[tuple[Value, ...]] = (
        Value("feature_distance", "feature distance", "lower", 0.0),
        Value("feature_precision", "feature precision", "higher", 1.0),
        Value("feature_recall", "feature recall", "higher", 1.0),
    )

    def check(self) -> None:
        """Raise ``ConfigError`` if the extra or the file of weights is missing."""
        super().check()
        weights_file(self.weights)
        load_pretrained(self.weights)

    def compute(self, images: Tensor, references: Tensor) -> dict[str, float]:
        translated, real = (extract_features(each, self.weights) for each in (images, references))
        scores = manifold_scores(translated, real)
        return {
            "feature_distance": kernel_distance(translated, real),
            "feature_precision": scores["precision"],
            "feature_recall": scores["recall"],
        }


def extract_features(images: Tensor, weights: str = "") -> Tensor:
    """Return the features (N, 1280) of float RGB images (N, 3, H, W) in [0, 1], before the network's classifier."""
    network = load_pretrained(weights)
    features = []
    with torch.inference_mode():
        for batch in images.split(BATCH_IMAGES):  # type: ignore[no-untyped-call]
            if min(batch.shape[2:]) < MIN_PIXELS:
                batch = interpolate(batch, (MIN_PIXELS, MIN_PIXELS), mode="bilinear", antialias=True)
            features.append(network(batch * 2 - 1))
    return torch.cat(features)


def kernel_distance(translated: Tensor, references: Tensor) -> float:
    """Squared maximum mean discrepancy of features (N, D) and (M, D) with the kernel of KID (Binkowski et al. 2018).

    The estimate is unbiased, so it is about 0 for equal distributions, and can be slightly negative. The features are
    scaled to a mean square of 1, so that networks can be compared. At least two rows each are needed; with fewer the
    result is 0.
    """
    if min(len(translated), len(references)) < 2:
        return 0.0
    scale = references.double().square().mean().sqrt().clamp(min=1e-12)
    first, second = translated.double() / scale, references.double() / scale
    within = _mean_of_other_pairs(_kernel(first, first)) + _mean_of_other_pairs(_kernel(second, second))
    return (within - 2 * _kernel(first, second).mean()).item()


def _kernel(rows: Tensor, columns: Tensor) -> Tensor:
    return (rows @ columns.T / rows.shape[1] + 1) ** 3


def _mean_of_other_pairs(kernel: Tensor) -> Tensor:
    """Return the mean without the diagonal."""
    count = len(kernel)
    return (kernel.sum() - kernel.trace()) / (count * (count - 1))
