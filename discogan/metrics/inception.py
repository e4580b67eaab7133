"""FID and KID, kept by torchmetrics on torch-fidelity's Inception network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from discogan.errors import ConfigError
from discogan.extras import import_extra
from discogan.metrics import as_rgb
from discogan.registry import METRICS

WEIGHTS = "pt_inception-2015-12-05-6726825d.pth"
SUBSETS = 50
BATCH = 64


@METRICS.register("fid")
def fid(translated: Tensor, references: Tensor, features: nn.Module | None = None) -> dict[str, float]:
    """Fréchet Inception distance (Heusel et al. 2017) of images (N, C, H, W) in [0, 1]: at least 0, lower is better.

    It falls with the number of images, so compare equal counts only. ``features`` maps uint8 images to (N, D);
    ``inception()`` unless given.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=features or inception())
    return {"fid": _compute(metric, translated, references).item()}


@METRICS.register("kid")
def kid(translated: Tensor, references: Tensor, features: nn.Module | None = None) -> dict[str, float]:
    """Kernel Inception distance (Binkowski et al. 2018): about 0 where the sets agree, lower is better.

    Unbiased, so that it can be compared between sets of different counts. Mean over 50 random subsets.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    size = min(len(translated), len(references), 1000)
    metric = KernelInceptionDistance(feature=features or inception(), subsets=SUBSETS, subset_size=size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        mean, _ = _compute(metric, translated, references)
    return {"kid": mean.item()}


def inception(weights: Path | None = None) -> nn.Module:
    """The Inception network of FID, from a file of torch-fidelity's weights; nothing is downloaded.

    ``weights`` is PyTorch's hub cache unless given. Raises ``ConfigError`` where the file or torch-fidelity is missing.
    """
    file = weights or Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS
    if not file.is_file():
        raise ConfigError(
            f"FID and KID need Inception's weights; download {WEIGHTS} from torch-fidelity's releases to {file}."
        )
    import_extra("torch_fidelity", "metrics", "FID and KID")
    from torchmetrics.image.fid import NoTrainInceptionV3

    return NoTrainInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(file))


def _compute(metric: Any, translated: Tensor, references: Tensor) -> Any:
    for images, real in ((references, True), (translated, False)):
        for batch in as_rgb(images).split(BATCH):  # type: ignore[no-untyped-call]
            metric.update((255 * batch).round().byte(), real=real)
    return metric.compute()
