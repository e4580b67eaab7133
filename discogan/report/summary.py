"""What a run folder says of itself, read without touching it: so also while it trains."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discogan.checkpoint import Progress, RunFolder, best_checkpoint, read_progress
from discogan.config import Config
from discogan.tracking import Record, read_metrics

Table = dict[str, Any]


@dataclass(frozen=True)
class Summary:
    """The files of a run, read."""

    folder: RunFolder
    description: Table
    config: Config
    progress: Progress | None
    """Of the newest checkpoint, or of the one that the folder is."""
    metrics: list[Record]
    scores: list[Record]
    verdict: Table | None
    """That of the last evaluation, or else of the training's end; None until the run has used its budget."""
    evaluation: Table | None
    """evaluation.json, what ``discogan evaluate`` found last; None where the run has gone on since."""

    @property
    def name(self) -> str:
        """The run folder's own name."""
        return self.folder.path.resolve().name

    @property
    def steps(self) -> int:
        """Steps known to be done."""
        logged = int(self.metrics[-1]["step"]) if self.metrics else 0
        return max(logged, self.progress.step if self.progress else 0)

    @property
    def seconds(self) -> float:
        """Seconds that are known to have gone into training."""
        logged = float(self.metrics[-1]["elapsed_seconds"]) if self.metrics else 0.0
        return max(logged, self.progress.elapsed_seconds if self.progress else 0.0)

    @property
    def score(self) -> float | None:
        """The verdict's score, or the best so far; None before the first."""
        return self.verdict["score"] if self.verdict else max((look["score"] for look in self.scores), default=None)

    @property
    def alarms(self) -> list[str]:
        """What was warned of while it trained."""
        return [message for look in self.scores for message in look.get("alarms", [])]


def read_summary(run: str | Path) -> Summary:
    """Raises ``RunError`` where there is no run."""
    folder = RunFolder(run)
    description = folder.describe()
    alone = folder.path if (folder.path / "progress.json").exists() else None
    checkpoint = folder.last_checkpoint() or alone
    return Summary(
        folder=folder,
        description=description,
        config=Config.from_dict(description["config"]),
        progress=read_progress(checkpoint) if checkpoint else None,
        metrics=read_metrics(folder.metrics),
        scores=read_metrics(folder.scores),
        verdict=read_verdict(folder),
        evaluation=read_evaluation(folder),
    )


def read_verdict(folder: RunFolder) -> Table | None:
    """An evaluation of the same state knows more than the end of the training: true pairs, or other runs."""
    at_the_end = _read_json(folder.verdict)
    evaluation = read_evaluation(folder) if at_the_end else None
    return (evaluation and evaluation["verdict"]) or at_the_end


def read_evaluation(folder: RunFolder) -> Table | None:
    """What ``discogan evaluate`` found last, where it is of the networks that the run would be used with now."""
    evaluation = _read_json(folder.evaluation)
    if evaluation is None or folder.last_checkpoint() is None:
        return None
    return evaluation if evaluation.get("step") == read_progress(best_checkpoint(folder)).step else None


def _read_json(file: Path) -> Table | None:
    if not file.exists():
        return None
    table: Table = json.loads(file.read_text("utf-8"))
    return table
