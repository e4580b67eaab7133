"""What the commands print with: tables, progress bars, messages."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

console = Console()
errors = Console(stderr=True)

DIRECTION_ROWS = (
    ("top-1", "top_1", True),
    ("top-5", "top_5", True),
    ("L1", "l1", False),
    ("SSIM", "ssim", True),
)
EXTRA_ROWS = (
    ("precision", "precision (1 is best)"),
    ("recall", "recall (1 is best)"),
    ("density", "density (1 is right)"),
    ("coverage", "coverage (1 is best)"),
    ("fid", "FID (0 is perfect)"),
    ("kid", "KID (0 is perfect)"),
    ("lpips", "LPIPS to the partner (0 is perfect)"),
)
AZIMUTH_ROWS = (
    ("median_error", "median error in degrees, best offset and sign", 1),
    ("median_error_as_is", "as it is", 1),
    ("median_error_mirrored", "mirrored", 1),
    ("identity_median_error", "identity", 1),
    ("chance_median_error", "chance", 1),
    ("regressor_error", "the regressor's own, on real images", 1),
    ("reached", "azimuths reached (1 is best)", 2),
    ("followed", "azimuths followed (1 is best)", 2),
    ("circular_correlation_as_is", "circular correlation (1 or -1 is best)", 2),
)


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
    """A run's scores in both directions, each beside what the identity and chance would score."""
    for direction in ("a_to_b", "b_to_a"):
        values = scores[direction]
        if scores["paired"]:
            rows = [
                [f"{label} ({'higher' if higher else 'lower'} is better)"]
                + [f"{values[prefix + key]:.3f}" for prefix in ("", "identity_", "chance_")]
                for label, key, higher in DIRECTION_ROWS
            ]
            print_table(f"{direction}, {scores['images_a']} true pairs", ["", "run", "identity", "chance"], rows)
        rows = [
            ["round trip L1 (0 is perfect)", f"{values['round_trip_l1']:.3f}"],
            ["diversity (0 is collapsed, 1 is right)", f"{values['diversity']:.2f}"],
            ["sliced Wasserstein (0 is perfect)", f"{values['sliced_wasserstein']:.3f}"],
            *([label, f"{values[key]:.3f}"] for key, label in EXTRA_ROWS if key in values),
        ]
        print_table("" if scores["paired"] else direction, ["without pairs", "run"], rows)


FIGURE_ROWS = (
    ("round trip (0 is perfect, 1 is none)", "round_trip"),
    ("diversity (0 is collapsed, 1 is right)", "diversity"),
    ("distribution (0 is right, 1 is one image)", "distribution"),
    ("change (0 is a copy)", "change"),
    ("ranked rightly by the discriminator (0.5 is balance)", "judged"),
)


def print_verdict(verdict: Mapping[str, Any]) -> None:
    """What can be said of a relation without pairs, and the figures behind it."""
    figures = verdict["figures"]
    rows = [[label, *(f"{figures[way][key]:.2f}" for way in figures)] for label, key in FIGURE_ROWS]
    if verdict["held_out_anchors"] is not None:
        count, found = verdict["held_out_anchors"], verdict["anchors_found"]
        rows.append([f"of {count} held-out anchors, find their partner", *(f"{found[way]:.2f}" for way in figures)])
    print_table("", ["on the images it trains on", *figures], rows)
    name = f"relation {verdict['word']}" if verdict["word"].startswith("found") else verdict["word"]
    say(f"Verdict: {name} (score {verdict['score']:.2f} of 1). {verdict['because']}")


def print_azimuths(scores: Mapping[str, Any]) -> None:
    """How well azimuths follow those of the inputs, in both directions."""
    rows = [[label, *(f"{scores[way][key]:.{digits}f}" for way in scores)] for key, label, digits in AZIMUTH_ROWS]
    print_table("azimuth", ["", *scores], rows)


@contextmanager
def progress_bar(description: str) -> Iterator[Progress]:
    """A bar of counted work with its remaining time; cleared when done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        progress.add_task(description, total=None)
        yield progress
