"""Runs a grid of jobs, each finished one a line of results.jsonl; what is there already is not run again."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, fields
from itertools import product
from pathlib import Path

import torch

from discogan.errors import DivergedError, unknown_choice
from discogan.experiments import Experiment, Job, Progress, Row
from discogan.experiments.catalogue import get_experiment
from discogan.experiments.images import run_folder
from discogan.experiments.tables import write_tables
from discogan.files import write_text
from discogan.training import made_with

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
    chosen = objectives or experiment.objectives
    for objective in chosen:
        if objective not in experiment.objectives:
            raise unknown_choice("objective in this experiment", objective, experiment.objectives)
    cores = os.cpu_count() or 1
    parallel = parallel or (1 if torch.cuda.is_available() else cores)
    data_name = data.resolve().name if data else experiment.own_data
    prepared = experiment.prepare(out / "data" / f"{data_name}-{image_size}px", data, image_size)
    jobs = [
        Job(
            experiment=name,
            data=data_name,
            objective=objective,
            seed=seed,
            image_size=image_size if experiment.has_images else 0,
            minutes=minutes or experiment.minutes,
            threads=threads or max(1, cores // parallel),
            settings=settings,
        )
        for seed, objective in product(range(seeds), chosen)
    ]
    run_jobs(experiment, jobs, prepared, out, parallel, keep_runs, say)
    return summarise(experiment, out, say)


def run_jobs(
    experiment: Experiment, jobs: Sequence[Job], data: Path, out: Path, parallel: int, keep_runs: bool, say: Progress
) -> None:
    """Run the jobs that have no result yet, ``parallel`` at a time."""
    results = out / RESULTS
    # Rewritten whole, so that the next line does not join one that a kill tore.
    write_text(results, "".join(json.dumps(row) + "\n" for row in read_results(results)))
    done = finished_jobs(results)
    waiting = [job for job in jobs if job not in done]
    say(f"{len(jobs)} runs, {len(jobs) - len(waiting)} of them done before; {parallel} at a time")
    for row in _run_all(experiment, waiting, data, out, parallel, keep_runs):
        with results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        say(f"{row['objective']} seed {row['seed']}: {_scores_line(experiment, row)}")


def summarise(experiment: Experiment, out: Path, say: Progress) -> list[Row]:
    """Tables and figures from results.jsonl alone."""
    rows = read_results(out / RESULTS)
    good = [row for row in rows if "failed" not in row]
    written = [*write_tables(experiment, rows, out), *experiment.figures(good, out)]
    say("Written: " + ", ".join(path.name for path in written) + f" in {out}")
    return rows


def read_results(file: Path) -> list[Row]:
    """All whole rows; a line torn by a kill is left out and its run made again."""
    rows = []
    for line in file.read_text("utf-8").splitlines() if file.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def finished_jobs(file: Path) -> set[Job]:
    """The jobs that have a row."""
    names = [field.name for field in fields(Job)]
    rows = ({name: row[name] for name in names} for row in read_results(file))
    return {Job(**{**row, "settings": tuple(row["settings"])}) for row in rows}


def _run_all(
    experiment: Experiment, jobs: Sequence[Job], data: Path, out: Path, parallel: int, keep_runs: bool
) -> Iterator[Row]:
    """Rows as they are finished; each job has a fresh process, so that none inherits another's state."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(parallel, mp_context=context, max_tasks_per_child=1)
    try:
        pending: list[Future[Row]] = [pool.submit(_run_one, experiment, job, data, out, keep_runs) for job in jobs]
        for future in as_completed(pending):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _run_one(experiment: Experiment, job: Job, data: Path, out: Path, keep_runs: bool) -> Row:
    try:
        scores = experiment.run(job, data, out)
    except DivergedError as error:
        # A result like any other: running it again would end the same way.
        scores = {"failed": str(error), "steps": error.step, "directions": []}
    row = {**asdict(job), **scores, **made_with(), "machine": _machine()}
    if not keep_runs:
        shutil.rmtree(run_folder(job, out), ignore_errors=True)
    return row


def _machine() -> Row:
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return {"cores": os.cpu_count(), "vectors": torch.backends.cpu.get_cpu_capability(), "device": device}


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
