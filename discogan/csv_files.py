"""CSV files: results that a spreadsheet opens without running a cell, and pairs and labels that users write.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line break as a formula. Such a text
is written with an apostrophe in front, which ``read_rows`` removes. Numbers are written as they are. Every mistake in a
file is one message that names the file and the line.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from discogan.errors import DataError
from discogan.files import atomic_path, read_regular
from discogan.names import name_of, path_of

MAX_BYTES = 256 * 2**20
"""Largest CSV file that is read: several million pairs."""
DELIMITERS = ",;\t"
"""Delimiters that spreadsheets write, depending on the language."""

FORMULA_STARTS = frozenset("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 (spreadsheets accept the wide forms as well)
"""First characters of a cell that a spreadsheet takes for a formula."""
Cell = str | int | float


def write_csv(file: Path, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Write a CSV file atomically; texts are quoted against formulas, numbers are not.

    Names of files are written as ``name_of`` gives them, so that the file is UTF-8.
    """
    with (
        atomic_path(file) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow([quote_formula(cell) if isinstance(cell, str) else cell for cell in row])


@dataclass(frozen=True)
class Row:
    """A line of a CSV file: the values by column, without the spaces around them."""

    line: int
    """Counted from 1; the header is line 1."""
    values: dict[str, str]


def read_rows(file: Path, columns: Sequence[str], example: str) -> list[Row]:
    """Return the rows of a CSV file whose header names at least ``columns``; all of those have a value.

    UTF-8, with or without a byte order mark. Commas, semicolons or tabs separate the values. Empty lines are left out.
    ``example`` names what to write, such as "the columns path_a,path_b". Raises ``DataError``.
    """
    shown = name_of(file)
    lines = io.StringIO(_read_text(file, example), newline="")
    header_line = lines.readline()
    delimiter = max(DELIMITERS, key=header_line.count)
    lines.seek(0)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    rows = []
    try:
        header = [name.strip() for name in next(reader, [])]
        missing = [column for column in columns if column not in header]
        if missing:
            raise DataError(
                f"{shown}, line 1 does not name the column {missing[0]}. It must begin with the line "
                f"{','.join(columns)}."
            )
        repeated = [name for name in columns if header.count(name) > 1]
        if repeated:
            raise DataError(f"{shown}, line 1 names the column {repeated[0]} twice. Remove one.")
        for fields in reader:
            if not any(field.strip() for field in fields):
                continue
            values = dict(zip(header, (unquote_formula(field.strip()) for field in fields), strict=False))
            empty = [column for column in columns if not values.get(column)]
            if empty:
                raise DataError(f"{shown}, line {reader.line_num} has no {empty[0]}. Give {example}.")
            rows.append(Row(reader.line_num, values))
    except csv.Error as error:
        raise DataError(f"{shown}, line {reader.line_num} is not valid CSV ({error}). Give {example}.") from error
    return rows


def _read_text(file: Path, example: str) -> str:
    shown = name_of(file)
    try:
        data = read_regular(file, MAX_BYTES)
    except OSError as error:
        raise DataError(f"{shown} cannot be read ({error.strerror}). Give a CSV file with {example}.") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(f"{shown}, line {line} is not UTF-8. Save the file as CSV UTF-8.") from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(f"{shown}, line {line} contains a NUL character, so it is not a CSV file. Give {example}.")
    return text


def quote_formula(text: str) -> str:
    """Return text with an apostrophe in front if a spreadsheet would run it, or if it would be unquoted otherwise."""
    return f"'{text}" if text.lstrip("'")[:1] in FORMULA_STARTS else text


def unquote_formula(text: str) -> str:
    """Return the text that ``quote_formula`` was given."""
    return text[1:] if text.startswith("'") and text.lstrip("'")[:1] in FORMULA_STARTS else text


def spellings(name: str) -> Iterator[Path]:
    """Yield the paths that a name in a CSV file can mean, the literal one first.

    The same letter can be one character or a letter and an accent (Unicode normalisation), and ``name_of`` escapes
    bytes that are not UTF-8.
    """
    texts = dict.fromkeys([name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))])
    for text in texts:
        yield path_of(text.replace("\\", "\\\\"))
    if "\\" in name:
        yield path_of(name)
