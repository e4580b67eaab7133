"""The logs and results of a run folder, read without changing it. No PyTorch here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discogan.config import Config, Table
from discogan.directions import DIRECTIONS
from discogan.files import write_text
from discogan.names import absolute
from discogan.records import Count, convert_record, read_json, read_json_lines
from discogan.run_folder import RunFolder, read_progress, step_of
from discogan.run_records import (
    POSITION_KEYS,
    Evaluation,
    MetricsRecord,
    Progress,
    RunDescription,
    ScoreRecord,
    Verdict,
    with_current_keys,
)

Record = dict[str, Any]
"""One line of metrics.jsonl or scores.jsonl."""

# Logs ---------------------------------------------------------------------------------------------


class MetricsLog:
    """Appends records to a JSON-lines file. Opening it at a step removes records of later steps."""

    def __init__(self, path: Path, step: int = 0) -> None:
        self.path = path
        kept = [with_current_keys(record) for record in read_json_lines(path) if _step(record, path) <= step]
        write_text(path, "".join(json.dumps(record) + "\n" for record in kept))

    def append(self, record: Record) -> None:
        """Write one record and pass it to the operating system at once."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, allow_nan=False) + "\n")


@dataclass(frozen=True)
class _Step:
    step: Count


def _step(record: Record, path: Path) -> int:
    return convert_record(record, _Step, path).step


def read_metrics(folder: RunFolder) -> list[Record]:
    """Return the checked records of metrics.jsonl, oldest first; none if there is no such file."""
    records = read_json_lines(folder.metrics)
    for line, record in enumerate(records, 1):
        MetricsRecord.from_dict(record, f"{folder.metrics}, record {line}")
    return records


def read_scores(folder: RunFolder) -> list[Record]:
    """Return the checked records of scores.jsonl with present keys, oldest first; none if there is no such file."""
    records = [with_current_keys(record) for record in read_json_lines(folder.scores)]
    for line, record in enumerate(records, 1):
        ScoreRecord.from_dict(record, f"{folder.scores}, record {line}")
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
        return absolute(self.folder.path).name

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
        metrics=read_metrics(folder),
        scores=read_scores(folder),
        verdict=read_verdict(folder),
        evaluation=read_evaluation(folder),
    )


def read_verdict(folder: RunFolder) -> Table | None:
    """Return the verdict of an evaluation of the same networks, which has more evidence, else that of training."""
    if not folder.verdict.exists():
        return None
    after_training = convert_record(with_current_keys(read_json(folder.verdict)), Verdict, folder.verdict)
    newest = folder.last_checkpoint()
    if after_training.steps is not None and newest is not None and step_of(newest) > after_training.steps:
        return None  # The run is being trained with a larger budget.
    evaluation = read_evaluation(folder)
    if evaluation is not None and evaluation["verdict"] is not None:
        verdict: Table = evaluation["verdict"]
        return verdict
    return after_training.to_dict()


def read_evaluation(folder: RunFolder) -> Table | None:
    """Return the latest result of ``discogan evaluate``, or ``None`` if it scored other networks than the current."""
    if not folder.evaluation.exists() or folder.last_checkpoint() is None:
        return None
    evaluation = convert_record(with_current_keys(read_json(folder.evaluation)), Evaluation, folder.evaluation)
    if evaluation.step != read_progress(folder.inference_checkpoint()).step:
        return None
    return evaluation.to_dict()
