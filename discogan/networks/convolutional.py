"""The paper's networks (section 3.1; layer sizes from the official code): 4x4 convolutions throughout."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

from torch import Tensor, nn

from discogan.config import AtLeast, AtMost, Options
from discogan.errors import ConfigError
from discogan.networks import (
    DiscriminatorOutput,
    Shape,
    activations,
    image_side,
    norm_layer,
    output_layer,
    residual_block,
)
from discogan.networks.strided import Doubling, Halving
from discogan.registry import DISCRIMINATORS, GENERATORS

Norm = Literal["batch", "instance", "none"]


@dataclass(frozen=True)
class ConvolutionalGeneratorOptions(Options):
    """Options of the paper's generator."""

    width: Annotated[int, AtLeast(1), AtMost(4096)] = 64
    """Channels of the first stage; they double up to eight times the width."""
    stages: Literal[3, 4, 5] = 4
    """Convolutions in the encoder, and in the decoder. The fifth one has stride 1 and outputs the code."""
    blocks: Annotated[int, AtLeast(0), AtMost(100)] = 0
    """Residual blocks after the encoder's last stage of stride 2. They widen the receptive field."""
    code_channels: Annotated[int, AtLeast(1), AtMost(65536)] = 100
    """Channels of the code that the fifth stage outputs."""
    norm: Norm = "batch"
    """The norm on all but the first and last stage."""
    output: Literal["sigmoid", "tanh"] = "sigmoid"
    """The last activation, which also fixes the pixel range: sigmoid [0, 1], tanh [-1, 1]."""
    residual: bool = False
    """Add the input image before the last activation, so that the layers learn only the difference of the domains."""


@GENERATORS.register("convolutional", ConvolutionalGeneratorOptions)
class ConvolutionalGenerator(nn.Module):
    """The paper's encoder-decoder with 3, 4 or 5 stages and no noise; ``blocks`` and ``residual`` are additions.

    Float images (N, C_in, H, W) to (N, C_out, H, W) in the range of ``options.output``. At 64 px, 3
    channels and width 64 it has 5,513,856 parameters with 4 stages and 7,153,480 with 5.
    """

    def __init__(self, in_shape: Shape, out_shape: Shape, options: ConvolutionalGeneratorOptions) -> None:
        super().__init__()
        side = image_side(in_shape, "The convolutional generator")
        widths = [options.width * 2**stage for stage in range(min(options.stages, 4))]
        # At 64 px the input of the fifth stage has 4x4 pixels. Smaller images need a smaller kernel.
        code_kernel = min(4, side // 2**4)
        if options.norm == "instance" and options.stages == 5 and side <= 64:
            raise ConfigError(
                "An instance norm needs more than one pixel, but the code of 5 stages has one. "
                "Use generator.norm=batch or generator.stages=4."
            )
        encoder: list[nn.Module] = [Halving(in_shape[0], widths[0], bias=False), nn.LeakyReLU(0.2)]
        for before, after in pairwise(widths):
            encoder += _down(before, after, options.norm)
        encoder += [residual_block(widths[-1], options.norm) for _ in range(options.blocks)]
        decoder: list[nn.Module] = []
        if options.stages == 5:
            wide, code, biased = widths[-1], options.code_channels, options.norm == "none"
            encoder += _stage(nn.Conv2d(wide, code, code_kernel, bias=biased), options.norm, nn.LeakyReLU(0.2))
            decoder += _stage(nn.ConvTranspose2d(code, wide, code_kernel, bias=biased), options.norm, nn.ReLU())
        for before, after in pairwise(reversed(widths)):
            decoder += _up(before, after, options.norm)
        decoder += [Doubling(widths[0], out_shape[0], bias=False)]
        self.encoder = nn.Sequential(*encoder)
        self.decoder = nn.Sequential(*decoder)
        self.output = output_layer(options.output)
        self.residual = options.residual

    def forward(self, images: Tensor) -> Tensor:
        values: Tensor = self.decoder(self.encoder(images))
        if self.residual:
            # Between grey and RGB, each output channel gets the mean of the input channels.
            same_channels = images.shape[1] == values.shape[1]
            values = values + (images if same_channels else images.mean(1, keepdim=True))
        translated: Tensor = self.output(values)
        return translated


@dataclass(frozen=True)
class ConvolutionalDiscriminatorOptions(Options):
    """Options of the paper's discriminator."""

    width: Annotated[int, AtLeast(1), AtMost(4096)] = 64
    """Channels of the first convolution; they double up to eight times the width."""
    norm: Norm = "batch"
    """The norm on all but the first and last convolution."""


@DISCRIMINATORS.register("convolutional", ConvolutionalDiscriminatorOptions)
class ConvolutionalDiscriminator(nn.Module):
    """The paper's discriminator: halve the image to 4x4 pixels, then a 4x4 convolution to one logit.

    Float images (N, C, H, W), H = W = 32, 64, 128 or 256, to logits (N, 1). At 64 px, 3 channels and
    width 64 it has 2,765,568 parameters. Its features are the activations after each halving except the first.
    """

    def __init__(self, in_shape: Shape, options: ConvolutionalDiscriminatorOptions) -> None:
        super().__init__()
        halvings = image_side(in_shape, "The convolutional discriminator").bit_length() - 3
        widths = [options.width * min(2**stage, 8) for stage in range(halvings)]
        first = nn.Sequential(Halving(in_shape[0], widths[0], bias=options.norm == "none"), nn.LeakyReLU(0.2))
        deeper = [nn.Sequential(*_down(before, after, options.norm)) for before, after in pairwise(widths)]
        self.stages = nn.ModuleList([first, *deeper])
        self.judge = nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False)

    def forward(self, images: Tensor) -> DiscriminatorOutput:
        features = activations(self.stages, images)
        return DiscriminatorOutput(self.judge(features[-1]).flatten(1), features[1:])


def _down(before: int, after: int, norm: str) -> list[nn.Module]:
    return _stage(Halving(before, after, bias=norm == "none"), norm, nn.LeakyReLU(0.2))


def _up(before: int, after: int, norm: str) -> list[nn.Module]:
    return _stage(Doubling(before, after, bias=norm == "none"), norm, nn.ReLU())


def _stage(convolution: nn.Conv2d | nn.ConvTranspose2d, norm: str, activation: nn.Module) -> list[nn.Module]:
    """A convolution, its norm and an activation. Without a norm the convolution needs a bias of its own."""
    return [convolution, norm_layer(norm, convolution.out_channels), activation]
