"""The two directions of translation, and what they are called."""

from typing import Literal, TypeVar

from discogan.errors import ConfigError, shown

Direction = Literal["a_to_b", "b_to_a"]
Domain = Literal["a", "b"]
Value = TypeVar("Value")
DIRECTIONS: tuple[Direction, Direction] = ("a_to_b", "b_to_a")
LABELS: dict[Direction, str] = {"a_to_b": "A to B", "b_to_a": "B to A"}
"""What people read."""


def check_direction(direction: str) -> Direction:
    """Return ``direction``; raise ``ConfigError`` unless it is ``a_to_b`` or ``b_to_a``."""
    if direction == "a_to_b":
        return "a_to_b"
    if direction == "b_to_a":
        return "b_to_a"
    raise ConfigError(f"The direction must be a_to_b or b_to_a, not {shown(direction)}.")


def opposite(direction: Direction) -> Direction:
    """Return the reverse direction."""
    return "b_to_a" if direction == "a_to_b" else "a_to_b"


def source_domain(direction: Direction) -> Domain:
    """Return the domain that a direction translates from."""
    return "a" if direction == "a_to_b" else "b"


def target_domain(direction: Direction) -> Domain:
    """Return the domain that a direction translates into."""
    return "b" if direction == "a_to_b" else "a"


def source_and_target(direction: Direction, of_a: Value, of_b: Value) -> tuple[Value, Value]:
    """Order a value of each domain as a direction translates: the source domain's first, the target domain's second."""
    return (of_a, of_b) if direction == "a_to_b" else (of_b, of_a)
