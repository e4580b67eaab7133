"""What the commands print with: messages, tables, progress bars, verdicts and evaluations."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, Self, cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

from discogan.directions import LABELS, Direction
from discogan.files import write_text
from discogan.labels import NO_VALUE, VERDICT_METRICS, format_value, left_out_sentence, verdict_name

if TYPE_CHECKING:
    from rich.progress import Progress


class StandardStream:
    """Standard output or standard error of this moment, which ignores some errors of the system and names others."""

    def __init__(self, name: Literal["stdout", "stderr"], ignored: tuple[int, ...]) -> None:
        self._name = name
        self._ignored = ignored

    @property
    def rich_proxied_file(self) -> Self:
        """The stream that rich writes to; while rich draws a bar, it replaces the standard ones with its own."""
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream(), name)

    def write(self, text: str) -> int:
        """Write text, which is lost after an ignored error."""
        with self._tolerated():
            self._stream().write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        with self._tolerated():
            self._stream().flush()

    def _stream(self) -> Any:
        # Python has no stream if the shell has closed it.
        stream = getattr(sys, self._name) or io.StringIO()
        return getattr(stream, "rich_proxied_file", stream)

    @contextmanager
    def _tolerated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in self._ignored:
                error.filename = self._name
                raise


class OutputConsole(Console):
    """Standard output, for results."""

    def on_broken_pipe(self) -> None:
        """Finish the command without output if the reader closes the pipe, as ``head`` does."""
        with suppress(SystemExit):
            super().on_broken_pipe()


class ErrorConsole(Console):
    """Standard error, for messages and progress."""

    verbose = False
    """Whether an error is printed with its traceback."""


class VisibleFormatter(logging.Formatter):
    """Log records in which no character can change the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record, with its line breaks kept."""
        return "\n".join(visible(line) for line in super().format(record).split("\n"))


# No command stops because its terminal was closed or because a message cannot be shown.
console = OutputConsole(file=cast(IO[str], StandardStream("stdout", (errno.EIO,))))
errors = ErrorConsole(file=cast(IO[str], StandardStream("stderr", (errno.EIO, errno.EPIPE, errno.ENOSPC))), stderr=True)
STANDARD_OUTPUT = Path("-")
MAX_EVALUATION_ROWS = 7
"""Rows of the table that ``print_evaluation`` prints; with the lines around it these are at most 15 lines."""


def prepare_streams() -> None:
    """Let standard output and standard error accept every character, whatever the language settings are."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def close_output() -> None:
    """Flush standard output; raise ``OSError``, such as that of a full disk, unless the reader has closed the pipe."""
    try:
        console.file.flush()
    except BrokenPipeError:
        discard_output()


def discard_output() -> None:
    """Send what is left in the buffer of standard output to nowhere; Python would try to write it again at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), console.file.fileno())


JOINERS = "\u200c\u200d"
"""Invisible characters that names in some languages, and emoji, need."""


def visible(text: str) -> str:
    """Return text in which control characters, line breaks and changes of direction are shown as escapes.

    A name such as ``\\x1b[31mred.png`` then cannot colour or clear the terminal, or begin a line of its own. Bytes of a
    name that is not UTF-8 are shown as ``\\xff``.
    """
    if text.isprintable():
        return text
    return "".join(_visible_character(character) for character in text)


def _visible_character(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # How Python keeps a byte of a name that is not UTF-8.
        return f"\\x{ord(character) - 0xDC00:02x}"
    is_hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and character not in JOINERS
    return character.encode("unicode_escape").decode("ascii") if is_hidden else character


def print_json_alone(file: Path | None) -> None:
    """Print nothing else from now on if the JSON goes to standard output."""
    console.quiet = console.quiet or file == STANDARD_OUTPUT


def write_result(file: Path | None, value: Any) -> None:
    """Write values as JSON to the file of ``--json``; do nothing without one."""
    if file is None:
        return
    text = json.dumps(value, indent=2) + "\n"
    if file == STANDARD_OUTPUT:
        console.file.write(text)
        return
    write_text(file, text)
    say(f"Values written to {file}")


def say(message: str) -> None:
    """Print a line of plain text to standard output, unless --quiet is given."""
    console.print(Text(visible(message)), soft_wrap=True)


def warn(message: str, style: str = "") -> None:
    """Print a line of plain text to standard error."""
    errors.print(Text(visible(message), style), soft_wrap=True)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table without decoration."""
    table = Table(title=Text(visible(title)), title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    console.print(table)
    console.print()


def print_verdict(verdict: Mapping[str, Any]) -> None:
    """Print a verdict in at most four lines: label and score, reason, metrics, and held-out anchors if any."""
    say(f"Verdict: {_verdict_and_score(verdict)}")
    say(verdict["reason"])
    metrics = verdict["metrics"]
    directions = [direction for direction in LABELS if direction in metrics]
    parts = []
    for label, key in VERDICT_METRICS:
        values = [format_value(metrics[direction][key], 2) for direction in directions]
        parts.append(f"{label.partition(' (')[0]} {' / '.join(values)}")
    arrows = " / ".join(LABELS[direction] for direction in directions)
    say(f"{arrows}: {', '.join(parts)}")
    if verdict.get("held_out_anchors"):
        shares = [format_value(verdict["anchors_found"][direction], 2) for direction in directions]
        say(f"Share of {verdict['held_out_anchors']} held-out anchors whose partner is nearest: {' / '.join(shares)}")


def _verdict_and_score(verdict: Mapping[str, Any]) -> str:
    return f"{verdict_name(verdict)} (score {verdict['score']:.2f} of 1)"


# Evaluations --------------------------------------------------------------------------------------


def print_evaluation(scores: Mapping[str, Any], notes: Sequence[str] = ()) -> None:
    """Print the result of ``discogan.evaluate`` in at most 13 lines, and each of ``notes`` in one more.

    The verdict comes first, then the main scores of both directions compared with identity and chance, then what they
    mean and what to do next.
    """
    verdict = scores["verdict"]
    state = f"{scores['run']} at step {scores['step']:,}."
    if verdict:
        say(f"{state} Verdict: {_verdict_and_score(verdict)}")
        say(verdict["reason"])
    else:
        say(f"{state} No verdict, because the training images are missing on this machine.")
    for note in (left_out_sentence(scores), *notes):
        if note:
            say(note)
    console.print()
    print_scores(scores)
    say(_meaning(scores))
    if verdict:
        say(f"Next: {_next_step(verdict, scores)}")


def print_scores(scores: Mapping[str, Any]) -> None:
    """Print the main scores as one table: a row for each value, columns for each direction and its baselines."""
    directions = [direction for direction in LABELS if direction in scores]
    rows = _score_rows(scores, directions)
    shown_baselines = any(cell != NO_VALUE for row in rows for cell in (*row[3:5], *row[6:8]))
    title = f"{scores['images_a']} true pairs" if scores["paired"] else "without pairs"
    header = [title, "better"]
    for direction in directions:
        header += [LABELS[direction], "identity", "chance"]
    table = [header, *rows]
    if not shown_baselines:
        kept = [0, 1, *range(2, len(header), 3)]
        table = [[row[column] for column in kept] for row in table]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        words = [row[0].ljust(widths[0]), row[1].ljust(widths[1])]
        numbers = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        say("  ".join([*words, *numbers]).rstrip())


def _score_rows(scores: Mapping[str, Any], directions: Sequence[Direction]) -> list[list[str]]:
    """Return the rows of ``print_scores``: label, what is better, and the cells of each direction.

    If there are too many, the first row stays, then the first value of each requested metric.
    """
    values = [value for value in scores["values"] if any(value["key"] in scores[way] for way in directions)]
    space = MAX_EVALUATION_ROWS - ("azimuth" in scores)
    if len(values) > space:
        metrics = [value["metric"] for value in values]
        order = sorted(
            range(1, len(values)), key=lambda row: (not values[row]["on_demand"], metrics[row] == metrics[row - 1])
        )
        kept = sorted([0, *order][:space])
        values = [values[row] for row in kept]
    rows = []
    for value in values:
        row = [value["label"], f"near {value['ideal']:g}" if value["better"] == "closer" else value["better"]]
        for direction in directions:
            row += _with_baselines(scores[direction], value["key"], digits=3)
        rows.append(row)
    if "azimuth" in scores:
        row = ["azimuth error", "lower"]
        for direction in directions:
            row += _with_baselines(scores["azimuth"].get(direction, {}), "median_error", digits=1)
        rows.append(row)
    return rows


def _with_baselines(scores: Mapping[str, float], key: str, digits: int) -> list[str]:
    """Return the cells of a value: the run's, the untranslated input's and that of chance."""
    return [format_value(scores.get(prefix + key), digits) for prefix in ("", "identity_", "chance_")]


def _meaning(scores: Mapping[str, Any]) -> str:
    """Return what the scores show, in one line."""
    value = next((value for value in scores["values"] if value["has_baselines"]), None)
    if value is None:
        return (
            "Meaning: without true pairs, these scores can reveal a failure, but not whether the relation is correct."
        )
    directions = [direction for direction in LABELS if direction in scores]
    better = [LABELS[direction] for direction in directions if _exceeds_baselines(scores[direction], value)]
    baselines = "that of the untranslated input (identity) and of chance"
    if not better:
        return f"Meaning: {value['label']} is not better than {baselines}. These pairs do not confirm the relation."
    where = "both directions" if len(better) == 2 else f"{better[0]} only" if len(directions) == 2 else better[0]
    return f"Meaning: {value['label']} is better than {baselines} in {where}."


def _exceeds_baselines(scores: Mapping[str, float], value: Mapping[str, Any]) -> bool:
    """Whether a value is better than both that of the untranslated input and that of chance."""

    def badness(number: float) -> float:
        if value["better"] == "closer":
            return abs(number - float(value["ideal"]))
        return number if value["better"] == "lower" else -number

    key = value["key"]
    return badness(scores[key]) < min(badness(scores[f"identity_{key}"]), badness(scores[f"chance_{key}"]))


def _next_step(verdict: Mapping[str, Any], scores: Mapping[str, Any]) -> str:
    """Return what to do after an evaluation with this verdict."""
    run, label = scores["run"], verdict["label"]
    if label == "found" and scores["paired"]:
        return f"discogan translate {run} INPUT --direction a_to_b --out DIR"
    if label == "found":
        return f"discogan evaluate {run} --pairs-a DIR --pairs-b DIR, if you have a few true pairs."
    if label == "found up to a symmetry":
        return "train a new run with a few known pairs (--anchors), to show which of the two mappings is correct."
    if label == "unconfirmed" and not verdict["agreement"]:
        pairs = "" if scores["paired"] else "--pairs-a DIR --pairs-b DIR, or "
        return f"discogan evaluate {run} {pairs}--against RUN, a run with another --seed."
    if label == "collapsed":
        return "train again with another --seed, or with a larger --set objective.gamma."
    if label == "copies its input":
        return "if the domains look different, train again with --set generator.residual=false."
    return f"discogan train --resume {run} --minutes M, or a new run with more images or known pairs (--anchors)."


@contextmanager
def progress_bar(description: str) -> Iterator[Progress]:
    """Show a bar of counted work with the remaining time, and clear it at the end."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    is_hidden = console.quiet or not errors.is_terminal
    with Progress(*columns, console=errors, transient=True, disable=is_hidden) as progress:
        progress.add_task(description, total=None)
        yield progress
