"""Networks, one file each.

A generator is built as ``build(in_shape, out_shape, options)`` and maps images of one shape to the other.
A discriminator is built as ``build(in_shape, options)`` and answers with a ``DiscriminatorOutput``. Shapes are
(channels, height, width).
"""

from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor, nn

from discogan.errors import ConfigError, unknown_choice

Shape = tuple[int, ...]


class DiscriminatorOutput(NamedTuple):
    """What a discriminator says of a batch.

    ``logits``: (N, 1), or (N, 1, h, w) for one that judges patches; the probability that an image is
    real is their sigmoid. ``features``: activations of its inner layers, shallow to deep.
    """

    logits: Tensor
    features: list[Tensor]


def activations(stages: Iterable[nn.Module], images: Tensor) -> list[Tensor]:
    """What each stage makes of the one before it."""
    made = []
    for stage in stages:
        images = stage(images)
        made.append(images)
    return made


class Residual(nn.Module):
    """x + F(x), F the layers given, which keep the shape."""

    def __init__(self, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.change = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        change: Tensor = self.change(images)
        return images + change


def norm_layer(name: str, channels: int) -> nn.Module:
    """``batch``, ``instance`` (affine) or ``none``; raises ``ConfigError`` for another name."""
    if name == "none":
        return nn.Identity()
    if name == "batch":
        return nn.BatchNorm2d(channels)
    if name == "instance":
        return nn.InstanceNorm2d(channels, affine=True)
    raise unknown_choice("norm", name, ("batch", "instance", "none"))


def output_layer(name: str) -> nn.Module:
    """``sigmoid`` for pixels in [0, 1], ``tanh`` for pixels in [-1, 1], ``linear`` for data without bounds."""
    layers = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "linear": nn.Identity}
    if name not in layers:
        raise unknown_choice("output", name, layers)
    return layers[name]()


def image_side(shape: Shape, what: str) -> int:
    """Height and width of a (channels, height, width) shape; raises ``ConfigError`` where they differ."""
    if len(shape) != 3 or shape[1] != shape[2]:
        raise ConfigError(f"{what} takes square images (channels, side, side), not {shape}.")
    return shape[1]
