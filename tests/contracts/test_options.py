"""Rules for the options of every registered component."""

import dataclasses

import pytest

from discogan.config import Above, AtLeast, make_options
from discogan.errors import ConfigError
from discogan.registry import REGISTRIES
from tests.contracts.variants import bounds, choices

COMPONENTS = [
    pytest.param(entry, id=f"{registry.kind} {name}")
    for registry in REGISTRIES
    for name, entry in registry.entries().items()
    if entry.options
]


def required_options(kind):
    """Return a value for each option without a default; all of those are paths."""
    missing = dataclasses.MISSING
    return {
        option.name: "folder"
        for option in dataclasses.fields(kind)
        if option.init and option.default is missing and option.default_factory is missing
    }


@pytest.mark.parametrize("entry", COMPONENTS)
def test_defaults_are_valid(entry):
    required = required_options(entry.options)
    options = make_options(entry.options, required, "group")
    values = {name: getattr(options, name) for name in entry.option_names}
    assert make_options(entry.options, values, "group") == options


@pytest.mark.parametrize("entry", COMPONENTS)
def test_values_out_of_bounds_are_refused(entry):
    for name, limits in bounds(entry.options).items():
        for bound in limits:
            outside = bound.limit - 1 if isinstance(bound, AtLeast | Above) else bound.limit + 1
            with pytest.raises(ConfigError, match=rf"group\.{name} must be "):
                make_options(entry.options, {**required_options(entry.options), name: outside}, "group")


@pytest.mark.parametrize("entry", COMPONENTS)
def test_unknown_choices_and_options_are_refused(entry):
    required = required_options(entry.options)
    for name in choices(entry.options):
        with pytest.raises(ConfigError, match=rf"group\.{name} must be "):
            make_options(entry.options, {**required, name: "no such choice"}, "group")
    with pytest.raises(ConfigError, match="There is no option of group named 'no_such_option'"):
        make_options(entry.options, {**required, "no_such_option": 1}, "group")
