"""How well an image comes back from the other domain."""

from torch import Tensor

from discogan.registry import METRICS


@METRICS.register("round_trip")
def round_trip(reconstructed: Tensor, originals: Tensor) -> dict[str, float]:
    """Mean absolute difference between an image and its round trip: [0, 1], lower is better (DiscoGAN's L_CONST)."""
    return {"round_trip_l1": (reconstructed.float() - originals.float()).abs().mean().item()}
