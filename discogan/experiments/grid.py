"""Runs a grid of jobs, each finished one a line of results.jsonl; what is there already is not run again."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict
from itertools import product
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from discogan.config import require
from discogan.errors import DivergedError, RunError, unknown_choice
from discogan.experiments import Experiment, Job, Progress, Row, job_of
from discogan.experiments.catalogue import get_experiment
from discogan.experiments.images import run_folder
from discogan.experiments.tables import write_tables
from discogan.files import write_text
from discogan.run_folder import read_records
from discogan.training import provenance

RESULTS = "results.jsonl"


def reproduce(
    name: str,
    out: Path,
    *,
    objectives: Sequence[str] | None = None,
    seeds: int = 5,
    minutes: float | None = None,
    image_size: int = 32,
    data: Path | None = None,
    parallel: int = 0,
    threads: int = 0,
    settings: tuple[str, ...] = (),
    keep_runs: bool = False,
    say: Progress = print,
) -> list[Row]:
    """Run an experiment's grid and write its table and figures into ``out``; all rows of its results.jsonl.

    ``parallel`` 0 is one run a core, or one run where there is a GPU; ``threads`` 0 shares the cores out.
    Raises ``ConfigError``, ``DataError``.
    """
    experiment = get_experiment(name)
    jobs = make_jobs(name, experiment, objectives, seeds, minutes, image_size, data, parallel, threads, settings)
    for job in jobs:
        experiment.check(job)
    out.mkdir(parents=True, exist_ok=True)
    with _locked(out):
        prepared = experiment.prepare(out / "data" / f"{name}-{jobs[0].data}-{image_size}px", data, image_size)
        run_jobs(experiment, jobs, prepared, out, parallel or _parallel(), keep_runs, say)
        return summarise(experiment, out, say)


def make_jobs(
    name: str,
    experiment: Experiment,
    objectives: Sequence[str] | None,
    seeds: int,
    minutes: float | None,
    image_size: int,
    data: Path | None,
    parallel: int,
    threads: int,
    settings: tuple[str, ...],
) -> list[Job]:
    """The jobs of a grid, seed by seed; raises ``ConfigError`` for what cannot be."""
    require("--seeds", seeds, at_least=1)
    require("--parallel", parallel, at_least=0)
    require("--threads", threads, at_least=0)
    if minutes is not None:
        require("--minutes", minutes, at_least=1e-6)
    chosen = objectives or experiment.objectives
    for objective in chosen:
        if objective not in experiment.objectives:
            raise unknown_choice("objective in this experiment", objective, experiment.objectives)
    return [
        Job(
            experiment=name,
            data=data.resolve().name if data else experiment.own_data,
            objective=objective,
            seed=seed,
            image_size=image_size if experiment.has_images else 0,
            minutes=minutes or experiment.minutes,
            threads=threads or max(1, (os.cpu_count() or 1) // (parallel or _parallel())),
            settings=settings,
        )
        for seed, objective in product(range(seeds), chosen)
    ]


def run_jobs(
    experiment: Experiment, jobs: Sequence[Job], data: Path, out: Path, parallel: int, keep_runs: bool, say: Progress
) -> None:
    """Run the jobs that have no result yet, ``parallel`` at a time."""
    results = out / RESULTS
    # Rewritten whole, so that the next line does not join one that a kill tore.
    write_text(results, "".join(json.dumps(row) + "\n" for row in read_records(results)))
    done = finished_jobs(results)
    waiting = [job for job in jobs if job not in done]
    say(f"{len(jobs)} runs, {len(jobs) - len(waiting)} of them done before; {parallel} at a time")
    failures = []
    for job, future in _run_all(experiment, waiting, data, out, parallel):
        try:
            row = future.result()
        except Exception as error:  # The others are still running, and their rows are worth as much.
            failures.append((job, error))
            say(f"{job.objective} seed {job.seed}: {type(error).__name__}: {error}")
            continue
        with results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        say(f"{row['objective']} seed {row['seed']}: {_scores_line(experiment, row)}")
        if not keep_runs:
            shutil.rmtree(run_folder(job, out), ignore_errors=True)
    if failures:
        failed, first = failures[0]
        raise RunError(
            f"{len(failures)} of {len(waiting)} runs did not end, the first {failed.name} ({first}); the others are "
            "kept, and the same command runs what is missing."
        ) from first


def summarise(experiment: Experiment, out: Path, say: Progress) -> list[Row]:
    """Tables and scatter plots from results.jsonl, and what the runs left in sheets and points."""
    rows = read_records(out / RESULTS)
    good = [row for row in rows if "failed" not in row]
    written = [*write_tables(experiment, rows, out), *experiment.figures(good, out)]
    say("Written: " + ", ".join(path.name for path in written) + f" in {out}")
    return rows


def finished_jobs(file: Path) -> set[Job]:
    """The jobs that have a row."""
    return set(map(job_of, read_records(file)))


def _run_all(
    experiment: Experiment, jobs: Sequence[Job], data: Path, out: Path, parallel: int
) -> Iterator[tuple[Job, Future[Row]]]:
    """Jobs as they end; each has a fresh process, so that none inherits another's state."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(parallel, mp_context=context, max_tasks_per_child=1)
    try:
        pending = {pool.submit(_run_one, experiment, job, data, out): job for job in jobs}
        for future in as_completed(pending):
            yield pending[future], future
    finally:
        pool.shutdown(cancel_futures=True)


def _run_one(experiment: Experiment, job: Job, data: Path, out: Path) -> Row:
    torch.set_num_threads(job.threads)
    try:
        scores = experiment.run(job, data, out)
    except DivergedError as error:
        # A result like any other: running it again would end the same way.
        scores = {"failed": str(error), "steps": error.step, "directions": []}
    return {**asdict(job), **scores, **provenance()}


def _parallel() -> int:
    """One run a core; a GPU is for one run at a time."""
    return 1 if torch.cuda.is_available() else os.cpu_count() or 1


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """One grid at a time in a folder; raises ``RunError`` for a second."""
    try:
        with FileLock(out / ".lock", blocking=False):
            yield
    except Timeout as error:
        raise RunError(f"{out} belongs to a grid that is running; wait for it or give another --out.") from error


def _scores_line(experiment: Experiment, row: Row) -> str:
    if "failed" in row:
        return str(row["failed"])
    verdict = {True: ["found"], False: ["not found"], None: []}[experiment.found(row)]
    scores = (
        f"{column.title} " + " / ".join(f"{row[way][column.key]:.{column.digits}f}" for way in row["directions"])
        for column in experiment.columns
        if column.key in row["a_to_b"]
    )
    return ", ".join([*verdict, *scores])
