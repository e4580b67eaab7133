"""What every registered metric must do: return its declared values, finite, and ideal for identical images."""

import math

import pytest
import torch
from torch import nn

from discogan import registry
from discogan.errors import ConfigError
from discogan.evaluation.selection import select_metrics
from discogan.metrics import Metric, Value, describe_values, inception, metric_kinds, perceptual

NAMES = list(registry.METRICS.entries())
TOLERANCE = 0.01


class AreaAverages(nn.Module):
    """Four area averages of uint8 images as features (N, 12)."""

    num_features = 12

    def forward(self, images):
        return nn.functional.adaptive_avg_pool2d(images.float() / 255, 2).flatten(1)


@pytest.fixture(autouse=True)
def _small_networks(monkeypatch):
    """Replace networks whose weights are never downloaded."""
    monkeypatch.setattr(inception, "load_inception", lambda _weights: AreaAverages())
    monkeypatch.setattr(perceptual, "load_alexnet", lambda: lambda first, second: (first - second).abs().mean())


def random_images(count, seed):
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_metric_whose_values_have_labels(name):
    kind = metric_kinds()[name]
    assert issubclass(kind, Metric)
    assert registry.METRICS.get(name).summary.endswith(".")
    assert kind.values
    for value in kind.values:
        assert value.key.isidentifier()
        assert value.label
        assert value.better in ("higher", "lower", "closer")
        assert math.isfinite(value.ideal)
    assert kind.compares in ("translations", "round_trips")
    assert all(command for command in kind.libraries.values())
    # A random partner has a meaning only if there are true ones.
    assert kind.needs_pairs or not kind.has_baselines


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("count", "reference_count"), [(24, 24), (2, 2), (24, 17)])
def test_it_returns_the_declared_values_as_finite_numbers(name, count, reference_count):
    metric = metric_kinds()[name]()
    if count != reference_count and (metric.needs_pairs or metric.compares == "round_trips"):
        pytest.skip("rows must correspond")
    values = metric.compute(random_images(count, 0), random_images(reference_count, 1))
    assert values.keys() == {value.key for value in metric.values}
    assert all(isinstance(number, float) and math.isfinite(number) for number in values.values())


@pytest.mark.parametrize("name", NAMES)
def test_identical_images_reach_the_ideal_value(name):
    metric = metric_kinds()[name]()
    images = random_images(40, 0)
    values = metric.compute(images, images)
    for value in metric.values:
        shortfall = {
            "higher": value.ideal - values[value.key],
            "lower": values[value.key] - value.ideal,
            "closer": abs(values[value.key] - value.ideal),
        }
        assert shortfall[value.better] <= TOLERANCE, value.key


@pytest.mark.parametrize("name", NAMES)
def test_unrelated_images_are_not_better_than_identical_ones(name):
    metric = metric_kinds()[name]()
    images = random_images(40, 0)
    identical, unrelated = metric.compute(images, images), metric.compute(0.3 * random_images(40, 1), images)
    for value in metric.values:
        difference = unrelated[value.key] - identical[value.key]
        if value.better == "higher":
            assert difference <= TOLERANCE, value.key
        elif value.better == "lower":
            assert difference >= -TOLERANCE, value.key


@pytest.mark.parametrize("name", NAMES)
def test_without_pairs_the_order_of_the_references_does_not_matter(name):
    metric = metric_kinds()[name]()
    if metric.needs_pairs or metric.compares == "round_trips":
        pytest.skip("rows correspond")
    images, references = random_images(30, 0), random_images(30, 1)
    shuffled = references[torch.randperm(30, generator=torch.Generator().manual_seed(2))]
    expected = metric.compute(images, references)
    for key, number in metric.compute(images, shuffled).items():
        assert number == pytest.approx(expected[key], rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_it_does_not_change_its_input(name):
    metric = metric_kinds()[name]()
    images, references = random_images(12, 0), random_images(12, 1)
    metric.compute(images, references)
    assert torch.equal(images, random_images(12, 0))
    assert torch.equal(references, random_images(12, 1))


@pytest.mark.parametrize("name", NAMES)
def test_chance_has_the_same_values_and_is_no_better_than_the_true_partner(name):
    metric = metric_kinds()[name]()
    if not metric.has_baselines:
        pytest.skip("it has no baselines")
    images = random_images(20, 0)
    best, chance = metric.compute(images, images), metric.chance(images, images)
    assert chance.keys() == best.keys()
    for value in metric.values:
        assert (chance[value.key] < best[value.key]) == (value.better == "higher")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("paired", [False, True])
def test_it_is_selected_by_what_it_declares(name, paired, monkeypatch):
    kind = metric_kinds()[name]
    monkeypatch.setattr(kind, "check", lambda _self: None)
    assert (name in select_metrics(paired=paired)) == (not kind.on_demand and (paired or not kind.needs_pairs))
    if kind.needs_pairs and not paired:
        with pytest.raises(ConfigError, match=f"{name} compares true pairs"):
            select_metrics([name], paired=paired)
    else:
        assert name in select_metrics([name], paired=paired)


def test_no_two_values_share_a_key_or_a_label():
    values = describe_values(metric_kinds())
    for part in ("key", "label"):
        names = [value[part] for value in values]
        assert len(names) == len(set(names))


def test_the_checks_above_catch_a_metric_that_uses_pairs():
    class Paired(Metric):
        values = (Value("paired", "paired", "lower", 0.0),)

        def compute(self, images, references):
            return {"paired": (images - references).abs().mean().item()}

    images, references = random_images(30, 0), random_images(30, 1)
    metric = Paired()
    assert metric.compute(images, references) != metric.compute(images, references.flip(0))
