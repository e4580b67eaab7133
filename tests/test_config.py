"""Presets, overrides, and the types and bounds that options declare."""

import dataclasses
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discogan.config import (
    Above,
    AtLeast,
    AtMost,
    Below,
    Config,
    DataOptions,
    Options,
    TrainingOptions,
    change_training,
    load_config,
    make_options,
    parse_setting,
    preset_names,
)
from discogan.errors import ConfigError
from discogan.run_records import RunDescription

RUNS_OF_0_1_0 = Path(__file__).parent / "assets" / "runs-of-0.1.0.tar.gz"


@dataclass(frozen=True)
class Example:
    """Options of a user's own, without the base class."""

    needed: str
    whole: int = 1
    real: float = 0.5
    maybe: int | None = None
    kind: Literal["x", "y"] = "x"
    switch: bool = False
    share: Annotated[float, AtLeast(0), AtMost(1)] = 0.5
    budget: Annotated[float | None, Above(0), Below(60)] = None
    names: list[str] = dataclasses.field(default_factory=list)


@dataclass(frozen=True)
class Checked(Options):
    """The same with the base class."""

    width: Annotated[int, AtLeast(1)] = 8
    rate: float = 0.5
    derived: int = dataclasses.field(init=False, default=0)


def test_a_setting_overrides_the_preset_and_the_size_table():
    settings = ["objective.gamma=7", "data.flip=true", "data.background=red"]
    config = load_config("modern", image_size=32, settings=settings)
    assert config.objective["gamma"] == 7
    expected = DataOptions(image_size=32, channels_a="auto", channels_b="auto", flip=True, background="red")
    assert config.data == expected


def test_the_order_of_a_name_and_its_options_does_not_matter():
    settings = ["objective.reconstruction_weight=9.0", "objective.name=discogan"]
    config = load_config("modern", settings=settings)
    assert config == load_config("modern", settings=settings[::-1])
    assert config.objective["reconstruction_weight"] == 9


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


def test_another_component_does_not_inherit_options():
    config = load_config("modern", settings=["objective.name=cyclegan"])
    assert config.objective == {"name": "cyclegan"}


def test_an_option_of_the_default_source_needs_no_name():
    assert load_config("modern", settings=["source.a=/x"]).source == {"name": "folders", "a": "/x"}


def test_a_configuration_survives_its_dictionary():
    config = load_config("official", image_size=128, seed=3, settings=["source.name=celeba", "source.root=x"])
    assert Config.from_dict(config.to_dict()) == config


def test_every_setting_has_its_flat_name():
    flat = load_config("modern", seed=3).flat()
    assert flat["seed"] == 3
    assert flat["objective.name"] == "modern"
    assert flat["data.image_size"] == 64


def test_a_new_budget_keeps_the_other_settings():
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
        ("source.attribute=a\\b=x", {"source": {"attribute": "a\\b=x"}}),
        ("training.starts=3", {"training": {"seeds_tried": 3}}),
    ],
)
def test_settings_are_parsed_as_toml_or_as_text(setting, expected):
    assert parse_setting(setting) == expected


@given(st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_survives_a_setting(value):
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    assert parse_setting(f"training.x={text}") == {"training": {"x": value}}


def make_example(**table):
    return make_options(Example, {"needed": "n", **table}, "example")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: load_config("fast"), "Choose one of: celeba_eyeglasses"),
        (lambda: load_config("modren"), r"did you mean modern\?"),
        (lambda: parse_setting("steps=3"), "GROUP.OPTION=VALUE"),
        (lambda: parse_setting("model.width=3"), "no option group named 'model'"),
        (lambda: load_config("modern", settings=["training.stepz=3"]), "stepz.*batch_size"),
        (
            lambda: load_config("modern", settings=["training.steps=many"]),
            "training.steps must be a whole number, not 'many'",
        ),
        (lambda: load_config("modern", image_size=50), "data.image_size must be 32, 64, 128 or 256, not 50"),
        (lambda: load_config("modern", steps=0), "training.steps must be at least 1, not 0"),
        (lambda: load_config("modern", minutes=0), "training.minutes must be above 0, not 0.0"),
        (lambda: load_config("modern", settings=["training.batch_size=0"]), "training.batch_size must be at least 1"),
        (lambda: load_config("modern", seed=-1), "seed must be at least 0"),
        (lambda: load_config("modern", minutes=float("nan")), "finite"),
        (lambda: load_config("modern", settings=["training.beta1=1.5"]), "at least 0 and below 1, not 1.5"),
        (lambda: load_config("modern", settings=["training.learning_rate=-1"]), "at least 0"),
        (lambda: load_config("modern", settings=["data.channels_a=1.0"]), "must be auto, 1 or 3, not 1.0"),
        (lambda: load_config("modern", settings=["data.image_size=32"]), "Give it as --image-size"),
        (lambda: change_training(load_config("modern"), settings=["data.fit=pad"]), "only training and source"),
        (lambda: Config.from_dict({"preset": "x", "models": {}}), "no option group named 'models'"),
        (lambda: make_options(Example, {}, "example"), "--set example.needed="),
        (lambda: make_example(kind="z"), "example.kind must be x or y, not 'z'"),
        (lambda: make_example(whole=1.5), "must be a whole number"),
        (lambda: make_example(whole=True), "must be a whole number"),
        (lambda: make_example(needed=3), "must be text"),
        (lambda: make_example(maybe="3"), "must be a whole number"),
        (lambda: make_example(names="a"), "must be list"),
        (lambda: make_example(share=2), "example.share must be at least 0 and at most 1, not 2.0"),
        (lambda: make_example(budget=60), "example.budget must be above 0 and below 60"),
        (lambda: make_example(wohle=3), r"did you mean whole\?"),
        (lambda: Checked(width=0), "width must be at least 1, not 0"),
        (lambda: Checked(rate="fast"), "rate must be a number, not 'fast'"),
        (lambda: TrainingOptions(clock="sun"), "clock must be wall or processor"),
    ],
)
def test_mistakes_are_explained(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


def test_whole_numbers_are_accepted_for_floats():
    options = make_example(real=2, maybe=4, switch=True, kind="y", share=1, budget=2, names=["a"])
    assert options == Example("n", 1, 2.0, 4, "y", True, 1.0, 2.0, ["a"])
    assert isinstance(options.real, float)
    assert isinstance(Checked(rate=1).rate, float)


def test_every_preset_loads_at_every_size():
    for name in preset_names():
        for size in (32, 64, 128, 256):
            assert load_config(name, image_size=size).data.image_size == size


def test_configurations_of_version_0_1_0_load(tmp_path):
    with tarfile.open(RUNS_OF_0_1_0) as archive:
        archive.extractall(tmp_path, filter="data")
    files = [*tmp_path.rglob("config.json"), *tmp_path.rglob("plan.json")]
    tables = [json.loads(file.read_text()) for file in files]
    descriptions = [RunDescription.from_dict(table) for table in tables]
    assert {description.config.training.seeds_tried for description in descriptions} >= {1, 2}
    assert any("starts" in table["config"]["training"] for table in tables)


@pytest.mark.parametrize("option", ["source.a", "source.b", "source.root", "anchors.file"])
def test_a_path_that_is_set_becomes_absolute(option, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    group, name = option.split(".")
    assert parse_setting(f"{option}=images") == {group: {name: str(tmp_path / "images")}}
    assert parse_setting(f"{option}=~/images") == {group: {name: str(tmp_path / "home" / "images")}}
    assert parse_setting(f"{option}={tmp_path}") == {group: {name: str(tmp_path)}}
