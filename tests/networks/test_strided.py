"""Matrix products instead of the library's strided convolutions: equal results, gradients and second gradients."""

from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from discogan.networks import strided
from discogan.networks.convolutional import ConvolutionalDiscriminator, ConvolutionalDiscriminatorOptions
from discogan.networks.strided import Doubling, Halving


@pytest.fixture
def always(monkeypatch):
    monkeypatch.setattr(strided, "MIN_WEIGHTS", 0)


def spy(monkeypatch, used):
    """Record the shapes of the images that products are computed from."""
    real = strided._unfold

    def unfold(fine):
        used.append(fine.shape)
        return real(fine)

    monkeypatch.setattr(strided, "_unfold", unfold)


def twins(layer, library):
    library.load_state_dict(layer.state_dict())
    return layer.double(), library.double()


def pairs(bias):
    yield *twins(Halving(3, 5, bias), nn.Conv2d(3, 5, 4, 2, 1, bias=bias)), (2, 3, 8, 8)
    yield *twins(Halving(3, 5, bias), nn.Conv2d(3, 5, 4, 2, 1, bias=bias)), (2, 3, 4, 8)
    yield *twins(Doubling(5, 3, bias), nn.ConvTranspose2d(5, 3, 4, 2, 1, bias=bias)), (2, 5, 4, 4)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("bias", [True, False])
def test_results_and_first_and_second_gradients_equal_the_library_s(monkeypatch, bias):
    used = []
    spy(monkeypatch, used)
    for ours, library, shape in pairs(bias):
        images = torch.randn(shape, dtype=torch.float64)
        both = zip(values_and_gradients(ours, images), values_and_gradients(library, images), strict=True)
        assert all(torch.allclose(mine, expected, atol=1e-10) for mine, expected in both)
    assert used, "the products were not used"


def values_and_gradients(layer, images):
    """The output, its gradients, and the second gradients that a penalty on the images needs."""
    images = images.clone().requires_grad_()
    outputs = layer(images)
    first = torch.autograd.grad(outputs.pow(3).sum(), (images, *layer.parameters()), create_graph=True)
    second = torch.autograd.grad(first[0].square().sum(), (images, layer.weight))
    return outputs, *first, *second


@pytest.mark.usefixtures("always")
def test_gradients_that_are_not_requested_are_not_computed():
    layer = Halving(3, 5, bias=False).requires_grad_(False)
    images = torch.ones(2, 3, 8, 8, requires_grad=True)
    one_pass = 2 * 2 * 5 * 4 * 4 * 3 * 16
    with FlopCounterMode(display=False) as counter:
        layer(images).sum().backward()
    assert counter.get_total_flops() == 2 * one_pass


@pytest.mark.usefixtures("always")
def test_autocast_computes_in_bfloat16_and_gives_gradients_in_float32():
    layer, images = Halving(8, 16), torch.randn(2, 8, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = layer(images)
    outputs.float().square().mean().backward()
    assert outputs.dtype == torch.bfloat16
    assert layer.weight.grad.dtype == torch.float32
    assert torch.allclose(outputs.float(), nn.functional.conv2d(images, layer.weight, layer.bias, 2, 1), atol=0.05)


@pytest.mark.usefixtures("always")
def test_the_library_is_used_outside_training_and_for_small_layers(monkeypatch):
    def refuse(*_):
        raise AssertionError

    monkeypatch.setattr(strided._Halve, "apply", refuse)
    layer = Halving(3, 5)
    with torch.no_grad():
        layer(torch.ones(1, 3, 8, 8))
    layer(torch.ones(1, 3, 32, 32))
    monkeypatch.setattr(strided, "MIN_WEIGHTS", 10**6)
    layer(torch.ones(1, 3, 8, 8))
    torch.export.export(layer, (torch.ones(1, 3, 8, 8),))


@pytest.mark.usefixtures("always")
def test_results_keep_the_memory_format_of_their_images():
    layers = [Halving(4, 6), Halving(6, 8), Doubling(8, 6), Doubling(6, 4)]
    images = torch.randn(2, 4, 8, 8).contiguous(memory_format=torch.channels_last)
    for layer, after in pairwise([*layers, None]):
        images = layer(images)
        assert images.is_contiguous(memory_format=torch.channels_last), after


def test_the_paper_s_discriminator_uses_them(monkeypatch):
    used = []
    spy(monkeypatch, used)
    discriminator = ConvolutionalDiscriminator((3, 64, 64), ConvolutionalDiscriminatorOptions())
    discriminator(torch.rand(2, 3, 64, 64)).logits.sum().backward()
    assert {tuple(shape[1:]) for shape in used} == {(256, 8, 8)}
