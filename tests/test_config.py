from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discogan.config import Config, DataOptions, change_training, load_config, make_options, parse_setting, preset_names
from discogan.errors import ConfigError


@dataclass(frozen=True)
class Example:
    needed: str
    whole: int = 1
    real: float = 0.5
    maybe: int | None = None
    kind: Literal["x", "y"] = "x"
    switch: bool = False


def test_a_setting_overrides_the_preset_and_the_size_table():
    config = load_config(
        "modern", image_size=32, settings=["objective.gamma=7", "data.flip=true", "data.background=red"]
    )
    assert config.objective["gamma"] == 7
    assert config.data == DataOptions(image_size=32, flip=True, background="red")


def test_the_order_of_a_part_and_its_options_does_not_matter():
    settings = ["objective.reconstruction_weight=9.0", "objective.name=discogan"]
    one, other = (load_config("modern", settings=order) for order in (settings, settings[::-1]))
    assert one == other
    assert one.objective["reconstruction_weight"] == 9


def test_size_tables_apply_at_their_size_only():
    small, large = load_config("modern", image_size=32), load_config("modern", image_size=64)
    assert small.objective["gamma"] < large.objective["gamma"]
    assert small.training.minutes < large.training.minutes
    assert small.training.learning_rate == large.training.learning_rate


def test_a_budget_replaces_the_presets_of_either_kind():
    config = load_config("modern", steps=10)
    assert (config.training.steps, config.training.minutes) == (10, None)
    config = load_config("official", minutes=0.5)
    assert (config.training.steps, config.training.minutes) == (None, 0.5)
    assert load_config("official").training.steps == 50_000


def test_another_part_does_not_inherit_options():
    config = load_config("modern", settings=["objective.name=cyclegan"])
    assert config.objective == {"name": "cyclegan"}


def test_an_option_of_the_default_source_needs_no_name():
    assert load_config("modern", settings=["source.a=x"]).source == {"name": "folders", "a": "x"}


def test_a_config_survives_its_dictionary():
    config = load_config("official", image_size=128, seed=3, settings=["source.name=celeba", "source.root=x"])
    assert Config.from_dict(config.to_dict()) == config


def test_a_new_budget_leaves_the_rest():
    config = load_config("modern")
    assert change_training(config) == config
    changed = change_training(config, steps=5, settings=["training.learning_rate=1e-5"])
    assert changed.training.learning_rate == 1e-5
    assert changed.training.steps == 5
    assert changed.training.minutes is None
    assert changed.objective == config.objective


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("training.steps=10", {"training": {"steps": 10}}),
        ("objective.gamma=1e-3", {"objective": {"gamma": 1e-3}}),
        ("data.flip=true", {"data": {"flip": True}}),
        ("data.background=#00ff00", {"data": {"background": "#00ff00"}}),
        ("source.a=C:\\pictures=x", {"source": {"a": "C:\\pictures=x"}}),
    ],
)
def test_settings_are_parsed_as_toml_or_as_text(setting, expected):
    assert parse_setting(setting) == expected


@given(st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_survives_a_setting(value):
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    assert parse_setting(f"training.x={text}") == {"training": {"x": value}}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: load_config("fast"), "choose one of: celeba_eyeglasses"),
        (lambda: load_config("modren"), r"did you mean modern\?"),
        (lambda: parse_setting("steps=3"), "part.option=value"),
        (lambda: parse_setting("model.width=3"), "no part named 'model'"),
        (lambda: load_config("modern", settings=["training.stepz=3"]), "stepz.*batch_size"),
        (lambda: load_config("modern", settings=["training.steps=many"]), "must be int"),
        (lambda: load_config("modern", image_size=50), "32, 64, 128 or 256"),
        (lambda: load_config("modern", steps=0), "budget"),
        (lambda: load_config("modern", settings=["training.batch_size=0"]), "at least 1"),
        (lambda: load_config("modern", seed=-1), "seed must be at least 0"),
        (lambda: load_config("modern", minutes=float("nan")), "finite"),
        (lambda: load_config("modern", settings=["training.beta1=1.5"]), "at least 0 and below 1"),
        (lambda: load_config("modern", settings=["training.learning_rate=-1"]), "at least 0"),
        (lambda: load_config("modern", settings=["data.channels_a=1.0"]), "one of 1, 3"),
        (lambda: load_config("modern", settings=["data.image_size=32"]), "give it as --image-size"),
        (lambda: change_training(load_config("modern"), settings=["data.fit=pad"]), "only training and source"),
        (lambda: Config.from_dict({"preset": "x", "models": {}}), "models"),
        (lambda: make_options(Example, {}, "example"), "--set example.needed="),
        (lambda: make_options(Example, {"needed": "n", "kind": "z"}, "example"), "one of x, y"),
        (lambda: make_options(Example, {"needed": "n", "whole": 1.5}, "example"), "must be int"),
        (lambda: make_options(Example, {"needed": "n", "whole": True}, "example"), "must be int"),
        (lambda: make_options(Example, {"needed": 3}, "example"), "must be str"),
    ],
)
def test_mistakes_are_explained(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


def test_whole_numbers_count_as_real_ones():
    options = make_options(Example, {"needed": "n", "real": 2, "maybe": 4, "switch": True, "kind": "y"}, "example")
    assert options == Example("n", 1, 2.0, 4, "y", True)
    assert isinstance(options.real, float)


def test_every_preset_loads_at_every_size():
    for name in preset_names():
        for size in (32, 64, 128, 256):
            assert load_config(name, image_size=size).data.image_size == size
