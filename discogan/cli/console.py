"""What the commands print with: tables, progress bars, messages."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from discogan.directions import DIRECTIONS
from discogan.labels import AZIMUTHS, FIGURES, SCORES, UNPAIRED_SCORES, figure_text, verdict_name

if TYPE_CHECKING:
    from rich.progress import Progress


class OutputConsole(Console):
    """Standard output, where results go."""

    def on_broken_pipe(self) -> None:
        """End well: a reader that has seen enough, as ``head`` has, is no failure."""
        with suppress(SystemExit):
            super().on_broken_pipe()
        raise SystemExit(0)


class ErrorConsole(Console):
    """Standard error, where messages and progress go."""

    verbose = False
    """Whether to say where an error came from."""


console = OutputConsole()
errors = ErrorConsole(stderr=True)
STANDARD_OUTPUT = Path("-")


def print_json_alone(file: Path | None) -> None:
    """Be silent from here on where the figures themselves are to be printed."""
    console.quiet = console.quiet or file == STANDARD_OUTPUT


def write_result(file: Path | None, value: Any) -> None:
    """Write figures as JSON where the user asked for it."""
    if file is None:
        return
    text = json.dumps(value, indent=2) + "\n"
    if file == STANDARD_OUTPUT:
        sys.stdout.write(text)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    say(f"Figures written to {file}")


def say(message: str) -> None:
    """A line of plain text."""
    console.print(message, highlight=False, soft_wrap=True, markup=False)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table without decoration."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table, markup=False)
    console.print()


def print_scores(scores: Mapping[str, Any]) -> None:
    """A run's scores in the directions that it has learned, each beside what the identity and chance would score."""
    for direction in (way for way in DIRECTIONS if way in scores):
        values = scores[direction]
        if scores["paired"]:
            rows = [
                [label, *(f"{values[prefix + key]:.3f}" for prefix in ("", "identity_", "chance_"))]
                for label, key in SCORES
            ]
            print_table(f"{direction}, {scores['images_a']} true pairs", ["", "run", "identity", "chance"], rows)
        rows = [[label, f"{values[key]:.3f}"] for label, key in UNPAIRED_SCORES if key in values]
        print_table("" if scores["paired"] else direction, ["without pairs", "run"], rows)


def print_verdict(verdict: Mapping[str, Any]) -> None:
    """What can be said of a relation without pairs, and the figures behind it."""
    figures = verdict["metrics"]
    rows = [[label, *(figure_text(figures[way][key]) for way in figures)] for label, key in FIGURES]
    if verdict["held_out_anchors"] is not None:
        count, found = verdict["held_out_anchors"], verdict["anchors_found"]
        rows.append([f"of {count} held-out anchors, find their partner", *(f"{found[way]:.2f}" for way in figures)])
    print_table("", ["on the images it trains on", *figures], rows)
    say(f"Verdict: {verdict_name(verdict)} (score {verdict['score']:.2f} of 1). {verdict['reason']}")


def print_azimuths(scores: Mapping[str, Any]) -> None:
    """How well azimuths follow those of the inputs, in both directions."""
    rows = [[label, *(f"{scores[way][key]:.2f}" for way in scores)] for label, key in AZIMUTHS]
    print_table("azimuth", ["", *scores], rows)


@contextmanager
def progress_bar(description: str) -> Iterator[Progress]:
    """A bar of counted work with its remaining time; cleared when done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True, disable=console.quiet) as progress:
        progress.add_task(description, total=None)
        yield progress
