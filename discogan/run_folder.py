"""The run folder: paths, description, progress, logs and results. No PyTorch here; ``checkpoints`` holds the tensors.

    RUN/config.json                        settings, versions, data fingerprint, directions; written first
    RUN/metrics.jsonl                      losses, one JSON object for each logged step
    RUN/scores.jsonl                       the unsupervised score and the metrics that it is made of
    RUN/samples/step-000500.png
    RUN/checkpoints/step-000500/           generator_ab.safetensors generator_ba.safetensors
                                           discriminator_a.safetensors discriminator_b.safetensors
                                           training_state.safetensors progress.json config.json
    RUN/last                               names the newest checkpoint
    RUN/best/                              the networks to use: the newest whose score is close to the best
    RUN/seeds/seed-3/                      runs of other seeds that --seeds-tried compared
    RUN/seeds/plan.json                    their settings, and the scores of the finished rounds
    RUN/verdict.json                       whether a relation was found, written when the budget is used
    RUN/evaluation.json                    the latest result of discogan evaluate
    RUN/report.html                        all of it on one page

Files and folders appear under their names only when they are complete and on disk (temporary name, fsync, rename).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from discogan.config import Config, Table
from discogan.directions import DIRECTIONS, Direction, check_direction
from discogan.errors import RunError
from discogan.files import write_json, write_text
from discogan.registry import load_recorded_imports

NETWORKS = ("generator_ab", "generator_ba", "discriminator_a", "discriminator_b")
"""The networks of a checkpoint, one safetensors file each."""
Record = dict[str, Any]
"""One line of metrics.jsonl or scores.jsonl."""
POSITION_KEYS = ("step", "images_seen", "elapsed_seconds", "images_per_second")
"""Keys of a metrics record that are not losses."""
CHECKPOINT_NAME = re.compile(r"step-(\d+)")
"""The name of a checkpoint, which holds its step."""
MIN_REFERENCE_PROGRESS = 0.8
"""A reference run must have at least this share of the steps of the longest one."""


@dataclass(frozen=True)
class Progress:
    """How far a run is: optimiser steps done and seconds spent training."""

    step: int = 0
    elapsed_seconds: float = 0.0


@dataclass(frozen=True)
class RunDescription:
    """What config.json records about a run."""

    config: Config
    directions: tuple[Direction, ...]
    """Directions that the objective trains."""
    round_trip_directions: tuple[Direction, ...]
    """Directions whose round trip the objective trains as well."""
    data: Table
    """For each domain the image count, the skipped files and a fingerprint (``training.data``)."""
    versions: Mapping[str, str]
    """Versions of discogan, PyTorch and Python."""
    machine: Mapping[str, Any]
    git_revision: str | None
    threads: int
    """CPU threads, which decide the last bits of the results."""
    imports: tuple[str, ...] = ()
    """Absolute paths of the files that --import loaded."""

    def to_dict(self) -> Table:
        """Plain values for JSON; ``from_dict`` is the inverse."""
        return {
            "config": self.config.to_dict(),
            "directions": list(self.directions),
            "round_trip_directions": list(self.round_trip_directions),
            "data": self.data,
            "versions": dict(self.versions),
            "machine": dict(self.machine),
            "git_revision": self.git_revision,
            "threads": self.threads,
            "imports": list(self.imports),
        }

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> RunDescription:
        """Return the description in a config.json of this version or an earlier one."""
        config = Config.from_dict(table["config"])
        directions, round_trips = _directions(table, config)
        return cls(
            config=config,
            directions=directions,
            round_trip_directions=round_trips,
            data=table["data"],
            versions=table["versions"],
            machine=table.get("machine", {}),
            git_revision=table.get("git_revision"),
            threads=table["threads"],
            imports=tuple(table.get("imports", ())),
        )

    def portable(self) -> RunDescription:
        """Return the description without this machine's paths, skipped file names and imports."""
        data = {**self.data, **{domain: {**self.data[domain], "skipped": []} for domain in "ab"}}
        return replace(self, config=self.config.portable(), data=data, imports=())


def _directions(table: Mapping[str, Any], config: Config) -> tuple[tuple[Direction, ...], tuple[Direction, ...]]:
    """Return what a run trains; version 0.1.0 did not record it, so the objective's name decides for its runs."""
    if "directions" in table:
        directions = tuple(check_direction(direction) for direction in table["directions"])
        return directions, tuple(check_direction(direction) for direction in table["round_trip_directions"])
    model = config.objective.get("model", config.objective["name"])
    if model == "gan":
        return ("a_to_b",), ()
    if model == "recon_gan":
        return ("a_to_b",), ("a_to_b",)
    return DIRECTIONS, DIRECTIONS


class RunFolder:
    """One run on disk."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.checkpoints = self.path / "checkpoints"
        self.last = self.path / "last"
        self.best = self.path / "best"
        self.samples = self.path / "samples"
        self.metrics = self.path / "metrics.jsonl"
        self.scores = self.path / "scores.jsonl"
        self.verdict = self.path / "verdict.json"
        self.evaluation = self.path / "evaluation.json"
        self.report = self.path / "report.html"
        # Version 0.1.0 called the folder "starts".
        self.seeds = self.path / ("starts" if (self.path / "starts").exists() else "seeds")
        self.plan = self.seeds / "plan.json"

    @property
    def exists(self) -> bool:
        """Whether a run was started here."""
        return self.config.exists()

    @property
    def is_checkpoint(self) -> bool:
        """Whether the folder is a single checkpoint, such as RUN/best or a model from the Hub."""
        return (self.path / "progress.json").exists()

    def require_new(self) -> None:
        """Raise ``RunError`` if the folder already holds a run."""
        if self.exists or self.seeds.exists():
            raise RunError(f"{self.path} already holds a run. Continue it with --resume {self.path}, or change --out.")

    def require_resumable(self) -> None:
        """Raise ``RunError`` for a single checkpoint."""
        if self.is_checkpoint:
            raise RunError(
                f"{self.path} is a single checkpoint, not a run folder, so training cannot resume from it. "
                "Pass the run folder to --resume."
            )

    def create(self, description: RunDescription) -> None:
        """Start a run. config.json is written last, because it marks the folder as a run."""
        self.samples.mkdir(parents=True, exist_ok=True)
        self.checkpoints.mkdir(exist_ok=True)
        write_json(self.config, description.to_dict())

    def describe(self) -> RunDescription:
        """Read config.json and load the user's files that it names; raise ``RunError`` if that fails."""
        description = RunDescription.from_dict(_read_config(self.path))
        load_recorded_imports(description.imports, self.path)
        return description

    def load_imports(self) -> None:
        """Load the user's files that the run records; raise ``RunError`` if one is missing or not trusted."""
        for file in (self.config, self.plan):
            if file.exists():
                load_recorded_imports(json.loads(file.read_text("utf-8")).get("imports", ()), self.path)

    def seed_run(self, seed: int) -> RunFolder:
        """Return the run folder of one of several seeds that are compared."""
        return RunFolder(self.seeds / f"seed-{seed}")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for writing; raise ``RunError`` if another process holds it."""
        if not self.path.is_dir():
            raise RunError(f"There is no run at {self.path}. Start one with discogan train A B --out {self.path}.")
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(blocking=False)
        except Timeout as error:
            raise RunError(f"Another process is training {self.path}. Wait for it or stop it.") from error
        with lock:
            yield

    def sheets(self) -> list[Path]:
        """Return the sample sheets that training wrote, oldest first."""
        return sorted(self.samples.glob("step-*.png"), key=step_of)

    def last_checkpoint(self) -> Path | None:
        """Return the newest complete checkpoint, or ``None``."""
        return max(self.complete_checkpoints(), key=step_of, default=None)

    def complete_checkpoints(self) -> list[Path]:
        """Return the complete checkpoints, oldest first. Finding, writing and pruning use this one definition."""
        return sorted(filter(is_complete_checkpoint, self.checkpoints.glob("step-*")), key=step_of)

    def broken_checkpoints(self) -> list[Path]:
        """Return the folders that are named like a checkpoint but are not complete, by name."""
        named = [path for path in self.checkpoints.glob("step-*") if CHECKPOINT_NAME.fullmatch(path.name)]
        return sorted(path for path in named if not is_complete_checkpoint(path))

    def inference_checkpoint(self) -> Path:
        """Return the checkpoint to use: the folder itself if it is one, else best/, else the newest.

        Raises ``RunError`` if there is none.
        """
        for folder in (self.path, self.best):
            if (folder / "progress.json").exists():
                return folder
        newest = self.last_checkpoint()
        if newest is None:
            _read_config(self.path)
            raise RunError(f"{self.path} has no checkpoint yet. Continue with discogan train --resume {self.path}.")
        return newest


def step_of(path: Path) -> int:
    """Return the step in the name of a checkpoint or a sample sheet."""
    return int(path.stem.rpartition("-")[2])


def is_complete_checkpoint(folder: Path) -> bool:
    """Return whether a folder is named like a checkpoint, and has a progress.json of the step in its name."""
    if not CHECKPOINT_NAME.fullmatch(folder.name):
        return False
    try:
        return read_progress(folder).step == step_of(folder)
    except RunError:
        return False


def read_progress(checkpoint: Path) -> Progress:
    """Return the progress at which a checkpoint was written; raise ``RunError`` if it is missing or damaged."""
    file = checkpoint / "progress.json"
    try:
        table = json.loads(file.read_text("utf-8"))
        step, seconds = table["step"], float(table["elapsed_seconds"])
        if type(step) is not int or step < 0 or not 0 <= seconds < math.inf:
            raise ValueError(f"step {step!r}, elapsed_seconds {seconds!r}")
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise RunError(f"{file} is missing or damaged ({error}). Use another checkpoint of the run.") from error
    return Progress(step, seconds)


def _read_config(folder: Path) -> Table:
    try:
        table: Table = json.loads((folder / "config.json").read_text("utf-8"))
    except FileNotFoundError as error:
        inner = next(folder.glob("*/config.json"), None)
        advice = f"There is one at {inner.parent}." if inner else f"Start one with discogan train A B --out {folder}."
        raise RunError(f"There is no run at {folder} (no config.json). {advice}") from error
    except (OSError, ValueError) as error:
        raise RunError(f"{folder / 'config.json'} cannot be read ({error}). Restore the file.") from error
    return table


# Several seeds ------------------------------------------------------------------------------------


def reference_checkpoints(run: Path, seed: int) -> list[Path]:
    """Return the newest checkpoints of a run's other seeds, without the runs that were eliminated early.

    A run that was stopped early has learned too little to agree with anything, and a run that diverged in the first
    round has no score.
    """
    folder = RunFolder(run)
    if not folder.plan.exists():
        return []
    rounds = json.loads(folder.plan.read_text("utf-8"))["rounds"]
    scored_seeds = sorted(int(name) for name in rounds[0]) if rounds else []
    steps: dict[Path, int] = {}
    for scored_seed in scored_seeds:
        checkpoint = folder.seed_run(scored_seed).last_checkpoint()
        if scored_seed != seed and checkpoint is not None:
            steps[checkpoint] = read_progress(checkpoint).step
    return [path for path, step in steps.items() if step >= MIN_REFERENCE_PROGRESS * max(steps.values())]


# Logs ---------------------------------------------------------------------------------------------


class MetricsLog:
    """Appends records to a JSON-lines file. Opening it at a step removes records of later steps."""

    def __init__(self, path: Path, step: int = 0) -> None:
        self.path = path
        kept = [record for record in read_records(path) if record["step"] <= step]
        write_text(path, "".join(json.dumps(record) + "\n" for record in kept))

    def append(self, record: Record) -> None:
        """Write one record and pass it to the operating system at once."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def read_records(path: Path) -> list[Record]:
    """Return the complete records of a JSON-lines file; an absent file has none, a torn last line is left out."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text("utf-8").splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        records.append(_with_current_keys(record))
    return records


def losses(record: Record) -> dict[str, float]:
    """Return the losses of a metrics record by name."""
    return {name: value for name, value in record.items() if name not in POSITION_KEYS}


# Results ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RunSummary:
    """All results in a run folder, read without changing it, so also during training."""

    folder: RunFolder
    description: RunDescription
    progress: Progress | None
    """Progress of the newest checkpoint, or of the checkpoint that the folder is."""
    metrics: list[Record]
    scores: list[Record]
    verdict: Table | None
    """The verdict of the latest evaluation, else of the end of training; ``None`` before the budget is used."""
    evaluation: Table | None
    """evaluation.json; ``None`` if the run was trained further since."""

    @property
    def config(self) -> Config:
        """The run's settings."""
        return self.description.config

    @property
    def name(self) -> str:
        """The run folder's name."""
        return self.folder.path.resolve().name

    @property
    def steps(self) -> int:
        """The largest step that a log or a checkpoint records."""
        logged = int(self.metrics[-1]["step"]) if self.metrics else 0
        return max(logged, self.progress.step if self.progress else 0)

    @property
    def seconds(self) -> float:
        """The longest training time that a log or a checkpoint records."""
        logged = float(self.metrics[-1]["elapsed_seconds"]) if self.metrics else 0.0
        return max(logged, self.progress.elapsed_seconds if self.progress else 0.0)

    @property
    def score(self) -> float | None:
        """The verdict's score, else the best unsupervised score so far; ``None`` before the first."""
        if self.verdict:
            return float(self.verdict["score"])
        return max((record["score"] for record in self.scores), default=None)

    @property
    def alarms(self) -> list[str]:
        """The warnings that training raised."""
        messages: list[str] = []
        for record in self.scores:
            messages += record.get("alarms", [])
        return messages

    def facts(self) -> Table:
        """Return settings, progress, verdict and scores as plain values, for ``info --json`` and ``compare --json``."""
        evaluation = self.evaluation or {}
        scores = {key: evaluation[key] for key in (*DIRECTIONS, "azimuth", "paired", "values") if key in evaluation}
        return {
            "run": str(self.folder.path),
            "config": self.config.to_dict(),
            "steps": self.steps,
            "elapsed_seconds": self.seconds,
            "score": self.score,
            "verdict": self.verdict,
            "evaluation": scores or None,
        }


def read_summary(run: str | Path) -> RunSummary:
    """Read the results of a run; raise ``RunError`` if there is no run."""
    folder = RunFolder(run)
    description = folder.describe()
    checkpoint = folder.last_checkpoint() or (folder.path if folder.is_checkpoint else None)
    return RunSummary(
        folder=folder,
        description=description,
        progress=read_progress(checkpoint) if checkpoint else None,
        metrics=read_records(folder.metrics),
        scores=read_records(folder.scores),
        verdict=read_verdict(folder),
        evaluation=read_evaluation(folder),
    )


def read_verdict(folder: RunFolder) -> Table | None:
    """Return the verdict of an evaluation of the same networks, which has more evidence, else that of training."""
    after_training = _read_json(folder.verdict)
    if after_training is None:
        return None
    evaluation = read_evaluation(folder)
    if evaluation is not None and evaluation["verdict"] is not None:
        verdict: Table = evaluation["verdict"]
        return verdict
    return _with_current_keys(after_training)


def read_evaluation(folder: RunFolder) -> Table | None:
    """Return the latest result of ``discogan evaluate``, or ``None`` if it scored other networks than the current."""
    evaluation = _read_json(folder.evaluation)
    if evaluation is None or folder.last_checkpoint() is None:
        return None
    if evaluation.get("step") != read_progress(folder.inference_checkpoint()).step:
        return None
    return _with_current_keys(evaluation)


def _read_json(file: Path) -> Table | None:
    if not file.exists():
        return None
    table: Table = json.loads(file.read_text("utf-8"))
    return table


RENAMED_KEYS = {
    "word": "label",
    "because": "reason",
    "figures": "metrics",
    "judged": "discriminator_accuracy",
    "a_to_b_judged": "a_to_b_discriminator_accuracy",
    "b_to_a_judged": "b_to_a_discriminator_accuracy",
}
"""Keys that verdict.json, evaluation.json and scores.jsonl had in version 0.1.0, and their present names."""


def _with_current_keys(table: Table) -> Table:
    """Return the table of an earlier version with the keys of this one."""
    current: Table = {}
    for key, value in table.items():
        if key == "accord":
            current["agreement"] = value and {
                "runs": value["runs"],
                "share": value["agreement"],
                "symmetry": value["symmetry"],
                "share_under_symmetry": value["under_symmetry"],
            }
        else:
            current[RENAMED_KEYS.get(key, key)] = _with_current_keys(value) if isinstance(value, dict) else value
    return current
