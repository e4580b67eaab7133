"""Options to test a component with, derived from the options that it declares."""

import dataclasses
from typing import Annotated, Literal, get_args, get_origin, get_type_hints

SMALL_VALUES = {"width": 4, "blocks": 1}
"""Values of common options that make a network small."""


def small_options(kind):
    """Return options that make a network small, as far as it has them."""
    names = {option.name for option in dataclasses.fields(kind)}
    return {name: value for name, value in SMALL_VALUES.items() if name in names}


def choices(kind):
    """Return the choices of each option that has some, by its name."""
    hints = get_type_hints(kind)
    return {
        option.name: get_args(hints[option.name])
        for option in dataclasses.fields(kind)
        if option.init and get_origin(hints[option.name]) is Literal
    }


def variants(kind):
    """Return the default options, and one table for each choice of each option."""
    return [{}, *({name: value} for name, values in choices(kind).items() for value in values)]


def bounds(kind):
    """Return the declared bounds of each option that has some, by its name."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        option.name: hints[option.name].__metadata__
        for option in dataclasses.fields(kind)
        if option.init and get_origin(hints[option.name]) is Annotated
    }
