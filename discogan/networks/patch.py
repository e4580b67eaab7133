"""The PatchGAN discriminator (Isola et al. 2017, section 3.2.2): one logit for each patch of the image."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from discogan.config import require
from discogan.networks import DiscriminatorOutput, Shape, activations, image_side, norm_layer
from discogan.networks.strided import Halving
from discogan.registry import DISCRIMINATORS


@dataclass(frozen=True)
class PatchDiscriminatorOptions:
    """Options of the PatchGAN discriminator."""

    width: int = 64
    """Channels of the first convolution; they double up to eight times the width."""
    halvings: Literal[1, 2, 3] = 3
    """Convolutions of stride 2: with 3 each logit sees 70x70 pixels, with 2 34x34, with 1 16x16."""
    norm: Literal["batch", "instance", "none"] = "instance"
    """The norm on all but the first and last convolution."""

    def __post_init__(self) -> None:
        require("discriminator.width", self.width, at_least=1)


@DISCRIMINATORS.register("patch", PatchDiscriminatorOptions)
class PatchDiscriminator(nn.Module):
    """PatchGAN: judges texture patch by patch and leaves the whole to the round trip.

    Float images (N, C, H, W) to logits (N, 1, h, w). Its features are all activations but the first.
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
        made = activations(self.stages, images)
        return DiscriminatorOutput(self.judge(made[-1]), made[1:])
