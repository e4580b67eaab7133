"""Whether two independently trained translators give the same translations of the same images."""

from collections.abc import Callable

from torch import Tensor

from discogan.metrics.retrieval import retrieval

SYMMETRIES: dict[str, Callable[[Tensor], Tensor]] = {
    "mirrored left to right": lambda images: images.flip(-1),
    "mirrored upside down": lambda images: images.flip(-2),
    "turned by 180 degrees": lambda images: images.flip(-1, -2),
}


def agreement(first: Tensor, second: Tensor) -> float:
    """Share of images whose two translations are nearest to each other, averaged over both orders of comparison.

    Float images (N, C, H, W); row i of both is a translation of the same input. In [0, 1]; chance is 1/N. An arbitrary
    mapping differs from seed to seed, so a mapping on which independent runs agree was in the data.
    """
    shares = [retrieval(*pair)["top_1"] for pair in ((first, second), (second, first))]
    return sum(shares) / 2


def symmetric_agreements(first: Tensor, second: Tensor) -> dict[str, float]:
    """Agreement after each symmetry is applied to the second translator's images, by the symmetry's name."""
    return {name: agreement(first, apply(second)) for name, apply in SYMMETRIES.items()}
