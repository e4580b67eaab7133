"""The official schedule, step by step, against a plain restatement of its equations."""

import pytest
import torch
import torch.nn.functional as F

from discogan.config import Config, DataOptions
from discogan.model import build_model
from discogan.objectives.official import Official


@pytest.fixture
def model():
    torch.manual_seed(0)
    network = {"name": "convolutional", "width": 4}
    return build_model(Config("test", data=DataOptions(image_size=32), generator=network, discriminator=network))


@pytest.fixture
def trips(model):
    return model.round_trips(torch.rand(4, 3, 32, 32), torch.rand(4, 3, 32, 32))


def test_discriminators_step_every_third_time_and_generators_between():
    objective = Official()
    assert [objective.steps_discriminators(step) for step in range(6)] == [True, False, False] * 2
    assert [objective.steps_generators(step) for step in range(6)] == [False, True, True] * 2


@pytest.mark.parametrize(("step", "rate"), [(0, 0.01), (9_999, 0.01), (10_000, 0.5), (50_000, 0.5)])
def test_generator_terms_follow_the_rate(model, trips, step, rate):
    terms = Official().generator_terms(model, trips, step)
    real, fake = model.discriminate_b(trips.real_b), model.discriminate_b(trips.fake_b)
    adversarial = F.binary_cross_entropy(fake.logits.sigmoid(), torch.ones_like(fake.logits))
    layers = zip(real.features, fake.features, strict=True)
    matching = sum(F.mse_loss(fake.mean(0), real.mean(0)) for real, fake in layers)
    torch.testing.assert_close(terms["adversarial_b"], (1 - rate) * 0.1 * adversarial)
    torch.testing.assert_close(terms["feature_matching_b"], (1 - rate) * 0.9 * matching)
    torch.testing.assert_close(terms["reconstruction_a"], rate * F.mse_loss(trips.reconstructed_a, trips.real_a))
    assert sorted(terms) == [
        f"{kind}_{domain}" for kind in ("adversarial", "feature_matching", "reconstruction") for domain in "ab"
    ]


def test_discriminator_loss_is_halved(model, trips):
    terms = Official().discriminator_terms(model, trips, 0)
    real, fake = model.discriminate_a(trips.real_a).logits, model.discriminate_a(trips.fake_a.detach()).logits
    bce = F.binary_cross_entropy_with_logits
    expected = 0.5 * (bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake)))
    torch.testing.assert_close(terms["discriminator_a"], expected)


def test_the_baselines_use_one_direction(model, trips):
    assert sorted(Official(model="gan").generator_terms(model, trips, 0)) == ["adversarial_b", "feature_matching_b"]
    assert sorted(Official(model="recon_gan").generator_terms(model, trips, 0)) == [
        "adversarial_b",
        "feature_matching_b",
        "reconstruction_a",
    ]
    for name in ("gan", "recon_gan"):
        assert list(Official(model=name).discriminator_terms(model, trips, 0)) == ["discriminator_b"]


def test_the_plain_gan_has_no_rate(model, trips):
    terms = Official(model="gan", first_rate=0.9).generator_terms(model, trips, 0)
    torch.testing.assert_close(
        terms["adversarial_b"], 0.1 * F.softplus(-model.discriminate_b(trips.fake_b).logits).mean()
    )


def test_azimuth_tasks_leave_the_first_features_out(model, trips):
    every, deep = (Official(first_feature_layer=layer).generator_terms(model, trips, 0) for layer in (0, 1))
    assert deep["feature_matching_a"] < every["feature_matching_a"]
    assert "feature_matching_a" not in Official(feature_matching_weight=0.0).generator_terms(model, trips, 0)
