"""The residual generator and the patch discriminator."""

import pytest
import torch

from discogan.errors import ConfigError
from discogan.networks import Residual
from discogan.networks.convolutional import ConvolutionalGenerator, ConvolutionalGeneratorOptions
from discogan.networks.patch import PatchDiscriminator, PatchDiscriminatorOptions
from discogan.networks.resnet import ResNetGenerator, ResNetGeneratorOptions


@pytest.mark.parametrize(("halvings", "field"), [(1, 16), (2, 34), (3, 70)])
def test_a_logit_sees_a_patch_of_the_documented_size(halvings, field):
    options = PatchDiscriminatorOptions(width=2, halvings=halvings, norm="none")
    network = PatchDiscriminator((1, 128, 128), options)
    image = torch.randn(1, 1, 128, 128, requires_grad=True)
    logits = network(image).logits
    middle = logits.shape[-1] // 2
    logits[0, 0, middle, middle].backward()
    touched = image.grad[0, 0].abs().sum(0).nonzero()
    assert touched.max() - touched.min() + 1 == field


@pytest.mark.parametrize(("size", "logits"), [(64, 6), (128, 14), (256, 30)])
def test_patches_cover_the_image(size, logits):
    network = PatchDiscriminator((3, size, size), PatchDiscriminatorOptions(width=2))
    assert network(torch.zeros(2, 3, size, size)).logits.shape == (2, 1, logits, logits)


def test_the_patch_discriminator_has_the_published_size():
    network = PatchDiscriminator((3, 256, 256), PatchDiscriminatorOptions(norm="none"))
    weights = sum(parameter.numel() for name, parameter in network.named_parameters() if name.endswith("weight"))
    assert weights == 16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512)


def test_blocks_keep_the_shape_and_add_to_their_input():
    network = ResNetGenerator((3, 32, 32), (3, 32, 32), ResNetGeneratorOptions(width=1, blocks=1))
    block = next(layer for layer in network.layers if isinstance(layer, Residual))
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.zero_()
    images = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(block(images), images)


@pytest.mark.parametrize("blocks", [0, 6, 9])
def test_the_number_of_blocks_is_an_option(blocks):
    network = ResNetGenerator((3, 32, 32), (3, 32, 32), ResNetGeneratorOptions(width=2, blocks=blocks))
    assert sum(isinstance(layer, Residual) for layer in network.layers) == blocks


def test_a_one_pixel_code_has_no_instance_norm():
    options = ConvolutionalGeneratorOptions(width=4, stages=5, norm="instance")
    with pytest.raises(ConfigError, match=r"generator\.norm=batch"):
        ConvolutionalGenerator((3, 64, 64), (3, 64, 64), options)
    ConvolutionalGenerator((3, 128, 128), (3, 128, 128), options)
