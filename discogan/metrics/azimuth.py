"""Does a translation look the same way as its input? Azimuths read by a regressor, compared as angles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from discogan.errors import DataError
from discogan.metrics import as_rgb
from discogan.registry import METRICS

STEPS = 600
BATCH = 64
TEST_SHARE = 0.25


class AzimuthRegressor(nn.Module):
    """A small network that reads the azimuth of an image as a point (sine, cosine), which has no seam at 360 degrees.

    Float images (N, 1 or 3, H, W) in [0, 1], H = W at least 16, to (N, 2).
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
        """Degrees in (-180, 180], (N,)."""
        self.eval()
        points = torch.cat([self(batch.float()) for batch in images.split(256)])  # type: ignore[no-untyped-call]
        return torch.atan2(points[:, 0], points[:, 1]).rad2deg()


@dataclass(frozen=True)
class Fitted:
    """A regressor, and its median absolute error in degrees on ``test_images`` of identities it never saw."""

    regressor: AzimuthRegressor
    test_error: float
    test_images: int


def fit_regressor(images: Tensor, azimuths: Tensor, identities: Sequence[str], *, seed: int = 0) -> Fitted:
    """A regressor trained on real images, float (N, C, H, W) in [0, 1], with azimuths (N,) in degrees.

    A quarter of the identities is held out to measure its own error, without which a figure read with it
    means nothing. Raises ``DataError`` where there are fewer than two identities.
    """
    names = sorted(set(identities))
    if len(names) < 2:
        raise DataError("A regressor of azimuth needs labelled images of two identities or more.")
    order = np.random.default_rng(seed).permutation(len(names))
    held_out = {names[place] for place in order[: max(1, round(TEST_SHARE * len(names)))]}
    test = torch.tensor([name in held_out for name in identities])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        regressor = _train(AzimuthRegressor(), images[~test], azimuths[~test].deg2rad())
    error = angle_between(regressor.azimuths(images[test]), azimuths[test]).abs().median().item()
    return Fitted(regressor, error, int(test.sum()))


def _train(regressor: AzimuthRegressor, images: Tensor, radians: Tensor) -> AzimuthRegressor:
    """Adam with a rate that falls to zero; images shifted and tinted, so that translations need not be perfect."""
    targets = torch.stack([radians.sin(), radians.cos()], 1)
    optimiser = torch.optim.AdamW(regressor.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=STEPS)
    regressor.train()
    for _ in range(STEPS):
        rows = torch.randint(len(images), (BATCH,))
        loss = F.mse_loss(regressor(_varied(images[rows].float())), targets[rows])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return regressor.eval()


def _varied(images: Tensor) -> Tensor:
    """Up to a sixteenth of a side moved, brightness and contrast changed, a little noise."""
    reach = images.shape[-1] // 16
    moved = F.pad(images, (reach,) * 4, mode="replicate")
    down, right = (int(torch.randint(2 * reach + 1, ())) for _ in range(2))
    images = moved[..., down : down + images.shape[-2], right : right + images.shape[-1]]
    contrast = torch.empty(len(images), 1, 1, 1).uniform_(0.8, 1.2)
    brightness = torch.empty(len(images), 1, 1, 1).uniform_(-0.1, 0.1)
    return (contrast * (images - 0.5) + 0.5 + brightness + 0.03 * torch.randn_like(images)).clamp(0, 1)


@METRICS.register("azimuth")
def azimuth(outputs: Tensor, inputs: Tensor) -> dict[str, float]:
    """How well the azimuths of translations (N,) follow those of their inputs (N,), both in degrees.

    No unpaired learner can know the sign of an angle nor its zero (DiscoGAN section 4.2 counts a mirrored
    azimuth as found), so each way, as it is and ``mirrored``, is taken at its best constant offset:
    ``median_error_*`` in degrees, [0, 180], lower is better, and ``circular_correlation_*``, [-1, 1], 1 is
    best. ``median_error`` and ``circular_correlation`` are those of the better way, ``offset`` (degrees) and
    ``is_mirrored`` (0 or 1) say which it was, ``chance_median_error`` is what shuffled outputs get the same way.
    ``reached``, [0, 1], is the share of the inputs' azimuths at which outputs arrive that way (at least a quarter of
    those due): a map that knows but three sides of a thing can have a small error, and reaches three. ``followed``,
    [0, 1], is the share of them whose own outputs have a median error of at most 15 degrees that way.
    """
    ways = {"as_is": outputs, "mirrored": -outputs}
    errors = {way: best_offset(values, inputs) for way, values in ways.items()}
    correlations = {way: circular_correlation(values, inputs) for way, values in ways.items()}
    best = min(errors, key=lambda way: errors[way][0])
    shuffled = outputs[torch.randperm(len(outputs), generator=torch.Generator().manual_seed(0))]
    return {
        "median_error": errors[best][0],
        "circular_correlation": correlations[best],
        "reached": reached(ways[best] + errors[best][1], inputs),
        "followed": followed(ways[best] + errors[best][1], inputs),
        "is_mirrored": float(best == "mirrored"),
        "offset": errors[best][1],
        **{f"median_error_{way}": error for way, (error, _) in errors.items()},
        **{f"circular_correlation_{way}": value for way, value in correlations.items()},
        "chance_median_error": min(best_offset(values, inputs)[0] for values in (shuffled, -shuffled)),
    }


def angle_between(one: Tensor, other: Tensor) -> Tensor:
    """``one`` - ``other`` in degrees, wrapped to [-180, 180)."""
    return (one - other + 180) % 360 - 180


def best_offset(outputs: Tensor, inputs: Tensor) -> tuple[float, float]:
    """The least median absolute error over constant offsets in whole degrees, and that offset."""
    offsets = torch.arange(-180.0, 180.0)
    errors = angle_between(outputs[None] + offsets[:, None], inputs[None]).abs().median(1).values
    best = int(errors.argmin())
    return errors[best].item(), offsets[best].item()


def reached(outputs: Tensor, inputs: Tensor) -> float:
    """Share of the distinct azimuths of ``inputs`` that are the nearest to at least a quarter of the outputs due."""
    azimuths, due = inputs.unique(return_counts=True)  # type: ignore[no-untyped-call]
    nearest = angle_between(outputs[:, None], azimuths[None]).abs().argmin(1)
    arrived = torch.bincount(nearest, minlength=len(azimuths))
    return int((arrived >= due / 4).sum()) / len(azimuths)


def followed(outputs: Tensor, inputs: Tensor, degrees: float = 15.0) -> float:
    """Share of the distinct azimuths of ``inputs`` that most of their outputs follow to within ``degrees``."""
    errors = angle_between(outputs, inputs).abs()
    azimuths = sorted(set(inputs.tolist()))
    return sum(errors[inputs == azimuth].median().item() <= degrees for azimuth in azimuths) / len(azimuths)


def circular_correlation(one: Tensor, other: Tensor) -> float:
    """Correlation of two sets of angles in degrees (Fisher and Lee 1983), which needs no mean direction.

    In [-1, 1]; 0 where one is constant. Offsets do not change it, over the full turn neither; mirroring turns its sign.
    """
    a, b = one.double().deg2rad(), other.double().deg2rad()

    def length(angles: Tensor) -> float:
        return torch.polar(torch.ones_like(angles), angles).sum().abs().square().item()

    count = float(len(a)) ** 2
    scale = ((count - length(2 * a)) * (count - length(2 * b))) ** 0.5
    return (length(a - b) - length(a + b)) / scale if scale > 1e-6 * count else 0.0
