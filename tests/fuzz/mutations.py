"""Hypothesis strategies: hostile values, damaged bytes, damaged JSON, hostile names."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

DEEP_MARK = "@deep@"
"""Stands for a nest of lists that ``json.dumps`` cannot write, until ``to_text`` puts it in."""
DEEP_LEVELS = (33, 100, 1000, 3000)
HOSTILE_TEXTS = (
    "",
    " ",
    "\x00",
    "a\x00b",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\r\nsecond line",
    "\u202egnp.exe",
    "\ud800",
    "é",
    "e\u0301",
    "😀" * 50,
    "x" * 300,
    "x" * 5000,
    "../../../etc/passwd",
    "/etc/passwd",
    "/dev/zero",
    "~",
    "-",
    "--help",
    "=1+1",
    "nan",
    "inf",
    "1e999",
    "step-000001",
    "step-999999999999999999999999",
    "[bold]markup[/bold]",
    "[/]",
    "{0.__class__}",
    "{{ 7 * 7 }}",
    "<script>alert(1)</script>",
    "%s%n",
    "${jndi:ldap://localhost/a}",
    "a.b",
    "cuda:99",
    "meta",
    "http://127.0.0.1:9/x.png",
)
HOSTILE_NUMBERS = (
    0,
    -0.0,
    -1,
    1,
    2,
    3,
    7,
    33,
    0.5,
    1.5,
    -1.5,
    1e-320,
    1e15,
    1e300,
    -1e300,
    2**31,
    2**53 + 1,
    2**63,
    2**64,
    -(2**63) - 1,
    10**30,
    -(10**30),
    10**400,
    float("nan"),
    float("inf"),
    float("-inf"),
)
WINDOWS_NAMES = ("CON", "nul", "aux.png", "COM1", "lpt9.txt", "a.", "a ", "a:b", "a|b", "a?b", "a*b", 'a"b', "a<b>c")


def hostile_values() -> st.SearchStrategy[Any]:
    """Values of every JSON type, many of them at a limit."""
    plain = st.one_of(
        st.none(),
        st.booleans(),
        st.sampled_from(HOSTILE_NUMBERS),
        st.sampled_from(HOSTILE_TEXTS),
        st.integers(),
        st.floats(),
        st.text(max_size=12),
    )
    nested = st.recursive(
        plain,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
        max_leaves=4,
    )
    large = st.sampled_from([list(range(1500)), {str(key): key for key in range(500)}, [[]] * 1500])
    deep = st.sampled_from([f"{DEEP_MARK}{levels}" for levels in DEEP_LEVELS])
    return st.one_of(plain, plain, nested, large, deep)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside a JSON value."""
    paths = [path]
    items: Sequence[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value[:20]))
    for key, inner in items:
        paths += _places(inner, (*path, key))
    return paths


@st.composite
def damaged_json(draw: st.DrawFn, valid: Any, max_changes: int = 3) -> Any:
    """A JSON value with one to three changes, each at any key: deleted, renamed, of another type, hostile, nested."""
    value = copy.deepcopy(valid)
    for _ in range(draw(st.integers(1, max_changes))):
        place = draw(st.sampled_from(_places(value)))
        if not place:
            if draw(st.integers(0, 9)) == 0:
                return draw(hostile_values())
            continue
        parent = value
        for key in place[:-1]:
            parent = parent[key]
        key = place[-1]
        change = draw(st.sampled_from(("delete", "rename", "hostile", "hostile", "hostile", "wrap", "copy", "add")))
        if change == "delete":
            del parent[key]
        elif change == "rename" and isinstance(parent, dict):
            parent[draw(st.sampled_from(HOSTILE_TEXTS) | st.text(max_size=6))] = parent.pop(key)
        elif change == "wrap":
            parent[key] = draw(st.sampled_from(([parent[key]], {"value": parent[key]}, [parent[key]] * 3)))
        elif change == "copy":
            other = draw(st.sampled_from(_places(value)))
            source = value
            for step in other:
                source = source[step]
            parent[key] = copy.deepcopy(source)
        elif change == "add" and isinstance(parent, dict):
            parent[draw(st.sampled_from(("name", "extra", "", "__class__", "a_to_b", "label")))] = draw(
                hostile_values()
            )
        else:
            parent[key] = draw(hostile_values())
    return value


def to_text(value: Any) -> str:
    """Return JSON text; it may hold NaN, lone surrogates as escapes, and deep nests."""
    text = json.dumps(value)
    for levels in DEEP_LEVELS:
        text = text.replace(f'"{DEEP_MARK}{levels}"', "[" * levels + "]" * levels)
    return text


@st.composite
def damaged_text(draw: st.DrawFn, text: str) -> str:
    """A text with a piece cut, repeated, replaced or inserted."""
    start = draw(st.integers(0, len(text)))
    length = draw(st.sampled_from((0, 1, 1, 2, 5, 20, len(text))))
    piece = draw(st.sampled_from(("", "\x00", "\ufeff", '"', "{", "}", "[", "]", ",", "\n", "\\", "\ud800", "9" * 400)))
    change = draw(st.sampled_from(("replace", "replace", "repeat", "truncate")))
    if change == "truncate":
        return text[:start]
    if change == "repeat":
        return text[:start] + text[start : start + length] * 2 + text[start + length :]
    return text[:start] + piece + text[start + length :]


INTERESTING_BYTES = (
    b"\x00",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\x00\x00",
    b"\xff\xff",
    b"\x7f\xff",
    b"\x00\x00\x00\x00",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x00\x00\x40\x00",
    b"\x00\x40\x00\x00",
    b"\xff" * 8,
    b"\x00" * 64,
)


@st.composite
def damaged_bytes(draw: st.DrawFn, valid: bytes, max_changes: int = 5) -> bytes:
    """Bytes with one to five changes: flipped, overwritten with numbers at a limit, cut, repeated, moved, truncated."""
    data = bytearray(valid)
    for _ in range(draw(st.integers(1, max_changes))):
        # Headers decide most, so half of the changes are near the beginning.
        limit = min(len(data), draw(st.sampled_from((64, 256, 1 << 30))))
        at = draw(st.integers(0, max(limit - 1, 0)))
        change = draw(st.sampled_from(("flip", "flip", "set", "set", "cut", "repeat", "insert", "truncate", "move")))
        length = draw(st.sampled_from((1, 2, 4, 8, 64, 1024)))
        if change == "flip" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif change == "set":
            value = draw(st.sampled_from(INTERESTING_BYTES))
            data[at : at + len(value)] = value
        elif change == "cut":
            del data[at : at + length]
        elif change == "repeat":
            data[at:at] = data[at : at + length] * draw(st.sampled_from((1, 2, 50)))
        elif change == "insert":
            data[at:at] = draw(st.binary(max_size=16))
        elif change == "truncate":
            del data[at:]
        elif change == "move":
            piece = data[at : at + length]
            del data[at : at + length]
            to = draw(st.integers(0, len(data)))
            data[to:to] = piece
    return bytes(data)


def file_names() -> st.SearchStrategy[str]:
    """Names that a folder can hold on Linux: any text without ``/`` and NUL, also bytes that are not UTF-8."""
    letters = st.characters(exclude_characters="/\x00", exclude_categories=())
    return st.one_of(
        st.text(letters, min_size=1, max_size=20),
        st.sampled_from([text for text in HOSTILE_TEXTS if text and "/" not in text and "\x00" not in text]),
        st.sampled_from(WINDOWS_NAMES),
        st.sampled_from(("-rf", "--out", "-", "~", "$HOME", "a b", " a", "a\nb", "\t", "*", "[a]", "**", "?", "%00")),
        st.text("aAäÄa\u0308.", min_size=1, max_size=4),
        st.binary(min_size=1, max_size=12)
        .map(lambda data: data.replace(b"/", b"_").replace(b"\x00", b"_"))
        .map(lambda data: data.decode("utf-8", "surrogateescape")),
    )
