"""Networks, one file each.

A generator is built as ``build(in_shape, out_shape, options)`` and maps images of one shape to the other.
A discriminator is built as ``build(in_shape, options)`` and returns a ``DiscriminatorOutput``. Shapes are
(channels, height, width).
"""

from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor, nn

from discogan.errors import ConfigError, unknown_choice

Shape = tuple[int, ...]


class DiscriminatorOutput(NamedTuple):
    """The output of a discriminator for a batch of N images."""

    logits: Tensor
    """(N, 1), or (N, 1, h, w) with one logit per patch. The sigmoid of a logit is the probability that it is real."""
    features: list[Tensor]
    """Activations of the inner layers, shallow to deep."""
    penalised_logits: Tensor | None = None
    """The part of the logits, (N, 1), whose gradient an objective penalises; ``None`` is all of them."""


def activations(stages: Iterable[nn.Module], images: Tensor) -> list[Tensor]:
    """Apply the stages one after the other and return the output of each."""
    outputs = []
    for stage in stages:
        images = stage(images)
        outputs.append(images)
    return outputs


class Residual(nn.Module):
    """x + F(x), where F is a sequence of layers that keep the shape."""

    def __init__(self, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.change = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        change: Tensor = self.change(images)
        return images + change


def norm_layer(name: str, channels: int) -> nn.Module:
    """Return a ``batch`` norm, an affine ``instance`` norm, or ``none``; raise ``ConfigError`` for another name."""
    if name == "none":
        return nn.Identity()
    if name == "batch":
        return nn.BatchNorm2d(channels)
    if name == "instance":
        return nn.InstanceNorm2d(channels, affine=True)
    raise unknown_choice("norm", name, ("batch", "instance", "none"))


def residual_block(channels: int, norm: str) -> Residual:
    """Two 3x3 convolutions. With a batch norm the block starts as the identity (Goyal et al. 2017, section 5.1)."""
    first, second = (nn.Conv2d(channels, channels, 3, padding=1, bias=norm == "none") for _ in range(2))
    last = norm_layer(norm, channels)
    if isinstance(last, nn.BatchNorm2d):
        nn.init.zeros_(last.weight)
    return Residual((first, norm_layer(norm, channels), nn.ReLU(), second, last))


def output_layer(name: str) -> nn.Module:
    """Return the last activation: ``sigmoid`` for [0, 1], ``tanh`` for [-1, 1], ``linear`` for data without bounds."""
    layers = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "linear": nn.Identity}
    if name not in layers:
        raise unknown_choice("output", name, layers)
    return layers[name]()


def image_side(shape: Shape, network: str) -> int:
    """Return the height of a (channels, height, width) shape; raise ``ConfigError`` if the width differs."""
    if len(shape) != 3 or shape[1] != shape[2]:
        raise ConfigError(f"{network} needs square images (channels, side, side), not {shape}.")
    return shape[1]
