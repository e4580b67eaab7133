"""Run a grid of jobs. Each finished job is a line of results.jsonl and is not run again."""

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
from discogan.names import absolute
from discogan.records import read_json_lines
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
    """Run an experiment's grid, write its table and figures into ``out``, and return all rows of its results.jsonl.

    ``parallel`` 0 is one run per core, or a single run on a GPU. ``threads`` 0 divides the cores among the runs.
    ``say`` is called with a line of progress. Raises ``ConfigError``, ``DataError``, ``RunError``.
    """
    experiment = get_experiment(name)
    jobs = make_jobs(name, experiment, objectives, seeds, minutes, image_size, data, parallel, threads, settings)
    for job in jobs:
        experiment.check(job)
    out.mkdir(parents=True, exist_ok=True)
    with _lock_folder(out):
        prepared = experiment.prepare(out / "data" / f"{name}-{jobs[0].data}-{image_size}px", data, image_size)
        run_jobs(experiment, jobs, prepared, out, parallel or _default_parallel(), keep_runs, say)
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
    """Return the jobs of a grid, seed by seed; raise ``ConfigError`` for values that are not valid."""
    require("--seeds", seeds, at_least=1)
    require("--parallel", parallel, at_least=0)
    require("--threads", threads, at_least=0)
    if minutes is not None:
        require("--minutes", minutes, at_least=1e-6)
    chosen = objectives or experiment.objectives
    for objective in chosen:
        if objective not in experiment.objectives:
            raise unknown_choice("objective in this experiment", objective, experiment.objectives)
    threads_per_run = threads or max(1, (os.cpu_count() or 1) // (parallel or _default_parallel()))
    return [
        Job(
            experiment=name,
            data=absolute(data).name if data else experiment.own_data,
            objective=objective,
            seed=seed,
            image_size=image_size if experiment.has_images else 0,
            minutes=minutes or experiment.minutes,
            threads=threads_per_run,
            settings=settings,
        )
        for seed, objective in product(range(seeds), chosen)
    ]


def run_jobs(
    experiment: Experiment, jobs: Sequence[Job], data: Path, out: Path, parallel: int, keep_runs: bool, say: Progress
) -> None:
    """Run the jobs that have no result yet, ``parallel`` at a time; raise ``RunError`` if some of them fail."""
    results = out / RESULTS
    # A kill can leave an incomplete last line. Rewriting the file removes it, so that the next line starts correctly.
    write_text(results, "".join(json.dumps(row) + "\n" for row in read_json_lines(results)))
    finished = finished_jobs(results)
    waiting = [job for job in jobs if job not in finished]
    say(f"{len(jobs)} runs, {len(jobs) - len(waiting)} of them finished earlier; {parallel} run at a time")
    failures = []
    for job, future in _run_all(experiment, waiting, data, out, parallel):
        try:
            row = future.result()
        except Exception as error:  # The other runs continue.
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
            f"{len(failures)} of {len(waiting)} runs failed; the first was {failed.name} ({first}). "
            "The finished runs are kept. Repeat the command to run the failed ones again."
        ) from first


def summarise(experiment: Experiment, out: Path, say: Progress) -> list[Row]:
    """Write the tables and draw the figures, using results.jsonl and files of the runs; return all rows."""
    rows = read_json_lines(out / RESULTS)
    completed = [row for row in rows if "failed" not in row]
    written = [*write_tables(experiment, rows, out), *experiment.figures(completed, out)]
    say("Written: " + ", ".join(path.name for path in written) + f" in {out}")
    return rows


def finished_jobs(file: Path) -> set[Job]:
    """Return the jobs that have a row."""
    return {job_of(row) for row in read_json_lines(file)}


def _run_all(
    experiment: Experiment, jobs: Sequence[Job], data: Path, out: Path, parallel: int
) -> Iterator[tuple[Job, Future[Row]]]:
    """Yield jobs as they finish. Each runs in a new process, so that no state is shared."""
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
        # A divergence is a result, because running the job again would diverge again.
        scores = {"failed": str(error), "steps": error.step, "directions": []}
    return {**asdict(job), **scores, **provenance()}


def _default_parallel() -> int:
    """Return one run per core, or a single run on a GPU."""
    return 1 if torch.cuda.is_available() else os.cpu_count() or 1


@contextmanager
def _lock_folder(out: Path) -> Iterator[None]:
    """Allow one grid at a time in a folder; raise ``RunError`` for a second one."""
    try:
        with FileLock(out / ".lock", blocking=False):
            yield
    except Timeout as error:
        raise RunError(f"Another grid is running in {out}. Wait until it ends, or give another --out.") from error


def _scores_line(experiment: Experiment, row: Row) -> str:
    """Return whether a run found the relation, and its values in each direction, as one line."""
    if "failed" in row:
        return str(row["failed"])
    parts = {True: ["found"], False: ["not found"], None: []}[experiment.found(row)]
    for column in experiment.columns:
        if column.key in row["a_to_b"]:
            values = [f"{row[direction][column.key]:.{column.digits}f}" for direction in row["directions"]]
            parts.append(f"{column.title} {' / '.join(values)}")
    return ", ".join(parts)
