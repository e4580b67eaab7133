"""Whether the translations are as grainy, or as smooth, as real images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from discogan.metrics import Metric, Value
from discogan.registry import METRICS

FINE_CYCLES_PER_PIXEL = 0.25
"""Half of the Nyquist frequency: finer structures are less than four pixels long."""
BATCH_IMAGES = 128


@METRICS.register("grain")
@dataclass(frozen=True)
class Grain(Metric):
    """Energy of fine structures, less than four pixels long, relative to that of real images."""

    values: ClassVar[tuple[Value, ...]] = (Value("grain", "grain", "closer", 1.0),)

    def compute(self, images: Tensor, references: Tensor) -> dict[str, float]:
        return grain(images, references)


def grain(translated: Tensor, references: Tensor) -> dict[str, float]:
    """Mean spectral energy above half of the Nyquist frequency, divided by that of the real images.

    Images are float (N, C, H, W). More than 1 is grain or dots, less than 1 is blur. The result is 0 if the real images
    have no fine structure.
    """
    reference_energy = _fine_energy(references)
    return {"grain": _fine_energy(translated) / reference_energy if reference_energy > 0 else 0.0}


def _fine_energy(images: Tensor) -> float:
    """Return the mean energy per image, channel and pixel. A window keeps the borders from counting as edges."""
    height, width = images.shape[2:]
    window = torch.hann_window(height, periodic=False)[:, None] * torch.hann_window(width, periodic=False)
    frequencies = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width))
    total = 0.0
    for batch in images.float().split(BATCH_IMAGES):  # type: ignore[no-untyped-call]
        energy = torch.fft.rfft2(batch * window, norm="ortho").abs().square()
        energy[..., 1 : (width + 1) // 2] *= 2  # The negative frequencies, which rfft2 leaves out.
        total += energy[..., frequencies > FINE_CYCLES_PER_PIXEL].double().sum().item()
    return total / images.numel()
