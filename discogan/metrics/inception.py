"""FID and KID, from torchmetrics on torch-fidelity's Inception network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from discogan.errors import ConfigError
from discogan.images import as_rgb
from discogan.metrics import Metric, Value
from discogan.names import expand_user
from discogan.registry import METRICS

WEIGHTS_NAME = "pt_inception-2015-12-05-6726825d.pth"
KID_SUBSETS = 50
MAX_SUBSET_IMAGES = 1000
BATCH_IMAGES = 64


@dataclass(frozen=True)
class InceptionMetric(Metric):
    """A metric on features of the Inception network, which is never downloaded."""

    weights: str = ""
    """File of torch-fidelity's Inception weights; empty for PyTorch's hub cache."""

    on_demand: ClassVar[bool] = True
    libraries: ClassVar[Mapping[str, str]] = {"torch_fidelity": 'pip install ".[metrics]"'}

    def check(self) -> None:
        """Raise ``ConfigError`` if torch-fidelity or the file of weights is missing."""
        super().check()
        file = weights_file(self.weights)
        if not file.is_file():
            raise ConfigError(
                f"FID and KID need Inception's weights. "
                f"Download {WEIGHTS_NAME} from torch-fidelity's releases to {file}."
            )


@METRICS.register("fid")
@dataclass(frozen=True)
class FID(InceptionMetric):
    """Fréchet Inception distance (Heusel et al. 2017)."""

    values: ClassVar[tuple[Value, ...]] = (Value("fid", "FID", "lower", 0.0),)

    def compute(self, images: Tensor, references: Tensor) -> dict[str, float]:
        return fid(images, references, load_inception(self.weights))


@METRICS.register("kid")
@dataclass(frozen=True)
class KID(InceptionMetric):
    """Kernel Inception distance (Binkowski et al. 2018)."""

    values: ClassVar[tuple[Value, ...]] = (Value("kid", "KID", "lower", 0.0),)

    def compute(self, images: Tensor, references: Tensor) -> dict[str, float]:
        return kid(images, references, load_inception(self.weights))


def fid(translated: Tensor, references: Tensor, features: nn.Module) -> dict[str, float]:
    """Fréchet Inception distance (Heusel et al. 2017) of float images (N, C, H, W) in [0, 1]: at least 0.

    Compare only equal numbers of images, because the value falls with their number. ``features`` maps uint8 images to
    (N, D).
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=features)
    return {"fid": _compute(metric, translated, references).item()}


def kid(translated: Tensor, references: Tensor, features: nn.Module) -> dict[str, float]:
    """Kernel Inception distance (Binkowski et al. 2018): about 0 for equal distributions.

    The mean over 50 random subsets. It is unbiased, so sets of different sizes can be compared. ``features`` maps uint8
    images to (N, D).
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    subset_size = min(len(translated), len(references), MAX_SUBSET_IMAGES)
    metric = KernelInceptionDistance(feature=features, subsets=KID_SUBSETS, subset_size=subset_size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        mean, _ = _compute(metric, translated, references)
    return {"kid": mean.item()}


def weights_file(weights: str = "") -> Path:
    """Return the file of Inception's weights: ``weights``, or the one in PyTorch's hub cache if it is empty."""
    return expand_user(weights) if weights else Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS_NAME


@lru_cache(maxsize=1)
def load_inception(weights: str = "") -> nn.Module:
    """Load the Inception network of FID. It is kept, because FID and KID share it."""
    from torchmetrics.image.fid import NoTrainInceptionV3

    file = weights_file(weights)
    return NoTrainInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(file))


def _compute(metric: Any, translated: Tensor, references: Tensor) -> Any:
    for images, real in ((references, True), (translated, False)):
        for batch in as_rgb(images).split(BATCH_IMAGES):  # type: ignore[no-untyped-call]
            metric.update((255 * batch).round().byte(), real=real)
    return metric.compute()
