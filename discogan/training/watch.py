"""Watches a run as it trains, by its scores and by its cores, and raises an alarm when it goes wrong."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from discogan.model import Direction
from discogan.tracking import Record
from discogan.verdict import ARROWS, COLLAPSED, MADE, Figures, worse_score

EARLY = 0.2
"""Share of the budget before which nothing alarms: every run begins collapsed and with a lost discriminator."""
DOMINATED, DOMINATED_LOOKS = 0.99, 3
"""A discriminator that ranks so many pairs rightly, so many times running, gives no direction to go in; unless the
images become those of the other domain all the same, as they do in many a good run."""
STALLED = 0.4
"""Share of the budget without a gain, in score or round trips, after which a run has stalled."""
GAINED = 0.98
"""Share of the smallest loss in round trips below which another counts as smaller."""
FEW = 20
"""Images of a domain below which there is next to nothing to learn from."""
CROWDED = 0.75
"""Share of the time of its threads that a run has when it is alone; less is taken by other work."""
KEPT = 0.75
"""Share of the best score that a later state needs to take the place of best/. The score tells what has failed from
what has not; of two that have not, the one that was trained longer is nearer to the truth (docs/results.md)."""


@dataclass(frozen=True)
class Alarm:
    """Something that goes wrong, and its cure."""

    kind: str
    """few, collapse, domination, stall, crowd or divergence."""
    message: str


class Watch:
    """Remembers the scores of a run and what it has said of them; all of it follows from ``scores``, its log."""

    def __init__(self, scores: Sequence[Record]) -> None:
        self._looks: list[Record] = []
        self._said: set[tuple[str, str]] = set()
        for record in scores:
            self.look(record)

    @property
    def last_step(self) -> int:
        """The step of the latest look, -1 before the first."""
        return int(self._looks[-1]["step"]) if self._looks else -1

    @property
    def best_score(self) -> float:
        """The best score so far, -1 before the first."""
        return max((look["score"] for look in self._looks), default=-1.0)

    def keeps(self, record: Record) -> bool:
        """Whether a record that is not taken in yet is of a state to keep as best/."""
        return bool(record["score"] >= KEPT * self.best_score)

    def look(self, record: Record) -> list[Alarm]:
        """Take in a record made by ``score_record``; what there is to say of it that was not said before."""
        self._looks.append(record)
        if record["fraction"] < EARLY:
            return []
        alarms = [alarm for way in self._directions() for alarm in self._of_direction(way)] + self._stall()
        new = [alarm for key, alarm in alarms if key not in self._said]
        self._said |= {key for key, _ in alarms}
        return new

    def _directions(self) -> list[Direction]:
        return [way for way in ARROWS if f"{way}_diversity" in self._looks[-1]]

    def _of_direction(self, way: Direction) -> list[tuple[tuple[str, str], Alarm]]:
        """Collapse and domination in one direction."""
        found: list[tuple[tuple[str, str], Alarm]] = []
        diversity = self._looks[-1][f"{way}_diversity"]
        if diversity < COLLAPSED:
            message = (
                f"{ARROWS[way]} makes nearly the same image of everything (diversity {diversity:.2f}, 1 is right): "
                "start from another seed or several (--starts 4), or raise --set objective.gamma."
            )
            found.append((("collapse", way), Alarm("collapse", message)))
        latest = self._looks[-DOMINATED_LOOKS:]
        lost = [look[f"{way}_judged"] > DOMINATED and look["score"] < MADE for look in latest]
        if len(lost) == DOMINATED_LOOKS and all(lost):
            message = (
                f"The discriminator knows every translation {ARROWS[way]} from a real image and teaches nothing: "
                "raise --set objective.gamma, or lower --set discriminator.width."
            )
            found.append((("domination", way), Alarm("domination", message)))
        return found

    def _stall(self) -> list[tuple[tuple[str, str], Alarm]]:
        gained, last = self._last_gain(), self._looks[-1]
        # In steps, for earlier shares may be of another budget: of a start's, or one that was raised since.
        if last["step"] - gained["step"] < STALLED * last["step"] / last["fraction"]:
            return []
        message = (
            f"No better score and no better round trips since step {gained['step']:,}. More time changes little; "
            "stop here (--stop-when-stalled does), or try several starts (--starts 4) or more images."
        )
        return [(("stall", ""), Alarm("stall", message))]

    def _last_gain(self) -> Record:
        """The latest look that had a better score, or lost less in round trips, than all before it."""
        gained, best, least = self._looks[0], -1.0, math.inf
        for look in self._looks:
            lost = sum(look[f"{way}_round_trip"] or 0.0 for way in self._directions())
            if look["score"] > best or lost < GAINED * least:
                gained, best, least = look, max(best, look["score"]), min(least, lost)
        return gained


def few_images(counts: Mapping[str, int]) -> list[Alarm]:
    """The alarm for domains of so few images that no relation can show in them."""
    few = " and ".join(f"{name} has {count} image{'s' * (count != 1)}" for name, count in counts.items() if count < FEW)
    message = f"{few}: too few to learn a relation from. 50 show it, a few hundred are good."
    return [Alarm("few", message)] if few else []


class Cores:
    """Notices that other work takes the cores which a run's threads count on, from when it is made."""

    def __init__(self, threads: int) -> None:
        self._threads, self._cpu, self._wall = threads, time.process_time(), time.monotonic()
        self._said = threads < 2

    def look(self) -> list[Alarm]:
        """The alarm, the first time that there is reason for it."""
        had = (time.process_time() - self._cpu) / (time.monotonic() - self._wall) / self._threads
        if self._said or had >= CROWDED:
            return []
        self._said = True
        message = (
            f"Other work takes the cores: {self._threads} threads have {had:.0%} of their time, and wait for one "
            "another. One alone is often several times as quick then: stop, and go on with one thread "
            "(--set training.threads=1; of the demo, --threads 1)."
        )
        return [Alarm("crowd", message)]


def score_record(step: int, fraction: float, figures: Mapping[Direction, Figures]) -> Record:
    """The line of scores.jsonl for a look at a run."""
    return {
        "step": step,
        "fraction": fraction,
        "score": worse_score(figures),
        **{f"{way}_{name}": value for way, figure in figures.items() for name, value in asdict(figure).items()},
    }
