"""The PatchGAN discriminator (Isola et al. 2017, section 3.2.2): one logit for each patch of the image."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

from torch import Tensor, nn

from discogan.config import AtLeast, AtMost, Options
from discogan.networks import DiscriminatorOutput, Shape, activations, image_side, norm_layer
from discogan.networks.strided import Halving
from discogan.registry import DISCRIMINATORS


@dataclass(frozen=True)
class PatchDiscriminatorOptions(Options):
    """Options of the PatchGAN discriminator."""

    width: Annotated[int, AtLeast(1), AtMost(4096)] = 64
    """Channels of the first convolution; they double up to eight times the width."""
    halvings: Literal[1, 2, 3] = 3
    """Convolutions of stride 2. The receptive field of a logit is 70x70 pixels with 3, 34x34 with 2, 16x16 with 1."""
    norm: Literal["batch", "instance", "none"] = "instance"
    """The norm on all but the first and last convolution."""


@DISCRIMINATORS.register("patch", PatchDiscriminatorOptions)
class PatchDiscriminator(nn.Module):
    """PatchGAN: one logit for each patch. It sees texture; the round trip constrains the layout.

    Float images (N, C, H, W) to logits (N, 1, h, w). Its features are the activations of all stages except the first.
    """

    def __init__(self, in_shape: Shape, options: PatchDiscriminatorOptions) -> None:
        super().__init__()
        image_side(in_shape, "The patch discriminator")
        widths = [options.width * min(2**stage, 8) for stage in range(options.halvings + 1)]
        stages = [nn.Sequential(Halving(in_shape[0], widths[0]), nn.LeakyReLU(0.2))]
        for stage, (before, after) in enumerate(pairwise(widths), start=1):
            biased = options.norm == "none"
            last = stage == options.halvings
            convolution = nn.Conv2d(before, after, 4, 1, 1, bias=biased) if last else Halving(before, after, biased)
            stages.append(nn.Sequential(convolution, norm_layer(options.norm, after), nn.LeakyReLU(0.2)))
        self.stages = nn.ModuleList(stages)
        self.judge = nn.Conv2d(widths[-1], 1, 4, 1, 1)

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        features = activations(self.stages, images)
        return DiscriminatorOutput(self.judge(features[-1]), features[1:])
