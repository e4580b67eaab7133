"""Rules for every objective, tested as soon as it is registered. The first rule: losses must not use pairs."""

import pytest
import torch

from discogan.config import Config, DataOptions
from discogan.model import build_model
from discogan.registry import OBJECTIVES
from tests.contracts.variants import variants

NAMES = list(OBJECTIVES.entries())
VARIANTS = [
    {"name": name, **options} for name, entry in OBJECTIVES.entries().items() for options in variants(entry.options)
]
GENERATOR_OF = {"a_to_b": "generator_ab", "b_to_a": "generator_ba"}


def build(table, **data):
    torch.manual_seed(0)
    network = {"name": "convolutional", "width": 4, "norm": "none"}
    options = DataOptions(image_size=32, **data)
    config = Config(preset="test", data=options, generator={**network, "stages": 3}, discriminator=network)
    return build_model(config), OBJECTIVES.build(table, "objective")


def batch(count=6, channels_a=3, channels_b=3):
    generator = torch.Generator().manual_seed(1)
    return (torch.rand(count, channels, 32, 32, generator=generator) for channels in (channels_a, channels_b))


def all_terms(model, objective, a, b, step=0):
    trips = model.round_trips(a, b)
    return {
        **objective.discriminator_terms(model, trips, step),
        **objective.generator_terms(model, trips, step),
    }


@pytest.mark.parametrize("table", VARIANTS, ids=str)
def test_the_order_of_either_domain_does_not_change_the_losses(table):
    model, objective = build(table)
    a, _ = batch()
    # True pairs in the same rows, as a careless loader would serve them: B is a function of A.
    b = 1 - a
    before = all_terms(model, objective, a, b)
    for order in (torch.tensor([3, 0, 5, 1, 2, 4]), torch.arange(6).flip(0)):
        for shuffled in ((a, b[order]), (a[order], b)):
            same_model, same_objective = build(table)
            after = all_terms(same_model, same_objective, *shuffled)
            for name, value in before.items():
                torch.testing.assert_close(after[name], value, rtol=1e-4, atol=1e-6, msg=f"{name} depends on the order")


def test_the_check_above_detects_a_paired_loss():
    a, _ = batch()
    b, order = 1 - a, torch.tensor([3, 0, 5, 1, 2, 4])
    paired = (a - b).abs().mean()
    assert not torch.isclose(paired, (a - b[order]).abs().mean(), rtol=1e-4)


@pytest.mark.parametrize("table", VARIANTS, ids=str)
def test_generators_and_discriminators_are_trained_by_their_own_terms(table):
    model, objective = build(table)
    step = next(step for step in range(9) if objective.steps_discriminators(step))
    trips = model.round_trips(*batch())
    sum(objective.discriminator_terms(model, trips, step).values()).backward()
    assert all(parameter.grad is None for parameter in model.generators.parameters())
    assert any(parameter.grad is not None for parameter in model.discriminators.parameters())
    model.discriminators.requires_grad_(False)
    sum(objective.generator_terms(model, model.round_trips(*batch()), step).values()).backward()
    trained = set()
    for name, network in model.generators.items():
        if any(parameter.grad is not None for parameter in network.parameters()):
            trained.add(name)
    # A round trip passes both generators.
    used = GENERATOR_OF if objective.round_trip_directions else objective.directions
    assert trained == {GENERATOR_OF[direction] for direction in used}


@pytest.mark.parametrize("table", VARIANTS, ids=str)
def test_terms_are_finite_scalars_named_after_a_domain(table):
    model, objective = build(table)
    for name, value in all_terms(model, objective, *batch()).items():
        assert value.shape == ()
        assert value.isfinite()
        assert name.endswith(("_a", "_b"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("channels_a", "channels_b"), [(1, 3), (3, 1), (1, 1)])
def test_domains_may_differ_in_channels(name, channels_a, channels_b):
    model, objective = build({"name": name}, channels_a=channels_a, channels_b=channels_b)
    terms = all_terms(model, objective, *batch(4, channels_a, channels_b))
    assert all(value.isfinite() for value in terms.values())


@pytest.mark.parametrize("name", NAMES)
def test_every_step_updates_networks(name):
    objective = OBJECTIVES.build({"name": name}, "objective")
    for step in range(12):
        assert objective.steps_discriminators(step) or objective.steps_generators(step)


@pytest.mark.parametrize("name", NAMES)
def test_discriminator_terms_run_no_round_trip(name):
    model, objective = build({"name": name})
    trips = model.round_trips(*batch(), differentiable=False)
    objective.discriminator_terms(model, trips, 0)
    assert not {"reconstructed_a", "reconstructed_b"} & vars(trips).keys()
    assert not trips.fake_b.requires_grad
