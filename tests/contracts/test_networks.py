"""Rules for every generator and discriminator, tested as soon as it is registered."""

import pytest
import torch

from discogan.config import make_options
from discogan.errors import ConfigError
from discogan.images import PIXEL_RANGES
from discogan.registry import DISCRIMINATORS, GENERATORS
from tests.contracts.variants import choices, small_options, variants

RGB = (3, 32, 32)


def build(registry, name, *shapes, **options):
    entry = registry.get(name)
    return entry.build(*shapes, make_options(entry.options, {**small_options(entry.options), **options}, "network"))


def all_variants(registry):
    return [(name, table) for name, entry in registry.entries().items() for table in variants(entry.options)]


@pytest.mark.parametrize(("name", "options"), all_variants(GENERATORS), ids=str)
def test_generators_map_one_shape_to_the_other(name, options):
    for channels_a, channels_b in ((3, 3), (1, 3), (3, 1)):
        network = build(GENERATORS, name, (channels_a, 32, 32), (channels_b, 32, 32), **options).eval()
        assert network(torch.randn(2, channels_a, 32, 32)).shape == (2, channels_b, 32, 32)


@pytest.mark.parametrize("size", [64, 128, 256])
@pytest.mark.parametrize("name", GENERATORS.entries())
def test_generators_take_every_image_size(name, size):
    network = build(GENERATORS, name, (3, size, size), (3, size, size)).eval()
    assert network(torch.randn(1, 3, size, size)).shape == (1, 3, size, size)


@pytest.mark.parametrize("name", GENERATORS.entries())
def test_the_option_output_fixes_the_pixel_range_of_a_generator(name):
    bounded = set(choices(GENERATORS.get(name).options)["output"]) & {"sigmoid", "tanh"}
    assert bounded
    for output in bounded:
        images = build(GENERATORS, name, RGB, RGB, output=output).eval()(10 * torch.randn(2, *RGB))
        assert images.min() >= PIXEL_RANGES[output].low
        assert images.max() <= PIXEL_RANGES[output].high


@pytest.mark.parametrize("name", GENERATORS.entries())
def test_a_generator_translates_each_image_by_itself(name):
    network = build(GENERATORS, name, RGB, RGB).eval()
    images = torch.randn(5, *RGB)
    together = network(images)
    separately = torch.cat([network(image[None]) for image in images])
    torch.testing.assert_close(together, separately, rtol=1e-4, atol=1e-5)


def check_discriminator_output(output):
    assert output.logits.shape[:2] == (2, 1)
    assert output.logits.ndim in (2, 4), "one logit per image, or one per patch"
    assert output.features
    assert all(len(feature) == 2 for feature in output.features)


@pytest.mark.parametrize(("name", "options"), all_variants(DISCRIMINATORS), ids=str)
def test_discriminators_return_logits_and_features(name, options):
    for channels in (1, 3):
        network = build(DISCRIMINATORS, name, (channels, 32, 32), **options)
        check_discriminator_output(network(torch.randn(2, channels, 32, 32)))


@pytest.mark.parametrize("size", [64, 128, 256])
@pytest.mark.parametrize("name", DISCRIMINATORS.entries())
def test_discriminators_take_every_image_size(name, size):
    check_discriminator_output(build(DISCRIMINATORS, name, (3, size, size))(torch.randn(2, 3, size, size)))


@pytest.mark.parametrize("name", GENERATORS.entries())
def test_every_parameter_of_a_generator_is_trained(name):
    network = build(GENERATORS, name, RGB, RGB)
    network(torch.randn(2, *RGB)).square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("name", DISCRIMINATORS.entries())
def test_every_parameter_of_a_discriminator_is_trained(name):
    network = build(DISCRIMINATORS, name, RGB)
    network(torch.randn(2, *RGB)).logits.square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("name", GENERATORS.entries())
def test_a_generator_takes_oblong_images_or_refuses_them(name):
    shape = (3, 32, 64)
    try:
        network = build(GENERATORS, name, shape, shape).eval()
    except ConfigError:
        return
    assert network(torch.randn(1, *shape)).shape == (1, *shape)
