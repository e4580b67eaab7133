"""The modern objective against a plain restatement: relativistic losses, R1 and R2 every fourth step."""

import pytest
import torch
import torch.nn.functional as F

from discogan.config import Config, DataOptions
from discogan.model import build_model
from discogan.objectives.modern import Modern

PENALTIES = {"penalty_a", "penalty_b"}


@pytest.fixture
def model():
    torch.manual_seed(0)
    generator = {"name": "convolutional", "width": 4, "stages": 3, "output": "tanh"}
    discriminator = {"name": "convolutional", "width": 4, "norm": "none"}
    return build_model(
        Config("test", data=DataOptions(image_size=32), generator=generator, discriminator=discriminator)
    )


@pytest.fixture
def trips(model):
    return model.round_trips(torch.rand(4, 3, 32, 32), torch.rand(4, 3, 32, 32))


def squared_gradient(discriminate, images):
    """|grad D|^2 of each image by itself, averaged."""
    values = []
    for image in images:
        image = image[None].clone().requires_grad_()
        discriminate(image).logits.sum().backward()
        values.append(image.grad.square().sum())
    return torch.stack(values).mean()


def test_the_penalty_comes_every_fourth_step(model, trips):
    objective = Modern()
    for step in range(9):
        terms = objective.discriminator_terms(model, trips, step).keys()
        assert (terms >= PENALTIES) == (step % 4 == 0)
        assert {"discriminator_a", "discriminator_b"} <= terms


def test_the_penalty_is_half_gamma_times_both_gradients_times_the_interval(model, trips):
    terms = Modern(gamma=6.0, penalty_every_steps=4).discriminator_terms(model, trips, 0)
    fake_b = trips.fake_b.detach()
    gradients = squared_gradient(model.discriminate_b, trips.real_b) + squared_gradient(model.discriminate_b, fake_b)
    torch.testing.assert_close(terms["penalty_b"], 6.0 / 2 * 4 * gradients, rtol=1e-4, atol=1e-6)


def test_the_loss_is_the_same_with_and_without_the_penalty(model, trips):
    with_penalty, without = (Modern().discriminator_terms(model, trips, step) for step in (0, 1))
    torch.testing.assert_close(with_penalty["discriminator_a"], without["discriminator_a"])


def test_generator_terms(model, trips):
    terms = Modern(reconstruction_weight=3.0).generator_terms(model, trips, 0)
    torch.testing.assert_close(terms["reconstruction_b"], 3 * F.l1_loss(trips.reconstructed_b, trips.real_b))
    real, fake = model.discriminate_a(trips.real_a).logits, model.discriminate_a(trips.fake_a).logits
    pairs = [F.softplus(r - f) for r in real.flatten() for f in fake.flatten()]
    torch.testing.assert_close(terms["adversarial_a"], torch.stack(pairs).mean())


def test_a_round_trip_can_train_its_second_generator_only(model, trips):
    values, gradients = {}, {}
    for trained in ("both", "second"):
        value = Modern(round_trips_train=trained).generator_terms(model, trips, 1)["reconstruction_a"]
        generators = (model.generator_ab, model.generator_ba)
        parameters = [parameter for generator in generators for parameter in generator.parameters()]
        values[trained] = value.detach()
        gradients[trained] = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
    torch.testing.assert_close(values["second"], values["both"])
    count = len(list(model.generator_ab.parameters()))
    assert all(gradient is None for gradient in gradients["second"][:count])
    assert all(gradient.abs().sum() > 0 for gradient in gradients["both"][:count])
    for first, second in zip(gradients["both"][count:], gradients["second"][count:], strict=True):
        torch.testing.assert_close(first, second)


def test_the_penalty_stays_in_float32_under_autocast(model, trips):
    precise = Modern().discriminator_terms(model, trips, 0)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = Modern().discriminator_terms(model, trips, 0)
        fast = Modern().discriminator_terms(model, trips, 1)
    assert torch.equal(mixed["penalty_a"], precise["penalty_a"])
    assert not torch.equal(fast["discriminator_a"], precise["discriminator_a"])


def test_losses_are_computed_in_float32_under_autocast(model, trips):
    with torch.autocast("cpu", torch.bfloat16):
        terms = Modern().generator_terms(model, trips, 1) | Modern().discriminator_terms(model, trips, 1)
    assert {name: term.dtype for name, term in terms.items()} == dict.fromkeys(terms, torch.float32)


def test_the_inputs_are_left_without_gradients(model, trips):
    terms = Modern().discriminator_terms(model, trips, 0)
    sum(terms.values()).backward()
    assert all(parameter.grad is None for parameter in model.generators.parameters())
    assert not trips.real_a.requires_grad
    assert trips.fake_b.grad_fn is not None
