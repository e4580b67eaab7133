"""The residual generator of CycleGAN (Zhu et al. 2017, section 7.2, after Johnson et al. 2016)."""

from dataclasses import dataclass
from typing import Annotated, Literal

from torch import Tensor, nn

from discogan.config import AtLeast, AtMost, Options
from discogan.networks import Residual, Shape, image_side, norm_layer, output_layer
from discogan.registry import GENERATORS


@dataclass(frozen=True)
class ResNetGeneratorOptions(Options):
    """Options of the residual generator."""

    width: Annotated[int, AtLeast(1), AtMost(4096)] = 64
    """Channels at full resolution; each of the two halvings doubles them."""
    blocks: Annotated[int, AtLeast(0), AtMost(100)] = 6
    """Residual blocks. The paper uses 6 up to 128 px and 9 for larger images."""
    norm: Literal["batch", "instance"] = "instance"
    """The norm after each convolution except the last."""
    output: Literal["sigmoid", "tanh"] = "tanh"
    """The last activation, which also fixes the pixel range: sigmoid [0, 1], tanh [-1, 1]."""


@GENERATORS.register("resnet", ResNetGeneratorOptions)
class ResNetGenerator(nn.Module):
    """CycleGAN's generator: two halvings, residual blocks, two doublings. It keeps details and the layout of the input.

    Float images (N, C_in, H, W) to (N, C_out, H, W) in the range of ``options.output``.
    """

    def __init__(self, in_shape: Shape, out_shape: Shape, options: ResNetGeneratorOptions) -> None:
        super().__init__()
        image_side(in_shape, "The ResNet generator")
        width, norm = options.width, options.norm
        layers = _convolve(in_shape[0], width, norm, kernel=7)
        layers += _convolve(width, 2 * width, norm, stride=2) + _convolve(2 * width, 4 * width, norm, stride=2)
        layers += [_block(4 * width, norm) for _ in range(options.blocks)]
        layers += _double(4 * width, 2 * width, norm) + _double(2 * width, width, norm)
        last = nn.Conv2d(width, out_shape[0], 7, padding=3, padding_mode="reflect")
        self.layers = nn.Sequential(*layers, last, output_layer(options.output))

    def forward(self, images: Tensor) -> Tensor:
        translated: Tensor = self.layers(images)
        return translated


def _block(channels: int, norm: str) -> Residual:
    """Two 3x3 convolutions with reflected borders; (N, channels, H, W) to the same shape."""
    return Residual((*_convolve(channels, channels, norm), *_convolve(channels, channels, norm)[:-1]))


def _convolve(before: int, after: int, norm: str, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(
        before,
        after,
        kernel,
        stride,
        padding=kernel // 2,
        padding_mode="reflect" if stride == 1 else "zeros",
        bias=False,
    )
    return [convolution, norm_layer(norm, after), nn.ReLU()]


def _double(before: int, after: int, norm: str) -> list[nn.Module]:
    convolution = nn.ConvTranspose2d(before, after, 3, 2, padding=1, output_padding=1, bias=False)
    return [convolution, norm_layer(norm, after), nn.ReLU()]
