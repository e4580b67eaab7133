"""An encoder-decoder that decides at each pixel how much of its input it keeps."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from discogan.config import AtLeast, AtMost, Options
from discogan.networks import Shape, image_side, norm_layer, residual_block
from discogan.networks.strided import Doubling, Halving
from discogan.registry import GENERATORS

GATE_BIAS = 1.5
"""The gate starts at sigmoid(1.5) = 0.82, so a new network nearly keeps its input."""


@dataclass(frozen=True)
class GatedGeneratorOptions(Options):
    """Options of the gated generator."""

    width: Annotated[int, AtLeast(1), AtMost(4096)] = 24
    """Channels after the first halving; they double with each further one, up to eight times the width."""
    stages: Annotated[int, AtLeast(2), AtMost(5)] = 3
    """Halvings in the encoder, and doublings in the decoder."""
    blocks: Annotated[int, AtLeast(0), AtMost(100)] = 2
    """Residual blocks after the encoder. They widen the receptive field."""
    skips: bool = True
    """Add the encoder's features to those of the decoder at each scale, so that details need not pass the code."""
    detail: Annotated[int, AtLeast(1), AtMost(1024)] = 16
    """Channels at full resolution, before the last convolution."""
    residual: bool = True
    """Add the input image, multiplied by the gate, before the last activation."""
    norm: Literal["batch", "instance", "none"] = "batch"
    """The norm on all but the first and last convolution."""
    output: Literal["tanh"] = "tanh"
    """The last activation, which also fixes the pixel range [-1, 1]."""


@GENERATORS.register("gated", GatedGeneratorOptions)
class GatedGenerator(nn.Module):
    """An encoder-decoder whose output is tanh(paint + gate * input), with a gate between 0 and 1 at each pixel.

    Float images (N, C_in, H, W) in [-1, 1] to (N, C_out, H, W) in [-1, 1]. An added input alone can be overpainted, but
    not removed. A gate removes it where the other domain needs something else, and keeps it elsewhere for nothing.
    """

    def __init__(self, in_shape: Shape, out_shape: Shape, options: GatedGeneratorOptions) -> None:
        super().__init__()
        image_side(in_shape, "The gated generator")
        widths = [options.width * min(2**stage, 8) for stage in range(options.stages)]
        biased = options.norm == "none"
        first = nn.Sequential(Halving(in_shape[0], widths[0]), nn.LeakyReLU(0.2))
        encoder = [first]
        for before, after in pairwise(widths):
            layers = [Halving(before, after, bias=biased), norm_layer(options.norm, after), nn.LeakyReLU(0.2)]
            encoder.append(nn.Sequential(*layers))
        self.encoder = nn.ModuleList(encoder)
        self.blocks = nn.Sequential(*[residual_block(widths[-1], options.norm) for _ in range(options.blocks)])
        decoder = []
        for before, after in pairwise(reversed(widths)):
            layers = [Doubling(before, after, bias=biased), norm_layer(options.norm, after), nn.ReLU()]
            decoder.append(nn.Sequential(*layers))
        self.decoder = nn.ModuleList(decoder)
        outputs = out_shape[0] + (1 if options.residual else 0)
        # A transposed convolution as the last layer would leave a checkerboard in even surfaces (Odena et al. 2016).
        self.last = nn.Sequential(
            nn.Conv2d(widths[0], options.detail, 1, bias=biased),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            norm_layer(options.norm, options.detail),
            nn.ReLU(),
            nn.Conv2d(options.detail, outputs, 3, padding=1),
        )
        self.skips, self.residual = options.skips, options.residual

    def forward(self, images: Tensor) -> Tensor:
        features = images
        by_scale = []
        for stage in self.encoder:
            features = stage(features)
            by_scale.append(features)
        features = self.blocks(features)
        for stage, same_scale in zip(self.decoder, by_scale[-2::-1], strict=True):
            features = stage(features)
            if self.skips:
                features = features + same_scale
        outputs: Tensor = self.last(features)
        if not self.residual:
            return torch.tanh(outputs)
        paint, gate = outputs[:, :-1], outputs[:, -1:]
        # Between grey and RGB, each output channel gets the mean of the input channels.
        kept = images if images.shape[1] == paint.shape[1] else images.mean(1, keepdim=True)
        return torch.tanh(paint + torch.sigmoid(gate + GATE_BIAS) * kept)
