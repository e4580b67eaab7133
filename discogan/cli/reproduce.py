"""``discogan reproduce``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from discogan.cli.console import print_table, say
from discogan.cli.parameters import Settings


@Parameter(name="*")
@dataclass(frozen=True)
class Grid:
    """Which runs an experiment is made of, and how they share the machine."""

    objectives: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None
    """Which objectives; all that the experiment compares unless given."""
    seeds: int = 5
    """Seeds 0 to SEEDS - 1 of each objective."""
    minutes: float | None = None
    """Training time of each run."""
    image_size: int = 32
    """Side of the images in pixels."""
    data: Path | None = None
    """A folder of data of your own, in the layout that --list names."""
    parallel: int = 0
    """Runs at a time; 0 is one run a core, or one on a GPU."""
    threads: int = 0
    """CPU threads of each run; 0 is its share of the cores."""
    settings: Settings = None
    keep_runs: Annotated[bool, Parameter(negative="")] = False
    """Keep the run folders below OUT/runs, which are otherwise dropped once they are scored."""


def reproduce(
    name: str | None = None,
    /,
    *,
    out: Path | None = None,
    grid: Grid | None = None,
    list_all: Annotated[bool, Parameter(name="--list", negative="")] = False,
) -> None:
    """Run an experiment of the paper: a grid of objectives and seeds, then its table, figures and sheets.

    Every finished run is a line of OUT/results.jsonl; the same command again goes on where it stopped.

    Parameters
    ----------
    name
        The experiment; --list shows them all.
    out
        Folder for results.jsonl, table.md, table.json, figures, sheets and the data made for it.
    list_all
        Show the experiments and stop.
    """
    from discogan.errors import ConfigError
    from discogan.experiments.catalogue import EXPERIMENTS
    from discogan.experiments.grid import reproduce as run

    if list_all:
        print_table("experiments", ["name", ""], [[key, each.summary] for key, each in EXPERIMENTS.items()])
        return
    if name is None or out is None:
        raise ConfigError(
            "Give an experiment and a folder: discogan reproduce NAME --out DIR (--list shows the names)."
        )
    options = asdict(grid or Grid())
    run(name, out, **{**options, "settings": tuple(options["settings"] or ())}, say=say)
    say((out / "table.md").read_text("utf-8"))
