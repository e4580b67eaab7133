"""JSON files become validated records, or one message that names the file and the field."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discogan import records
from discogan.errors import RecordError
from discogan.records import (
    MAX_DEPTH,
    Count,
    Seconds,
    Sha256,
    Share,
    convert_record,
    parse_json,
    read_record,
)


@dataclass(frozen=True)
class Example:
    step: Count
    digest: Sha256 | None = None


def test_a_valid_file_becomes_a_record(tmp_path: Path) -> None:
    file = tmp_path / "example.json"
    file.write_text(f'{{"step": 3, "digest": "{"0f" * 32}", "a later key": 1}}')
    assert read_record(file, Example) == Example(3, "0f" * 32)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "truncated"),
        ("{", "truncated"),
        ("[]", "Expected `object`, got `array`"),
        ("{}", "step"),
        ('{"step": null}', r"\$\.step"),
        ('{"step": -1}', r"\$\.step"),
        ('{"step": 1.5}', r"\$\.step"),
        ('{"step": "3"}', r"\$\.step"),
        ('{"step": true}', r"\$\.step"),
        ('{"step": 1e999}', "range"),
        ('{"step": NaN}', "malformed"),
        ('{"step": 9007199254740993}', r"\$\.step"),
        ('{"step": 3, "digest": "../../etc"}', r"\$\.digest"),
        ('{"step": 3, "more": ' + "[" * 10**6 + "]" * 10**6 + "}", "recursion|nested"),
        ('{"step": 3, "more": ' + "[" * 40 + "]" * 40 + "}", "nested deeper"),
    ],
)
def test_a_damaged_file_is_one_message_that_names_it(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "example.json"
    file.write_text(text)
    with pytest.raises(RecordError, match=problem) as caught:
        read_record(file, Example)
    assert str(file) in str(caught.value)


def test_bytes_that_are_not_utf8_and_files_that_are_no_files(tmp_path: Path) -> None:
    file = tmp_path / "example.json"
    for data in (b"\xff\xfe{}", b'{"step": 3, "\xff": 1}', b'"\xed\xa0\x80"'):
        file.write_bytes(data)
        with pytest.raises(RecordError):
            read_record(file, Example)
    for path in (tmp_path, tmp_path / "missing", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(RecordError):
            read_record(path, Example)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "large.json"
    with file.open("wb") as stream:
        stream.truncate(2**40)
    with pytest.raises(RecordError, match="bytes, more than"):
        read_record(file, Example)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["step", "digest", "x"]), inner),
    max_leaves=10,
)


@given(values)
def test_any_value_is_a_record_or_a_record_error(value: object) -> None:
    try:
        record = convert_record(value, Example, "example")
    except RecordError:
        return
    assert type(record.step) is int
    assert record.step >= 0


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_a_record_error(data: bytes) -> None:
    try:
        value = parse_json(data, "example")
    except RecordError:
        return
    assert value == json.loads(data)


def test_the_deepest_accepted_nesting() -> None:
    parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, "example")
    with pytest.raises(RecordError):
        parse_json(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "example")


def test_a_file_name_that_is_not_utf8_is_read_as_it_was_written():
    name = os.fsdecode(b"caf\xe9 \xf0\x9f\x98\x80.png")
    assert parse_json(json.dumps({"name": name, "other": "\U0001f600"}).encode(), "x") == {
        "name": name,
        "other": "\U0001f600",
    }
    with pytest.raises(RecordError):
        parse_json(b'{"name": "\\udce9"', "x")
    with pytest.raises(RecordError):
        parse_json(b"[" * 10_000 + b'"\\udce9"', "x")


@dataclass(frozen=True)
class Bounds:
    count: Count = 0
    seconds: Seconds = 0.0
    share: Share = 0.0


@pytest.mark.parametrize(
    ("field", "allowed", "refused"),
    [
        ("count", [0, 1, 2**53], [-1, 2**53 + 1]),
        ("seconds", [0, 0.5, 1e15], [-0.5, 1.1e15]),
        ("share", [0, 0.5, 1], [-0.5, 1.5]),
    ],
)
def test_counts_seconds_and_shares_have_bounds(field: str, allowed: list[float], refused: list[float]) -> None:
    for value in allowed:
        assert getattr(convert_record({field: value}, Bounds, "example"), field) == value
    for value in refused:
        with pytest.raises(RecordError, match=field):
            convert_record({field: value}, Bounds, "example")


def test_a_file_of_the_largest_size_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "example.json"
    file.write_text('{"step": 3}')
    monkeypatch.setattr(records, "MAX_BYTES", 11)
    assert read_record(file, Example) == Example(3)
    monkeypatch.setattr(records, "MAX_BYTES", 10)
    with pytest.raises(RecordError, match="11 bytes, more than 10"):
        read_record(file, Example)


def test_a_missing_file_is_explained_in_the_system_s_words(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="No such file or directory"):
        read_record(tmp_path / "missing.json", Example)


def test_limits_of_files() -> None:
    """A store's index of a million names is read; 32 levels are more than any file of this project has."""
    assert (records.MAX_BYTES, records.MAX_DEPTH) == (268_435_456, 32)


def test_lines_are_read_in_order_without_a_torn_last_one(tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    assert records.read_json_lines(file) == []
    file.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st')
    assert records.read_json_lines(file) == [{"step": 1}, {"step": 2}, {"step": 3}]
    file.write_text('{"step": 1}\n{"step": 2}\n')
    assert records.read_json_lines(file) == [{"step": 1}, {"step": 2}]
    for damaged in ("{", "[]"):
        file.write_text(f'{{"step": 1}}\n{damaged}\n{{"step": 3}}\n')
        with pytest.raises(RecordError, match="line 2"):
            records.read_json_lines(file)


def test_the_system_s_words_are_used_without_its_error_number(tmp_path: Path) -> None:
    with pytest.raises(RecordError) as caught:
        read_record(tmp_path / "missing.json", Example)
    assert "Errno" not in str(caught.value)
