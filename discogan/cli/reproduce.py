"""``discogan reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from discogan.cli.console import print_table, say


def reproduce(
    name: str | None = None,
    /,
    *,
    out: Path | None = None,
    objectives: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    seeds: int = 5,
    minutes: float | None = None,
    image_size: int = 32,
    data: Path | None = None,
    parallel: int = 0,
    threads: int = 0,
    settings: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    keep_runs: Annotated[bool, Parameter(negative="")] = False,
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
    objectives
        Which objectives; all that the experiment compares unless given.
    seeds
        Seeds 0 to SEEDS - 1 of each objective.
    minutes
        Training time of each run.
    image_size
        Side of the images in pixels.
    data
        A folder of data of your own, in the layout that --list names.
    parallel
        Runs at a time; 0 is one run a core, or one on a GPU.
    threads
        CPU threads of each run; 0 is its share of the cores.
    settings
        part.option=value, for all runs.
    keep_runs
        Keep the run folders below OUT/runs, which are otherwise dropped once they are scored.
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
    run(
        name,
        out,
        objectives=objectives,
        seeds=seeds,
        minutes=minutes,
        image_size=image_size,
        data=data,
        parallel=parallel,
        threads=threads,
        settings=tuple(settings or ()),
        keep_runs=keep_runs,
        say=say,
    )
    say((out / "table.md").read_text("utf-8"))
