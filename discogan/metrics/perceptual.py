"""LPIPS to the true partner, kept by torchmetrics on torchvision's networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from discogan.errors import ConfigError
from discogan.metrics import as_rgb
from discogan.registry import METRICS

WEIGHTS = "alexnet-owt-7be5be79.pth"
BATCH = 64
Distance = Callable[[Tensor, Tensor], Tensor]


@METRICS.register("lpips")
def lpips(translated: Tensor, partners: Tensor, distance: Distance | None = None) -> dict[str, float]:
    """Learned perceptual distance (Zhang et al. 2018) of images (N, C, H, W) in [0, 1] to their partners.

    At least 0, lower is better. ``distance`` gives the mean of a batch pair in [-1, 1]; ``alexnet()`` unless given.
    """
    distance = distance or alexnet()
    pairs = list(
        zip(
            (as_rgb(translated) * 2 - 1).split(BATCH),  # type: ignore[no-untyped-call]
            (as_rgb(partners) * 2 - 1).split(BATCH),  # type: ignore[no-untyped-call]
            strict=True,
        )
    )
    total = sum(distance(one, other).item() * len(one) for one, other in pairs)
    return {"lpips": total / len(translated)}


def alexnet() -> Distance:
    """LPIPS on AlexNet from PyTorch's hub cache; nothing is downloaded. Raises ``ConfigError`` where it is missing."""
    file = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS
    try:
        import torchvision  # noqa: F401
    except ImportError as error:
        raise ConfigError("LPIPS needs torchvision; install the build of it that fits your PyTorch.") from error
    if not file.is_file():
        raise ConfigError(f"LPIPS needs AlexNet's weights; download {WEIGHTS} from pytorch.org's models to {file}.")
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    network: Distance = LearnedPerceptualImagePatchSimilarity(net_type="alex")
    return network
