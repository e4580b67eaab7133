"""How much of an image is lost in its round trip through the other domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from discogan.metrics import Metric, Value
from discogan.registry import METRICS


@METRICS.register("round_trip")
@dataclass(frozen=True)
class RoundTrip(Metric):
    """Mean absolute difference between an image and its round trip."""

    # A flag, not a special case in evaluation, so that other metrics of round trips are one file too.
    compares: ClassVar[Literal["translations", "round_trips"]] = "round_trips"
    values: ClassVar[tuple[Value, ...]] = (Value("round_trip_l1", "round trip L1", "lower", 0.0),)

    def compute(self, images: Tensor, references: Tensor) -> dict[str, float]:
        return round_trip(images, references)


def round_trip(reconstructed: Tensor, originals: Tensor) -> dict[str, float]:
    """Mean absolute difference between an image and its round trip: [0, 1], lower is better (DiscoGAN's L_CONST)."""
    return {"round_trip_l1": (reconstructed.float() - originals.float()).abs().mean().item()}
