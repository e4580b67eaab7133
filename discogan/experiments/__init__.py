"""The paper's experiments: each is a grid of objectives and seeds, with a table and figures, run by one command.

An experiment defines its data, how one run is trained and scored, and what its table and figures show. ``grid`` runs an
experiment, ``catalogue`` lists them all.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

Row = dict[str, Any]
OBJECTIVES = ("gan", "recon_gan", "discogan", "official", "cyclegan", "modern")


@dataclass(frozen=True)
class Job:
    """One run of an experiment; two jobs that are equal are the same run."""

    experiment: str
    data: str
    objective: str
    seed: int
    image_size: int
    minutes: float
    threads: int
    settings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of its run folder, sheet and points."""
        return f"{self.objective}-seed{self.seed}-{setting_name(vars(self))}"


def job_of(row: Row) -> Job:
    """Return the job whose result a row is."""
    values = {field.name: row[field.name] for field in fields(Job)}
    return Job(**{**values, "settings": tuple(row["settings"])})


@dataclass(frozen=True)
class Column:
    """A metric in the table, read from a row's direction, ``a_to_b`` or ``b_to_a``."""

    title: str
    key: str
    digits: int = 2
    higher_is_better: bool = True


class Experiment(ABC):
    """An experiment: its data, runs, table and figures. It is a frozen dataclass, which can be sent to processes."""

    summary: str
    minutes: float
    """Default training time of each run."""
    own_data: ClassVar[str]
    """The name of the data that the experiment generates itself; empty if the user must provide data."""
    has_images: ClassVar[bool] = True
    """Whether the data are images, so that there is an image size."""
    objectives: ClassVar[tuple[str, ...]] = OBJECTIVES
    columns: ClassVar[tuple[Column, ...]]

    @abstractmethod
    def prepare(self, folder: Path, data: Path | None, image_size: int) -> Path:
        """Generate data into ``folder``, or check the user's ``data``; return the folder that ``run`` reads."""

    @abstractmethod
    def check(self, job: Job) -> None:
        """Raise ``ConfigError`` if a job's settings are not valid; called before ``prepare``."""

    @abstractmethod
    def run(self, job: Job, data: Path, folder: Path) -> Row:
        """Train and score one run, in a process of its own; return the values that the table and the figures need.

        The row also has ``directions``, which the run trained, and ``steps``.
        """

    @abstractmethod
    def found(self, row: Row) -> bool | None:
        """Return whether a run found the relation in every direction that it trained; ``None`` without true pairs."""

    @abstractmethod
    def figures(self, rows: Sequence[Row], folder: Path) -> list[Path]:
        """Draw the figures into ``folder``, from finished rows and the files that their runs wrote there."""


Progress = Callable[[str], None]


def setting_name(row: Mapping[str, Any]) -> str:
    """Return a job's or row's experiment, data, size, budget and settings as part of a file name."""
    size = [f"{row['image_size']}px"] if row["image_size"] else []
    minutes = [f"{row['minutes']:g}min"] if row["minutes"] else []
    threads = [f"{row['threads']}threads"] if row["threads"] > 1 else []
    name = "-".join([row["experiment"], row["data"], *size, *minutes, *threads, *row["settings"]])
    return re.sub(r"[^\w.=+-]", "_", name)
