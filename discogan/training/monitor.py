"""Monitors a run during training, by its unsupervised metrics and its CPU time, and raises alarms."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from discogan.directions import DIRECTIONS, LABELS, Direction
from discogan.run_records import DirectionMetrics
from discogan.run_summary import Record
from discogan.verdict import COLLAPSE_DIVERSITY, MIN_REFERENCE_SCORE, worst_direction_score

QUIET_FRACTION = 0.2
"""Share of the budget before which there are no alarms, because every run begins with low diversity."""
DOMINATION_ACCURACY, DOMINATION_CHECKS = 0.99, 3
"""A discriminator that is this accurate in this many checks in a row gives the generators no useful gradient. In many
good runs it is, but there the score is high too."""
STALL_FRACTION = 0.4
"""Share of the budget without progress, in score or round trips, after which a run has stalled."""
ROUND_TRIP_PROGRESS = 0.98
"""A round-trip loss below this share of the smallest one so far counts as progress."""
MIN_IMAGES = 20
"""Images of a domain below which training warns that there are too few."""
MIN_CPU_SHARE = 0.75
"""Share of its threads' time that a run uses at least if no other process uses the CPU."""
BEST_SCORE_SHARE = 0.75
"""Share of the best score that a later state needs to replace best/. The score separates failed states from sound ones;
of two sound ones, the one that trained longer is usually the better (docs/results-verdict.md)."""


@dataclass(frozen=True)
class Alarm:
    """A problem and what to do about it."""

    kind: str
    """few_images, collapse, domination, stall, busy_cpu, divergence, damaged_checkpoint or no_checkpoint."""
    message: str


class Monitor:
    """Remembers a run's score records and the alarms raised; ``records`` restores it when a run is resumed."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records: list[Record] = []
        self._raised: set[tuple[str, str]] = set()
        for record in records:
            self.add(record)

    @property
    def last_step(self) -> int:
        """The step of the latest record, -1 before the first."""
        return int(self._records[-1]["step"]) if self._records else -1

    @property
    def latest_score(self) -> float | None:
        """The latest unsupervised score; ``None`` before the first."""
        return float(self._records[-1]["score"]) if self._records else None

    @property
    def best_score(self) -> float:
        """The best score so far, -1 before the first."""
        return max((record["score"] for record in self._records), default=-1.0)

    def should_replace_best(self, record: Record) -> bool:
        """Return True if the checkpoint behind ``record`` should replace ``best/``."""
        return bool(record["score"] >= BEST_SCORE_SHARE * self.best_score)

    def add(self, record: Record) -> list[Alarm]:
        """Add a record of ``score_record`` and return the alarms that were not raised before."""
        self._records.append(record)
        if record["fraction"] < QUIET_FRACTION:
            return []
        alarms: dict[tuple[str, str], Alarm] = {}
        for direction in self._directions():
            if collapse := self._collapse(direction):
                alarms["collapse", direction] = collapse
            if domination := self._domination(direction):
                alarms["domination", direction] = domination
        if stall := self._stall():
            alarms["stall", ""] = stall
        new = [alarm for key, alarm in alarms.items() if key not in self._raised]
        self._raised |= alarms.keys()
        return new

    def _directions(self) -> list[Direction]:
        return [direction for direction in DIRECTIONS if f"{direction}_diversity" in self._records[-1]]

    def _collapse(self, direction: Direction) -> Alarm | None:
        diversity = self._records[-1][f"{direction}_diversity"]
        if diversity >= COLLAPSE_DIVERSITY:
            return None
        return Alarm(
            "collapse",
            f"{LABELS[direction]} generates nearly the same image for every input (diversity {diversity:.2f}; 1 is "
            "ideal). Try another seed, several seeds (--seeds-tried 4), or a larger --set objective.gamma.",
        )

    def _domination(self, direction: Direction) -> Alarm | None:
        latest = self._records[-DOMINATION_CHECKS:]
        if len(latest) < DOMINATION_CHECKS:
            return None
        for record in latest:
            is_dominated = record[f"{direction}_discriminator_accuracy"] > DOMINATION_ACCURACY
            if not is_dominated or record["score"] >= MIN_REFERENCE_SCORE:
                return None
        return Alarm(
            "domination",
            f"The discriminator recognises every translation {LABELS[direction]}, so the generator learns nothing. "
            "Raise --set objective.gamma, or lower --set discriminator.width.",
        )

    def _stall(self) -> Alarm | None:
        progress, last = self._last_progress(), self._records[-1]
        # In steps, because earlier fractions can refer to another budget: that of a seed's round, or a smaller one.
        if last["step"] - progress["step"] < STALL_FRACTION * last["step"] / last["fraction"]:
            return None
        return Alarm(
            "stall",
            f"Neither the score nor the round trips have improved since step {progress['step']:,}, so more "
            "time probably does not help. --stop-when-stalled stops such a run. Several seeds (--seeds-tried 4) or "
            "more images may help.",
        )

    def _last_progress(self) -> Record:
        """Return the latest record with a better score, or a smaller round-trip loss, than all before it."""
        progress, best_score, least_loss = self._records[0], -1.0, math.inf
        for record in self._records:
            loss = sum(record[f"{direction}_round_trip"] or 0.0 for direction in self._directions())
            if record["score"] > best_score or loss < ROUND_TRIP_PROGRESS * least_loss:
                progress = record
                best_score, least_loss = max(best_score, record["score"]), min(least_loss, loss)
        return progress


def few_images(counts: Mapping[str, int]) -> list[Alarm]:
    """Return the alarm for domains with too few images to show a relation."""
    few = " and ".join(
        f"{name} has {count} image{'' if count == 1 else 's'}" for name, count in counts.items() if count < MIN_IMAGES
    )
    if not few:
        return []
    return [
        Alarm(
            "few_images",
            f"{few}, which is too few to learn a relation. Use at least 50 per domain; a few hundred are better.",
        )
    ]


class CpuMonitor:
    """Detects that other processes use the CPU time that this run's threads need, from its creation on."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._cpu_start, self._wall_start = time.process_time(), time.monotonic()
        self._is_done = threads < 2

    def check(self) -> list[Alarm]:
        """Return the alarm the first time that there is reason for it."""
        wall_seconds = time.monotonic() - self._wall_start
        share = (time.process_time() - self._cpu_start) / wall_seconds / self._threads
        if self._is_done or share >= MIN_CPU_SHARE:
            return []
        self._is_done = True
        return [
            Alarm(
                "busy_cpu",
                f"Other processes are using the CPU: this run's {self._threads} threads get only {share:.0%} of their "
                "time. Stop and resume with --threads 1, which is often several times faster.",
            )
        ]


def score_record(step: int, fraction: float, metrics: Mapping[Direction, DirectionMetrics]) -> Record:
    """Return the line of scores.jsonl for the metrics at a step."""
    record: Record = {"step": step, "fraction": fraction, "score": worst_direction_score(metrics)}
    for direction, values in metrics.items():
        for name, value in asdict(values).items():
            record[f"{direction}_{name}"] = value
    return record
