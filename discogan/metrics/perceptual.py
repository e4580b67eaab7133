"""LPIPS to the true partner, from torchmetrics on torchvision's networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from discogan.errors import ConfigError
from discogan.images import as_rgb
from discogan.metrics import Metric, Value
from discogan.registry import METRICS

WEIGHTS_NAME = "alexnet-owt-7be5be79.pth"
BATCH_IMAGES = 64
Distance = Callable[[Tensor, Tensor], Tensor]


@METRICS.register("lpips")
@dataclass(frozen=True)
class LPIPS(Metric):
    """Learned perceptual distance to the true partner (Zhang et al. 2018)."""

    needs_pairs: ClassVar[bool] = True
    on_demand: ClassVar[bool] = True
    libraries: ClassVar[Mapping[str, str]] = {
        "torchvision": "pip install torchvision (the build that fits your PyTorch)"
    }
    values: ClassVar[tuple[Value, ...]] = (Value("lpips", "LPIPS", "lower", 0.0),)

    def check(self) -> None:
        """Raise ``ConfigError`` if torchvision or AlexNet's weights are missing."""
        super().check()
        file = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS_NAME
        if not file.is_file():
            raise ConfigError(
                f"LPIPS needs AlexNet's weights. Download {WEIGHTS_NAME} from pytorch.org's models to {file}."
            )

    def compute(self, images: Tensor, references: Tensor) -> dict[str, float]:
        return lpips(images, references, load_alexnet())


def lpips(translated: Tensor, partners: Tensor, distance: Distance) -> dict[str, float]:
    """Learned perceptual distance (Zhang et al. 2018) of float images (N, C, H, W) in [0, 1] to their partners.

    At least 0. ``distance`` returns the mean of a batch of pairs of images in [-1, 1].
    """
    translated_batches = (as_rgb(translated) * 2 - 1).split(BATCH_IMAGES)  # type: ignore[no-untyped-call]
    partner_batches = (as_rgb(partners) * 2 - 1).split(BATCH_IMAGES)  # type: ignore[no-untyped-call]
    total = 0.0
    for images, references in zip(translated_batches, partner_batches, strict=True):
        total += distance(images, references).item() * len(images)
    return {"lpips": total / len(translated)}


def load_alexnet() -> Distance:
    """Load LPIPS on AlexNet from PyTorch's hub cache; nothing is downloaded."""
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    network: Distance = LearnedPerceptualImagePatchSimilarity(net_type="alex")
    return network
