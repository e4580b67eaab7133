"""The gated generator: what it keeps, what it can remove, and how many parameters it has."""

import pytest
import torch

from discogan.networks.gated import GatedGenerator, GatedGeneratorOptions
from tests.networks.test_convolutional import RGB64


def make(options=None, channels=(3, 3), side=32):
    torch.manual_seed(0)
    shapes = [(count, side, side) for count in channels]
    return GatedGenerator(*shapes, GatedGeneratorOptions(width=4, **(options or {}))).eval()


@pytest.mark.parametrize("channels", [(3, 3), (1, 3), (3, 1), (1, 1)])
def test_the_gate_decides_how_much_of_the_input_is_kept(channels):
    network = make(channels=channels)
    image = torch.rand(2, channels[0], 32, 32) * 2 - 1
    kept = image if channels[0] == channels[1] else image.mean(1, keepdim=True).expand(-1, channels[1], -1, -1)
    layer = network.last[-1]
    torch.nn.init.zeros_(layer.weight)
    for bias, share in [(0.0, torch.tensor(1.5).sigmoid()), (30.0, 1.0), (-30.0, 0.0)]:
        torch.nn.init.zeros_(layer.bias)
        layer.bias.data[-1] = bias
        assert torch.allclose(network(image), (share * kept).tanh(), atol=1e-6)
    layer.bias.data[:-1] = 0.5
    assert torch.allclose(network(image), torch.full_like(kept, 0.5).tanh(), atol=1e-6), "the input can be removed"


def test_without_the_residual_nothing_of_the_input_is_kept():
    network = make({"residual": False})
    layer = network.last[-1]
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.constant_(layer.bias, 0.5)
    assert layer.out_channels == 3
    assert torch.allclose(network(torch.rand(2, 3, 32, 32)), torch.tensor(0.5).tanh(), atol=1e-6)


def test_skips_bring_details_past_the_code():
    for skips in (False, True):
        network = make({"skips": skips})
        for parameter in network.decoder.parameters():
            torch.nn.init.zeros_(parameter)
        first, second = (network(torch.rand(1, 3, 32, 32)) for _ in range(2))
        image = torch.zeros(1, 3, 32, 32)
        changed = image.clone()
        changed[..., 16, 16] = 1
        difference = (network(changed) - network(image)).abs().sum((0, 1))
        difference[16, 16] = 0  # The kept input itself.
        assert (difference.sum() > 0) == skips
        assert not torch.equal(first, second)


@pytest.mark.parametrize("stages", [2, 3, 4, 5])
@pytest.mark.parametrize("side", [32, 64])
def test_the_shape_stays(stages, side):
    network = make({"stages": stages}, side=side)
    assert network(torch.rand(1, 3, side, side)).shape == (1, 3, side, side)


def test_parameters_of_the_default_at_64_px():
    network = GatedGenerator(RGB64, RGB64, GatedGeneratorOptions())
    assert sum(parameter.numel() for parameter in network.parameters()) == 519_468
