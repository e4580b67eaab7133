"""The paper's networks (section 3.1; layer sizes from the official code): 4x4 convolutions throughout."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from discogan.config import require
from discogan.errors import ConfigError
from discogan.networks import DiscriminatorOutput, Residual, Shape, activations, image_side, norm_layer, output_layer
from discogan.networks.strided import Doubling, Halving
from discogan.registry import DISCRIMINATORS, GENERATORS

Norm = Literal["batch", "instance", "none"]


@dataclass(frozen=True)
class ConvolutionalGeneratorOptions:
    """Options of the paper's generator."""

    width: int = 64
    """Channels of the first stage; they double up to eight times the width."""
    stages: Literal[3, 4, 5] = 4
    """Convolutions in the encoder, and as many in the decoder. The fifth has stride 1 and ends in the code."""
    blocks: int = 0
    """Residual blocks behind the encoder's fourth or third stage: they see more of the image and move nothing."""
    code_channels: int = 100
    """Channels of the code behind the fifth stage."""
    norm: Norm = "batch"
    """The norm on all but the first and last stage."""
    output: Literal["sigmoid", "tanh"] = "sigmoid"
    """The last activation, which also fixes the pixel range: sigmoid [0, 1], tanh [-1, 1]."""
    residual: bool = False
    """Add the input image before the last activation: the layers then learn what differs between the domains."""

    def __post_init__(self) -> None:
        require("generator.width", self.width, at_least=1)
        require("generator.blocks", self.blocks, at_least=0)
        require("generator.code_channels", self.code_channels, at_least=1)


@GENERATORS.register("convolutional", ConvolutionalGeneratorOptions)
class ConvolutionalGenerator(nn.Module):
    """The paper's encoder-decoder: 3, 4 or 5 stages, no noise; ``blocks`` and ``residual`` are not the paper's.

    Float images (N, C_in, H, W) to (N, C_out, H, W) in the range of ``options.output``. At 64 px, 3
    channels and width 64 it has 5,513,856 parameters with 4 stages and 7,153,480 with 5.
    """

    def __init__(self, in_shape: Shape, out_shape: Shape, options: ConvolutionalGeneratorOptions) -> None:
        super().__init__()
        side = image_side(in_shape, "The convolutional generator")
        widths = [options.width * 2**stage for stage in range(min(options.stages, 4))]
        # At 64 px the fifth stage sees 4x4; smaller images leave less than its kernel would cover.
        code_kernel = min(4, side // 2**4)
        if options.norm == "instance" and options.stages == 5 and side <= 64:
            raise ConfigError(
                "A code of one pixel has no instance norm; use generator.norm=batch or generator.stages=4."
            )
        encoder: list[nn.Module] = [Halving(in_shape[0], widths[0], bias=False), nn.LeakyReLU(0.2)]
        for before, after in pairwise(widths):
            encoder += _down(before, after, options.norm)
        encoder += [_block(widths[-1], options.norm) for _ in range(options.blocks)]
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
        drawn: Tensor = self.decoder(self.encoder(images))
        if self.residual:
            # Channels that do not correspond, grey and RGB, share the input's mean.
            same = images.shape[1] == drawn.shape[1]
            drawn = drawn + (images if same else images.mean(1, keepdim=True))
        translated: Tensor = self.output(drawn)
        return translated


@dataclass(frozen=True)
class ConvolutionalDiscriminatorOptions:
    """Options of the paper's discriminator."""

    width: int = 64
    """Channels of the first convolution; they double up to eight times the width."""
    norm: Norm = "batch"
    """The norm on all but the first and last convolution."""

    def __post_init__(self) -> None:
        require("discriminator.width", self.width, at_least=1)


@DISCRIMINATORS.register("convolutional", ConvolutionalDiscriminatorOptions)
class ConvolutionalDiscriminator(nn.Module):
    """The paper's discriminator: halve down to 4x4, then one more 4x4 convolution to one logit.

    Float images (N, C, H, W), H = W = 32, 64, 128 or 256, to logits (N, 1). At 64 px, 3 channels and
    width 64 it has 2,765,568 parameters. Its features are the activations of all but the first halving.
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
        made = activations(self.stages, images)
        return DiscriminatorOutput(self.judge(made[-1]).flatten(1), made[1:])


def _down(before: int, after: int, norm: str) -> list[nn.Module]:
    return _stage(Halving(before, after, bias=norm == "none"), norm, nn.LeakyReLU(0.2))


def _up(before: int, after: int, norm: str) -> list[nn.Module]:
    return _stage(Doubling(before, after, bias=norm == "none"), norm, nn.ReLU())


def _block(channels: int, norm: str) -> Residual:
    """Two 3x3 convolutions; with a batch norm it begins as the identity (Goyal et al. 2017, section 5.1)."""
    first, second = (nn.Conv2d(channels, channels, 3, padding=1, bias=norm == "none") for _ in range(2))
    last = norm_layer(norm, channels)
    if isinstance(last, nn.BatchNorm2d):
        nn.init.zeros_(last.weight)
    return Residual((*_stage(first, norm, nn.ReLU()), second, last))


def _stage(convolution: nn.Conv2d | nn.ConvTranspose2d, norm: str, activation: nn.Module) -> list[nn.Module]:
    """Without a norm nothing else could shift an activation, so there the convolution should have a bias."""
    return [convolution, norm_layer(norm, convolution.out_channels), activation]
