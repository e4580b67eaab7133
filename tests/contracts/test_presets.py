"""Rules for every preset: it has a summary, builds and trains."""

import pytest

from discogan import api
from discogan.config import load_config, preset_names, read_preset
from discogan.model import build_model
from discogan.registry import OBJECTIVES


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_has_a_summary_and_builds(name):
    assert len(read_preset(name)["summary"]) > 20
    config = load_config(name, image_size=64)
    assert config.training.steps or config.training.minutes
    OBJECTIVES.build(config.objective, "objective")
    assert sum(parameter.numel() for parameter in build_model(config).parameters()) > 100_000


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_trains(name, domains, tmp_path):
    small = ("generator.width=4", "discriminator.width=4", "training.batch_size=3")
    outcome = api.train(*domains, out=tmp_path / "run", preset=name, image_size=32, steps=4, settings=small)
    assert outcome.step == 4


def test_the_official_preset_is_the_official_code_s():
    config = load_config("official")
    training = config.training
    assert (training.learning_rate, training.beta1, training.beta2, training.weight_decay) == (2e-4, 0.5, 0.999, 1e-5)
    assert training.batch_size == 64
    model = build_model(config)
    assert sum(parameter.numel() for parameter in model.generator_ab.parameters()) == 5_513_856
    assert sum(parameter.numel() for parameter in model.discriminator_a.parameters()) == 2_765_568
