"""Whether two translators, trained apart, make the same of the same images."""

from collections.abc import Callable

from torch import Tensor

from discogan.metrics.retrieval import retrieval

SYMMETRIES: dict[str, Callable[[Tensor], Tensor]] = {
    "mirrored left to right": lambda images: images.flip(-1),
    "mirrored upside down": lambda images: images.flip(-2),
    "turned by 180 degrees": lambda images: images.flip(-1, -2),
}


def agreement(one: Tensor, other: Tensor) -> float:
    """Share of images that one translator's result finds its own among the other's, both ways round.

    Float images (N, C, H, W), row i of both made of the same input. In [0, 1]; chance is 1/N. Relations that
    training settled by luck differ from start to start, so what independent starts agree on was in the data.
    """
    shares = [retrieval(*pair)["top_1"] for pair in ((one, other), (other, one))]
    return sum(shares) / 2


def symmetric_agreements(one: Tensor, other: Tensor) -> dict[str, float]:
    """The agreement of two translators once the other's images are mirrored or turned, for each such symmetry."""
    return {name: agreement(one, apply(other)) for name, apply in SYMMETRIES.items()}
