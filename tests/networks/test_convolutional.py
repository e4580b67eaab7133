"""Sizes of the official networks (docs/fidelity.md)."""

import pytest
import torch

from discogan.networks import Residual
from discogan.networks.convolutional import (
    ConvolutionalDiscriminator,
    ConvolutionalDiscriminatorOptions,
    ConvolutionalGenerator,
    ConvolutionalGeneratorOptions,
)

RGB64 = (3, 64, 64)


def count(network) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("stages", "parameters"), [(4, 5_513_856), (5, 7_153_480)])
def test_generator_parameters_equal_the_official_ones(stages, parameters):
    assert count(ConvolutionalGenerator(RGB64, RGB64, ConvolutionalGeneratorOptions(stages=stages))) == parameters


def test_discriminator_parameters_equal_the_official_ones():
    assert count(ConvolutionalDiscriminator(RGB64, ConvolutionalDiscriminatorOptions())) == 2_765_568


@pytest.mark.parametrize(("stages", "shape"), [(3, (16, 8, 8)), (4, (32, 4, 4)), (5, (100, 1, 1))])
def test_the_code_of_a_generator(stages, shape):
    network = ConvolutionalGenerator(RGB64, RGB64, ConvolutionalGeneratorOptions(width=4, stages=stages)).eval()
    assert network.encoder(torch.zeros(1, *RGB64)).shape[1:] == shape


def test_features_are_the_official_ones():
    network = ConvolutionalDiscriminator(RGB64, ConvolutionalDiscriminatorOptions())
    shapes = [tuple(feature.shape[1:]) for feature in network(torch.zeros(2, *RGB64)).features]
    assert shapes == [(128, 16, 16), (256, 8, 8), (512, 4, 4)]


def test_the_first_and_last_stage_have_no_norm():
    network = ConvolutionalGenerator(RGB64, RGB64, ConvolutionalGeneratorOptions(width=4))
    kinds = [type(layer).__name__ for layer in (*network.encoder, *network.decoder, network.output)]
    assert kinds[:3] == ["Halving", "LeakyReLU", "Halving"]
    assert kinds[-2:] == ["Doubling", "Sigmoid"]
    assert kinds.count("BatchNorm2d") == 6
    assert all(layer.bias is None for layer in network.modules() if isinstance(layer, torch.nn.Conv2d))


@pytest.mark.parametrize("channels", [(3, 3), (1, 3), (3, 1)])
def test_a_residual_generator_with_zero_weights_keeps_its_input(channels):
    shapes = [(count, 32, 32) for count in channels]
    options = ConvolutionalGeneratorOptions(width=4, stages=3, output="tanh", residual=True)
    network = ConvolutionalGenerator(*shapes, options).eval()
    torch.nn.init.zeros_(network.decoder[-1].weight)
    image = torch.rand(2, *shapes[0]) * 2 - 1
    kept = image if channels == (3, 3) else image.mean(1, keepdim=True).expand(-1, channels[1], -1, -1)
    assert torch.allclose(network(image), kept.tanh())


@pytest.mark.parametrize("stages", [3, 4, 5])
def test_blocks_start_as_the_identity_and_then_change_the_code(stages):
    torch.manual_seed(0)
    options = ConvolutionalGeneratorOptions(width=4, stages=stages, blocks=2)
    with_blocks = ConvolutionalGenerator(RGB64, RGB64, options).eval()
    blocks = [layer for layer in with_blocks.encoder if isinstance(layer, Residual)]
    assert len(blocks) == 2
    code = torch.randn(1, 4 * 2 ** (min(stages, 4) - 1), 8, 8)
    torch.testing.assert_close(blocks[1](blocks[0](code)), code)
    for block in blocks:
        torch.nn.init.ones_(block.change[-1].weight)
    assert not torch.allclose(blocks[0](code), code)
