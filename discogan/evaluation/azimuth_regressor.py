"""A small network that reads the azimuth of an image, trained on labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from discogan.errors import DataError
from discogan.evaluation.angles import angle_between
from discogan.images import as_rgb

TRAINING_STEPS = 600
BATCH_IMAGES = 64
TEST_SHARE = 0.25
"""Share of the identities that are held out to measure the regressor's error."""


class AzimuthRegressor(nn.Module):
    """Reads the azimuth of an image as a point (sine, cosine), which is continuous at 360 degrees.

    Float images (N, 1 or 3, H, W) in [0, 1], H = W of at least 16, to (N, 2).
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        widths = (3, width, 2 * width, 4 * width)
        stages: list[nn.Module] = []
        for before, after in pairwise(widths):
            stages += [nn.Conv2d(before, after, 4, 2, 1), nn.BatchNorm2d(after), nn.ReLU()]
        self.stages = nn.Sequential(*stages, nn.AdaptiveAvgPool2d(4), nn.Flatten())
        self.head = nn.Sequential(nn.Linear(64 * width, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 2))

    def forward(self, images: Tensor) -> Tensor:
        points: Tensor = self.head(self.stages(as_rgb(images) * 2 - 1))
        return points

    @torch.inference_mode()
    def azimuths(self, images: Tensor) -> Tensor:
        """Return the azimuths of images in degrees, in (-180, 180], (N,)."""
        self.eval()
        points = torch.cat([self(batch.float()) for batch in images.split(256)])  # type: ignore[no-untyped-call]
        return torch.atan2(points[:, 0], points[:, 1]).rad2deg()


@dataclass(frozen=True)
class FittedRegressor:
    """A trained regressor and its own error."""

    regressor: AzimuthRegressor
    test_error: float
    """Median absolute error in degrees on images of identities that its training did not use."""
    test_images: int
    """Number of those images."""


def fit_regressor(images: Tensor, azimuths: Tensor, identities: Sequence[str], *, seed: int = 0) -> FittedRegressor:
    """Train a regressor on real images, float (N, C, H, W) in [0, 1], with azimuths (N,) in degrees.

    A quarter of the identities is held out to measure the regressor's own error. Without that error, no value read
    with the regressor means anything. Raises ``DataError`` if there are fewer than two identities.
    """
    names = sorted(set(identities))
    if len(names) < 2:
        raise DataError(f"An azimuth regressor needs images of at least two identities, not {len(names)}. Add some.")
    order = np.random.default_rng(seed).permutation(len(names))
    held_out = {names[position] for position in order[: max(1, round(TEST_SHARE * len(names)))]}
    test = torch.tensor([name in held_out for name in identities])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        regressor = _train(AzimuthRegressor(), images[~test], azimuths[~test].deg2rad())
    error = angle_between(regressor.azimuths(images[test]), azimuths[test]).abs().median().item()
    return FittedRegressor(regressor, error, int(test.sum()))


def _train(regressor: AzimuthRegressor, images: Tensor, radians: Tensor) -> AzimuthRegressor:
    """Train with Adam and a learning rate that falls to zero."""
    targets = torch.stack([radians.sin(), radians.cos()], 1)
    optimiser = torch.optim.AdamW(regressor.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=TRAINING_STEPS)
    regressor.train()
    for _ in range(TRAINING_STEPS):
        rows = torch.randint(len(images), (BATCH_IMAGES,))
        loss = F.mse_loss(regressor(_augment(images[rows].float())), targets[rows])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return regressor.eval()


def _augment(images: Tensor) -> Tensor:
    """Shift images by up to a sixteenth of a side, and change brightness, contrast and noise.

    The regressor then also reads translations that are not perfect.
    """
    reach = images.shape[-1] // 16
    moved = F.pad(images, (reach,) * 4, mode="replicate")
    down, right = (int(torch.randint(2 * reach + 1, ())) for _ in range(2))
    images = moved[..., down : down + images.shape[-2], right : right + images.shape[-1]]
    contrast = torch.empty(len(images), 1, 1, 1).uniform_(0.8, 1.2)
    brightness = torch.empty(len(images), 1, 1, 1).uniform_(-0.1, 0.1)
    return (contrast * (images - 0.5) + 0.5 + brightness + 0.03 * torch.randn_like(images)).clamp(0, 1)
