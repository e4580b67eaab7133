"""What every generator and discriminator must do, the moment it is registered."""

import pytest
import torch

from discogan.config import make_options
from discogan.errors import ConfigError
from discogan.images import PIXEL_RANGES
from discogan.registry import DISCRIMINATORS, GENERATORS

SIZES = (32, 64, 128, 256)
STAGES = {"convolutional": ({"stages": 3}, {"stages": 4}, {"stages": 5}), "resnet": ({"blocks": 1},)}


def build(registry, name, *shapes, **options):
    entry = registry.get(name)
    return entry.build(*shapes, make_options(entry.options, {"width": 4, **options}, "network"))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("channels_a", "channels_b"), [(3, 3), (1, 3), (3, 1)])
@pytest.mark.parametrize("name", GENERATORS.entries())
def test_generators_map_one_shape_to_the_other(name, size, channels_a, channels_b):
    for options in STAGES.get(name, ({},)):
        for output in ("sigmoid", "tanh"):
            network = build(
                GENERATORS, name, (channels_a, size, size), (channels_b, size, size), output=output, **options
            ).eval()
            images = network(torch.randn(2, channels_a, size, size))
            assert images.shape == (2, channels_b, size, size)
            assert images.min() >= PIXEL_RANGES[output].low
            assert images.max() <= PIXEL_RANGES[output].high


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", DISCRIMINATORS.entries())
def test_discriminators_judge_each_image(name, size, channels):
    for options in ({},) if name == "mlp" else ({"norm": norm} for norm in ("batch", "instance", "none")):
        network = build(DISCRIMINATORS, name, (channels, size, size), **options)
        judgement = network(torch.randn(2, channels, size, size))
        assert judgement.logits.shape[:2] == (2, 1)
        assert name == "patch" or judgement.logits.shape == (2, 1)
        assert judgement.features
        assert all(len(feature) == 2 for feature in judgement.features)


@pytest.mark.parametrize("name", GENERATORS.entries())
def test_a_generator_treats_each_image_alone(name):
    network = build(GENERATORS, name, (3, 32, 32), (3, 32, 32)).eval()
    images = torch.randn(5, 3, 32, 32)
    together = network(images)
    alone = torch.cat([network(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("registry", "shapes"), [(GENERATORS, 2), (DISCRIMINATORS, 1)])
def test_every_network_learns(registry, shapes):
    for name in registry.entries():
        network = build(registry, name, *[(3, 32, 32)] * shapes)
        output = network(torch.randn(2, 3, 32, 32))
        (output if shapes == 2 else output.logits).square().mean().backward()
        assert all(parameter.grad is not None for parameter in network.parameters()), name


@pytest.mark.parametrize("name", GENERATORS.entries())
def test_oblong_shapes_and_unknown_options_are_refused(name):
    if name != "mlp":  # which takes data of any shape
        with pytest.raises(ConfigError, match="square"):
            build(GENERATORS, name, (3, 32, 64), (3, 32, 64))
    with pytest.raises(ConfigError, match="option of network"):
        build(GENERATORS, name, (3, 32, 32), (3, 32, 32), depth=3)
    with pytest.raises(ConfigError, match=r"generator\.width must be at least 1"):
        build(GENERATORS, name, (3, 32, 32), (3, 32, 32), width=0)
    with pytest.raises(ConfigError, match="sigmoid, tanh"):
        build(GENERATORS, name, (3, 32, 32), (3, 32, 32), output="relu")
