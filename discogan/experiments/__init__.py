"""The paper's experiments, each of which one command runs: a grid of objectives and seeds, a table, figures.

An experiment says where its data come from, how one run of it is made and scored, and what its table and
figures show. ``grid`` runs any of them, ``catalogue`` lists them all.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

from discogan.directions import DIRECTIONS, Direction

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
    def directions(self) -> list[Direction]:
        """What its objective trains: models 1 and 2 of the paper train A to B alone."""
        return ["a_to_b"] if self.objective in ("gan", "recon_gan") else list(DIRECTIONS)

    @property
    def name(self) -> str:
        """What its own files are called."""
        return f"{self.objective}-seed{self.seed}-{setting_name(vars(self))}"


def job_of(row: Row) -> Job:
    """The job that a row is the result of."""
    named = {field.name: row[field.name] for field in fields(Job)}
    return Job(**{**named, "settings": tuple(row["settings"])})


@dataclass(frozen=True)
class Column:
    """One figure of the table, taken from a row's direction, ``a_to_b`` or ``b_to_a``."""

    title: str
    key: str
    digits: int = 2
    higher_is_better: bool = True


class Experiment(ABC):
    """What is run and what is shown. A frozen dataclass, so that it can be sent to other processes."""

    summary: str
    minutes: float
    """Training time of each run unless the user gives another."""
    own_data: ClassVar[str]
    """What the data are called where the experiment makes them itself."""
    has_images: ClassVar[bool] = True
    """Whether an image size means anything."""
    objectives: ClassVar[tuple[str, ...]] = OBJECTIVES
    columns: ClassVar[tuple[Column, ...]]

    @abstractmethod
    def prepare(self, folder: Path, data: Path | None, image_size: int) -> Path:
        """Make or check the data, once; the folder that ``run`` reads. ``data`` is the user's, ``folder`` ours."""

    @abstractmethod
    def check(self, job: Job) -> None:
        """Raises ``ConfigError`` where a job's settings make no run, before anything is prepared."""

    @abstractmethod
    def run(self, job: Job, data: Path, folder: Path) -> Row:
        """Train and score one run; runs in a process of its own. The row must hold what the figures need."""

    @abstractmethod
    def found(self, row: Row) -> bool | None:
        """Whether this run found the relation in every direction that its objective trains; None where none can say."""

    @abstractmethod
    def figures(self, rows: Sequence[Row], folder: Path) -> list[Path]:
        """Draw the figures into ``folder``, from finished rows and from what their runs left there."""


Progress = Callable[[str], None]


def setting_name(row: Mapping[str, Any]) -> str:
    """A job's or row's experiment, data, size, budget and options as part of a file name."""
    size = [f"{row['image_size']}px"] if row["image_size"] else []
    minutes = [f"{row['minutes']:g}min"] if row["minutes"] else []
    threads = [f"{row['threads']}threads"] if row["threads"] > 1 else []
    return re.sub(
        r"[^\w.=+-]", "_", "-".join([row["experiment"], row["data"], *size, *minutes, *threads, *row["settings"]])
    )
