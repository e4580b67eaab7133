"""Fully connected networks, for data of any shape: the points of the toy experiment (paper section 4.1)."""

from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Annotated, Literal

from torch import Tensor, nn

from discogan.config import AtLeast, AtMost, Options
from discogan.networks import DiscriminatorOutput, Shape, activations, output_layer
from discogan.registry import DISCRIMINATORS, GENERATORS


@dataclass(frozen=True)
class MLPGeneratorOptions(Options):
    """Options of the fully connected generator."""

    width: Annotated[int, AtLeast(1), AtMost(4096)] = 128
    """Units of each hidden layer."""
    layers: Annotated[int, AtLeast(1), AtMost(100)] = 3
    """Hidden layers."""
    output: Literal["linear", "sigmoid", "tanh"] = "linear"
    """The last activation: linear for data without bounds, sigmoid for [0, 1], tanh for [-1, 1]."""


@GENERATORS.register("mlp", MLPGeneratorOptions)
class MLPGenerator(nn.Module):
    """A fully connected generator for points or small images: float (N, *in_shape) to (N, *out_shape)."""

    def __init__(self, in_shape: Shape, out_shape: Shape, options: MLPGeneratorOptions) -> None:
        super().__init__()
        widths = [prod(in_shape), *[options.width] * options.layers]
        hidden = [nn.Sequential(nn.Linear(before, after), nn.ReLU()) for before, after in pairwise(widths)]
        self.hidden = nn.Sequential(nn.Flatten(), *hidden)
        self.last = nn.Sequential(nn.Linear(widths[-1], prod(out_shape)), output_layer(options.output))
        self.out_shape = out_shape

    def forward(self, values: Tensor) -> Tensor:
        translated: Tensor = self.last(self.hidden(values))
        return translated.reshape(-1, *self.out_shape)


@dataclass(frozen=True)
class MLPDiscriminatorOptions(Options):
    """Options of the fully connected discriminator."""

    width: Annotated[int, AtLeast(1), AtMost(4096)] = 128
    """Units of each hidden layer."""
    layers: Annotated[int, AtLeast(1), AtMost(100)] = 5
    """Hidden layers."""


@DISCRIMINATORS.register("mlp", MLPDiscriminatorOptions)
class MLPDiscriminator(nn.Module):
    """A fully connected discriminator: float (N, *in_shape) to logits (N, 1). Its features are the hidden layers."""

    def __init__(self, in_shape: Shape, options: MLPDiscriminatorOptions) -> None:
        super().__init__()
        widths = [prod(in_shape), *[options.width] * options.layers]
        self.stages = nn.ModuleList(
            [nn.Sequential(nn.Linear(before, after), nn.LeakyReLU(0.2)) for before, after in pairwise(widths)]
        )
        self.judge = nn.Linear(widths[-1], 1)

    def forward(self, values: Tensor) -> DiscriminatorOutput:
        features = activations(self.stages, values.flatten(1))
        return DiscriminatorOutput(self.judge(features[-1]), features)
