"""``discogan reproduce``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from discogan.cli.console import print_table, say
from discogan.cli.parameters import Device, Settings
from discogan.errors import ConfigError


@Parameter(name="*")
@dataclass(frozen=True)
class GridOptions:
    """Which runs an experiment has, and how they share the machine."""

    objectives: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None
    """Objectives to compare (default: all of the experiment)."""
    seeds: int = 5
    """Number of seeds of each objective, from 0 on."""
    minutes: float | None = None
    """Training time of each run."""
    image_size: int = 32
    """Side of the images in pixels."""
    data: Path | None = None
    """Your own data folder, in the layout that --list names."""
    parallel: int = 0
    """Runs at the same time; 0 is one per core, or one on a GPU."""
    device: Device | None = None
    """Device to train on: auto (default), cpu, cuda or mps."""
    threads: int = 0
    """CPU threads of each run; 0 divides the cores among the runs."""
    settings: Settings = None
    keep_runs: bool = False
    """Keep the run folders in OUT/runs, which are otherwise deleted after they are scored."""

    def given(self) -> dict[str, Any]:
        """Return the options as arguments of ``experiments.grid.reproduce``."""
        options = asdict(self)
        settings = list(options.pop("settings") or ())
        device = options.pop("device")
        if device is not None:
            settings.append(f"training.device={device}")
        return {**options, "settings": tuple(settings)}


def reproduce(
    name: str | None = None,
    /,
    *,
    out: Path | None = None,
    grid: GridOptions | None = None,
    list_all: Annotated[bool, Parameter(name="--list")] = False,
) -> None:
    """Run an experiment of the paper: train a grid of objectives and seeds, then write its table, figures and sheets.

    Each finished run adds a line to OUT/results.jsonl. The same command continues an interrupted experiment.

    Example: discogan reproduce toy --out runs/toy

    Parameters
    ----------
    name
        The experiment. --list shows all of them.
    out
        Folder for results.jsonl, table.md, table.json, figures, sheets and generated data.
    list_all
        List the experiments and exit.
    """
    from discogan.experiments.catalogue import EXPERIMENTS
    from discogan.experiments.grid import reproduce as run_experiment

    if list_all:
        rows = [[key, experiment.summary] for key, experiment in EXPERIMENTS.items()]
        print_table("experiments", ["name", ""], rows)
        return
    if name is None or out is None:
        raise ConfigError("Give an experiment and a folder: discogan reproduce NAME --out DIR. --list shows the names.")
    run_experiment(name, out, **(grid or GridOptions()).given(), say=say)
    for line in (out / "table.md").read_text("utf-8").splitlines():
        say(line)
