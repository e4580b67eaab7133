"""Turn the bytes of JSON files into validated records: the one place that parses what a file of a run or cache holds.

A record is a frozen dataclass. msgspec checks keys, types and bounds (``Annotated[int, Meta(ge=0)]``) against its
fields. Keys that the dataclass does not have are ignored, so that a later version may add some. File size, nesting
depth and the range of numbers are bounded here, so a damaged or hostile file is one ``RecordError``.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from discogan.errors import RecordError
from discogan.files import read_regular

MAX_BYTES = 256 * 2**20
"""Largest JSON file that is read. A store index of a million names has about 50 MB."""
MAX_DEPTH = 32
"""Deepest nesting of lists and objects that is accepted."""
MAX_COUNT = 2**53
"""Largest count or step: beyond it, JSON readers of other languages lose digits."""

LONE_SURROGATE = re.compile(rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}")
"""How JSON writes a byte of a file name that is not UTF-8."""

Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
"""A step or a number of items."""
Seconds = Annotated[float, Meta(ge=0, le=1e15)]
"""A duration in seconds."""
Share = Annotated[float, Meta(ge=0, le=1)]
"""A share or a probability."""
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
"""A SHA-256 digest in hexadecimal digits."""

Record = TypeVar("Record")


def read_record(file: Path, kind: type[Record]) -> Record:
    """Read a JSON file into ``kind``, a dataclass or another type that msgspec knows.

    Raises ``RecordError``, which names the file and the field, if the file is missing, too large or not valid.
    """
    return convert_record(read_json(file), kind, file)


def read_json(file: Path) -> Any:
    """Return a JSON file as plain values of limited size and depth; raise ``RecordError`` if that is impossible."""
    return parse_json(_read_bytes(file), file)


def _read_bytes(file: Path) -> bytes:
    """Return the content of a regular file of limited size; raise ``RecordError`` for any other."""
    try:
        return read_regular(file, MAX_BYTES)
    except OSError as error:
        raise RecordError(file, error.strerror or str(error)) from error


def parse_json(data: bytes, source: object) -> Any:
    """Return JSON as plain values; ``source`` names it in the ``RecordError`` that damaged JSON raises."""
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        if not LONE_SURROGATE.search(data):
            raise RecordError(source, str(error)) from error
        value = _parse_with_any_names(data, source)
    _check_plain(value, source)
    return value


def read_json_lines(file: Path) -> list[dict[str, Any]]:
    """Return the objects in a JSON-lines file, oldest first; a missing file has none.

    A last line without a line break is left out: a kill or a full disk cut it off. Raises ``RecordError``, which names
    the line, if another one is damaged.
    """
    if not file.exists():
        return []
    lines = _read_bytes(file).split(b"\n")
    records = []
    for number, line in enumerate(lines[:-1], 1):
        source = f"{file}, line {number}"
        records.append(convert_record(parse_json(line, source), dict[str, Any], source))
    return records


def _parse_with_any_names(data: bytes, source: object) -> Any:
    """Parse JSON with file names that are not UTF-8, which Python writes as single surrogates and msgspec refuses."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RecordError(source, str(error)) from error


def convert_record(value: Any, kind: type[Record], source: object) -> Record:
    """Check plain values against ``kind``; raise ``RecordError``, which names ``source`` and the field."""
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise RecordError(source, str(error)) from error


def _check_plain(value: Any, source: object) -> None:
    """Raise ``RecordError`` if lists and objects are nested deeper than ``MAX_DEPTH``, or a text has NUL characters.

    Texts become paths, and no path has a NUL.
    """
    level = [value]
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                deeper += item.values()
            elif isinstance(item, list):
                deeper += item
            elif isinstance(item, str) and "\0" in item:
                raise RecordError(source, "it contains a NUL character")
        level = deeper
    if any(isinstance(item, dict | list) for item in level):
        raise RecordError(source, f"it is nested deeper than {MAX_DEPTH} levels")
