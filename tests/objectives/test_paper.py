"""The paper's three models against a plain restatement of their equations."""

import pytest
import torch
import torch.nn.functional as F

from discogan.config import Config, DataOptions
from discogan.model import build_model
from discogan.objectives.discogan import DiscoGAN
from discogan.objectives.gan import GAN
from discogan.objectives.recon_gan import ReconGAN


@pytest.fixture
def model():
    torch.manual_seed(0)
    network = {"name": "convolutional", "width": 4, "norm": "none"}
    return build_model(Config("test", data=DataOptions(image_size=32), generator=network, discriminator=network))


@pytest.fixture
def images():
    return torch.rand(4, 3, 32, 32), torch.rand(4, 3, 32, 32)


def cross_entropy(logits, target):
    return F.binary_cross_entropy(logits.sigmoid(), torch.full_like(logits, target))


@pytest.fixture
def equations(model, images):
    """Each loss of the paper's section 3, written out."""
    a, b = images
    fake_b, fake_a = model.generator_ab(a), model.generator_ba(b)
    real_logits_b, fake_logits_b = model.discriminator_b(b).logits, model.discriminator_b(fake_b).logits
    real_logits_a, fake_logits_a = model.discriminator_a(a).logits, model.discriminator_a(fake_a).logits
    return {
        "adversarial_b": cross_entropy(fake_logits_b, 1.0),
        "adversarial_a": cross_entropy(fake_logits_a, 1.0),
        "reconstruction_a": F.mse_loss(model.generator_ba(fake_b), a),
        "reconstruction_b": F.mse_loss(model.generator_ab(fake_a), b),
        "discriminator_b": cross_entropy(real_logits_b, 1.0) + cross_entropy(fake_logits_b, 0.0),
        "discriminator_a": cross_entropy(real_logits_a, 1.0) + cross_entropy(fake_logits_a, 0.0),
    }


@pytest.mark.parametrize(
    ("objective", "generator_terms", "discriminator_terms"),
    [
        (GAN(), {"adversarial_b"}, {"discriminator_b"}),
        (ReconGAN(), {"adversarial_b", "reconstruction_a"}, {"discriminator_b"}),
        (
            DiscoGAN(),
            {"adversarial_a", "adversarial_b", "reconstruction_a", "reconstruction_b"},
            {"discriminator_a", "discriminator_b"},
        ),
    ],
)
def test_each_model_has_exactly_its_losses(model, images, equations, objective, generator_terms, discriminator_terms):
    trips = model.round_trips(*images)
    terms = objective.generator_terms(model, trips, 0)
    assert terms.keys() == generator_terms
    discriminator = objective.discriminator_terms(model, trips, 0)
    assert discriminator.keys() == discriminator_terms
    for name, value in (terms | discriminator).items():
        torch.testing.assert_close(value, equations[name], rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("kind", [ReconGAN, DiscoGAN])
def test_weights_and_distances_are_options(model, images, kind):
    trips = model.round_trips(*images)
    plain = kind(distance="l1").generator_terms(model, trips, 0)
    heavy = kind(distance="l1", reconstruction_weight=7.0).generator_terms(model, trips, 0)
    torch.testing.assert_close(plain["reconstruction_a"], F.l1_loss(trips.reconstructed_a, trips.real_a))
    torch.testing.assert_close(heavy["reconstruction_a"], 7 * plain["reconstruction_a"])
    torch.testing.assert_close(heavy["adversarial_b"], plain["adversarial_b"])
