"""A discriminator of pixels and of the features of a pretrained network (Projected GAN: Sauer et al. 2021)."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize
from torch.nn.utils.parametrizations import spectral_norm

from discogan.config import AtLeast, AtMost, Options
from discogan.networks import DiscriminatorOutput, Shape
from discogan.networks.convolutional import ConvolutionalDiscriminator, ConvolutionalDiscriminatorOptions
from discogan.pretrained import SCALES, EfficientNetLite0, load_pretrained, weights_file
from discogan.registry import DISCRIMINATORS


@dataclass(frozen=True)
class ProjectedDiscriminatorOptions(Options):
    """Options of the projected discriminator."""

    width: Annotated[int, AtLeast(1), AtMost(4096)] = 16
    """Channels of the first convolution on pixels; they double up to eight times the width."""
    norm: Literal["batch", "instance", "none"] = "none"
    """The norm on all but the first and last convolution on pixels."""
    head_width: Annotated[int, AtLeast(1), AtMost(4096)] = 32
    """Channels of each head on features."""
    feature_pixels: Annotated[int, AtLeast(32), AtMost(1024)] = 128
    """Smaller images are enlarged to this height and width for the pretrained network."""
    weights: str = ""
    """File of the weights of EfficientNet-Lite0; empty for those of the extra features."""


@DISCRIMINATORS.register("projected", ProjectedDiscriminatorOptions)
class ProjectedDiscriminator(nn.Module):
    """The paper's discriminator, plus a head on the frozen features of EfficientNet-Lite0 at each of four scales.

    Float images (N, C, H, W) in [-1, 1], H = W = 32, 64, 128 or 256, to logits (N, 1). A logit is that of the pixels
    plus the mean of the heads. Only the logit of the pixels is penalised. The heads have a spectral norm instead,
    because the gradients of a penalty through the frozen network would take most of the time.
    """

    def __init__(self, in_shape: Shape, options: ProjectedDiscriminatorOptions) -> None:
        super().__init__()
        weights_file(options.weights)  # A missing extra is found before any image is decoded.
        self.pixels = ConvolutionalDiscriminator(
            in_shape, ConvolutionalDiscriminatorOptions(options.width, options.norm)
        )
        self.heads = nn.ModuleDict(
            {str(scale): _head(channels, options.head_width) for scale, channels in SCALES.items()}
        )
        self._feature_pixels, self._weights = options.feature_pixels, options.weights

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        output: DiscriminatorOutput = self.pixels(images)
        colours = images if images.shape[1] == 3 else images.expand(-1, 3, -1, -1)
        if images.shape[2] < self._feature_pixels:
            colours = interpolate(colours, (self._feature_pixels,) * 2, mode="bilinear")
        by_scale = self._pretrained(images.device).at_scales(colours)
        of_heads = []
        for scale, features in by_scale.items():
            unit = normalize(features, dim=1) * features.shape[1] ** 0.5
            of_heads.append(self.heads[str(scale)](unit).mean((2, 3)))
        return DiscriminatorOutput(
            output.logits + torch.stack(of_heads).mean(0), output.features, penalised_logits=output.logits
        )

    def _pretrained(self, device: torch.device) -> EfficientNetLite0:
        """Return the frozen network. It is not a submodule, because checkpoints must not contain it."""
        return load_pretrained(self._weights).to(device)


def _head(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        spectral_norm(nn.Conv2d(channels, width, 1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(width, width, 3, padding=1)),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 1, 1),
    )
