"""What every objective must do, the moment it is registered; above all: not look at pairs."""

import pytest
import torch

from discogan.config import Config, DataOptions
from discogan.errors import ConfigError
from discogan.model import build_model
from discogan.registry import OBJECTIVES

NAMES = list(OBJECTIVES.entries())
VARIANTS = [{"name": name} for name in NAMES] + [
    {"name": "official", "model": "gan"},
    {"name": "official", "model": "recon_gan", "first_feature_layer": 1},
    *({"name": "discogan", "distance": distance} for distance in ("l1", "huber", "cosine", "hinge")),
]
ONE_WAY = ("gan", "recon_gan")


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
def test_reordering_either_domain_changes_nothing(table):
    """The losses are unpaired: which image of B stands beside which of A has no influence at all."""
    model, objective = build(table)
    a, b = batch()
    # True pairs side by side, as a careless loader would serve them: B is a function of A.
    b = 1 - a
    before = all_terms(model, objective, a, b)
    for order in (torch.tensor([3, 0, 5, 1, 2, 4]), torch.arange(6).flip(0)):
        for shuffled in ((a, b[order]), (a[order], b)):
            model_again, objective_again = build(table)
            after = all_terms(model_again, objective_again, *shuffled)
            for name, value in before.items():
                torch.testing.assert_close(after[name], value, rtol=1e-4, atol=1e-6, msg=f"{name} depends on the order")


def test_the_check_above_catches_a_paired_loss():
    a, _ = batch()
    b, order = 1 - a, torch.tensor([3, 0, 5, 1, 2, 4])
    paired = (a - b).abs().mean()
    assert not torch.isclose(paired, (a - b[order]).abs().mean(), rtol=1e-4)


@pytest.mark.parametrize("table", VARIANTS, ids=str)
def test_each_side_trains_its_own_networks(table):
    model, objective = build(table)
    step = next(step for step in range(9) if objective.steps_discriminators(step))
    trips = model.round_trips(*batch())
    sum(objective.discriminator_terms(model, trips, step).values()).backward()
    assert all(parameter.grad is None for parameter in model.generators.parameters())
    assert any(parameter.grad is not None for parameter in model.discriminators.parameters())
    model.discriminators.requires_grad_(False)
    sum(objective.generator_terms(model, model.round_trips(*batch()), step).values()).backward()
    one_way = table["name"] in ONE_WAY or table.get("model") in ONE_WAY
    trained = [
        name for name, network in model.generators.items() if any(p.grad is not None for p in network.parameters())
    ]
    lone_gan = "gan" in (table["name"], table.get("model"))
    assert trained == (["generator_ab"] if lone_gan else ["generator_ab", "generator_ba"])
    assert one_way or len(trained) == 2


@pytest.mark.parametrize("table", VARIANTS, ids=str)
def test_terms_are_finite_scalars_with_a_network_or_domain_in_their_name(table):
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


@pytest.mark.parametrize(("name", "option"), [("modern", "penalty_every_steps"), ("cyclegan", "buffer_size")])
def test_impossible_options_are_refused(name, option):
    with pytest.raises(ConfigError, match=f"objective.{option} must be at least"):
        OBJECTIVES.build({"name": name, option: -1}, "objective")


@pytest.mark.parametrize("name", NAMES)
def test_every_step_trains_something(name):
    objective = OBJECTIVES.build({"name": name}, "objective")
    for step in range(12):
        assert objective.steps_discriminators(step) or objective.steps_generators(step)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_of_discriminators_alone_runs_no_round_trip(name):
    model, objective = build({"name": name})
    trips = model.round_trips(*batch(), differentiable=False)
    objective.discriminator_terms(model, trips, 0)
    assert not {"reconstructed_a", "reconstructed_b"} & vars(trips).keys()
    assert not trips.fake_b.requires_grad
