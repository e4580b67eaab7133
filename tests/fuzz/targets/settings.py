"""Settings: ``--set`` texts, configurations as tables, and networks built from them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from discogan.errors import ConfigError, DataError
from tests.fuzz.harness import Case, RuleError, Target, call_command, check_output
from tests.fuzz.mutations import HOSTILE_TEXTS, damaged_json, damaged_text, hostile_values, to_text

GROUPS = ("data", "training", "anchors", "source", "generator", "discriminator", "objective", "", "seed", "preset", "x")
VALUES = (
    "0",
    "-1",
    "1e400",
    "nan",
    "inf",
    "true",
    "'x'",
    '"""',
    "[1, 2]",
    "{a = 1}",
    "1979-05-27T07:32:00Z",
    "0x7fffffffffffffff",
    "9" * 5000,
    "1_000",
    "[" * 500,
    "[" * 3000,
    "{a=" * 500,
    "a.b.c = 1",
    "1\nvalue2 = 3",
    "1\n[training]\nsteps = 1",
    "1 # comment",
    "\\u0000",
    '"\\u0000"',
    '"\\ud800"',
    "none",
    "auto",
    "32",
    "1",
    "0.5",
)


def known_options() -> list[str]:
    """Return every ``GROUP.OPTION`` name of the package, and the components' names."""
    from discogan import config, registry

    names = [name for name in config.load_config("modern").flat() if "." in name]
    kinds = (registry.OBJECTIVES, registry.GENERATORS, registry.DISCRIMINATORS, registry.SOURCES)
    for group, kind in zip(("objective", "generator", "discriminator", "source"), kinds, strict=True):
        for entry in kind.entries().values():
            names += [f"{group}.{option}" for option in entry.option_names]
    return sorted(set(names))


def component_names() -> list[str]:
    """Return settings that choose each component, such as ``objective.name=gan``."""
    from discogan import registry

    kinds = (registry.OBJECTIVES, registry.GENERATORS, registry.DISCRIMINATORS)
    names = []
    for group, kind in zip(("objective", "generator", "discriminator"), kinds, strict=True):
        names += [f"{group}.name={name}" for name in kind.entries()]
    return names


def setting_texts() -> st.SearchStrategy[str]:
    """Texts for ``--set``: known and unknown options, hostile values, damaged syntax."""
    options = st.sampled_from(known_options())
    unknown = st.tuples(st.sampled_from(GROUPS), st.sampled_from(HOSTILE_TEXTS) | st.text(max_size=8)).map(".".join)
    values = st.one_of(
        st.sampled_from(VALUES),
        st.sampled_from(HOSTILE_TEXTS),
        hostile_values().map(to_text),
        st.integers().map(str),
        st.floats().map(repr),
        st.text(max_size=20),
    )
    given = st.tuples(st.one_of(options, options, options, unknown), values).map("=".join)
    return st.one_of(given, given, given, given.flatmap(damaged_text), st.sampled_from(component_names()))


class SettingTexts(Target):
    """``--set`` texts of a new run and of a resumed one."""

    name = "setting_texts"
    by_coverage = True
    weight = 18
    allowed = (ConfigError,)

    def strategy(self) -> st.SearchStrategy[Case]:
        return st.fixed_dictionaries(
            {
                "preset": st.sampled_from(("modern", "modern", "modern", "paper", *HOSTILE_TEXTS)),
                "image_size": st.sampled_from((32, 64, 128, 256, 0, -1, 33, 10**30)),
                "seed": st.sampled_from((0, 1, -1, 2**64, 10**400)),
                "settings": st.lists(setting_texts(), max_size=4),
            }
        )

    def run(self, case: Case) -> None:
        from discogan.config import Config, change_training, load_config

        settings = case["settings"]
        try:
            config = load_config(case["preset"], image_size=case["image_size"], seed=case["seed"], settings=settings)
        finally:
            self._resume(settings)
        again = Config.from_dict(json.loads(json.dumps(config.to_dict())))
        if again != config:
            raise RuleError("a configuration differs after it is written and read as JSON")
        change_training(config, settings=settings)

    def _resume(self, settings: list[str]) -> None:
        from discogan.config import change_training, load_config

        try:
            change_training(load_config("modern"), steps=5, settings=settings)
        except ConfigError:
            return


class Configurations(Target):
    """Configurations as tables, as a config.json of any version may hold them."""

    name = "configurations"
    by_coverage = True
    weight = 14
    allowed = (ConfigError,)

    def strategy(self) -> st.SearchStrategy[Case]:
        from discogan.config import load_config, preset_names

        valid = [load_config(preset, image_size=64, steps=5).to_dict() for preset in preset_names()]
        return st.sampled_from(valid).flatmap(damaged_json).map(to_text)

    def run(self, case: Case) -> None:
        from discogan.config import Config

        try:
            table: Any = json.loads(case)
        except RecursionError:
            return
        if not isinstance(table, dict):
            return  # ``records`` checks that a file holds an object.
        config = Config.from_dict(table)
        config.flat()
        if Config.from_dict(config.to_dict()) != config:
            raise RuleError("a configuration differs after to_dict and from_dict")


class Networks(Target):
    """What training checks before it decodes an image: objective, networks and device, with hostile options."""

    name = "networks"
    weight = 3
    memory_mib = 512
    allowed = (ConfigError, DataError)

    def strategy(self) -> st.SearchStrategy[Case]:
        options = [name for name in known_options() if not name.startswith(("source.", "anchors.", "data.image_size"))]
        counts = st.sampled_from((0, 1, 2, 3, 7, 100, 4096, 10**5, 10**6, 10**9, 2**31, 2**63, 10**30))
        values = st.one_of(counts.map(str), st.sampled_from(VALUES), hostile_values().map(to_text))
        given = st.tuples(st.sampled_from(options), values).map("=".join)
        return st.fixed_dictionaries(
            {
                "image_size": st.sampled_from((32, 64, 256)),
                "settings": st.lists(st.one_of(given, given, st.sampled_from(component_names())), max_size=4),
            }
        )

    def run(self, case: Case) -> None:
        from discogan.config import load_config
        from discogan.training.run import check_config

        check_config(load_config("modern", image_size=case["image_size"], steps=1, settings=case["settings"]))


class CommandWords(Target):
    """Words after ``discogan info`` and ``discogan list``, which change nothing."""

    name = "command_words"
    weight = 4

    def strategy(self) -> st.SearchStrategy[Case]:
        flags = ("--json", "--quiet", "-q", "--import", "--help", "--version", "--set", "--", "-")
        words = st.one_of(st.sampled_from(HOSTILE_TEXTS), st.sampled_from(flags), st.text(max_size=8))
        return st.tuples(st.sampled_from(("info", "list", "")), st.lists(words, max_size=4)).map(
            lambda given: [word for word in (given[0], *given[1]) if word]
        )

    def run(self, case: Case) -> None:
        check_output(*call_command(case))
