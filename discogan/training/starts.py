"""Several starts: short runs from different seeds, of which the best by what can be said without pairs go on.

Successive halving (Jamieson and Talwalkar 2016) within one budget. ``EXPLORED`` of it is spent in rounds of equal
cost: all starts, then the better half, and so on to one, which has the rest to itself.

    RUN/starts/plan.json    settings and the scores of finished rounds
    RUN/starts/seed-3/      a start, itself a run folder; those that lost stay as witnesses for the verdict
    RUN/config.json         and the rest of the winner's run, once it is known
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from typing import Any

import torch

from discogan.checkpoint import RunFolder, load_model
from discogan.config import Config
from discogan.errors import DivergedError
from discogan.files import write_json
from discogan.objectives import build_objective
from discogan.training.data import TrainingData
from discogan.training.observer import Observer, Outcome
from discogan.training.watch import Alarm
from discogan.verdict import Probe, accord, judge

EXPLORED = 0.4
"""Share of the budget that choosing may cost."""


@dataclass(frozen=True)
class Round:
    """How many starts are left in a round, and the share of the whole budget each has had when it ends."""

    starts: int
    share: float


def plan_rounds(starts: int) -> list[Round]:
    """The rounds that choose one of ``starts`` (at least 2); each costs the same, all together ``EXPLORED``."""
    counts = [starts]
    while counts[-1] > 2:
        counts.append((counts[-1] + 1) // 2)
    rounds, share = [], 0.0
    for count in counts:
        share += EXPLORED / len(counts) / count
        rounds.append(Round(count, share))
    return rounds


def choose_start(
    description: dict[str, Any], run: RunFolder, data: TrainingData, observer: Observer
) -> Outcome | Config:
    """Run the rounds, or what is left of them, and give the run the winner's state; its settings, to go on with.

    ``description`` is what the run's config.json would hold. An ``Outcome`` where a signal interrupted it: nothing
    is lost, and the next call goes on from there.
    """
    config = Config.from_dict(description["config"])
    if not is_choosing(run):
        _write_plan(run, description, [])
    objective = build_objective(config.objective)
    probe = Probe(data.a.pixels, data.b.pixels, objective.directions, objective.round_trips)
    scored = read_plan(run)["rounds"]
    left = [config.seed + number for number in range(config.training.starts)]
    share = 0.0
    for number, turn in enumerate(plan_rounds(len(left))):
        share = turn.share
        if number == len(scored):
            trained = _train_round(description, run, data, observer, left, share)
            if isinstance(trained, Outcome):
                return trained
            scored.append(_score_round(run, probe, trained))
            _write_plan(run, description, scored)
        observer.on_round(scored[number])
        ranking = sorted(scored[number], key=lambda seed: -scored[number][seed])
        left = [int(seed) for seed in ranking[: (len(left) + 1) // 2]]
    final = _with_budget(replace(config, seed=left[0]), share + 1 - EXPLORED)
    _promote(run, run.start(left[0]))
    return final


def _train_round(
    description: dict[str, Any], run: RunFolder, data: TrainingData, observer: Observer, seeds: list[int], share: float
) -> Outcome | list[int]:
    """Bring every start to its share of the budget; the seeds of those that did not diverge.

    The outcome where one was interrupted; raises ``DivergedError`` where all of them diverged.
    """
    from discogan.training.trainer import Trainer

    config = Config.from_dict(description["config"])
    sound: list[int] = []
    for seed in seeds:
        folder = run.start(seed)
        own = _with_budget(replace(config, seed=seed), share)
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.create({**description, "config": own.to_dict()})
        try:
            outcome = Trainer(own, folder, data, observer).fit()
        except DivergedError as error:
            if seed == seeds[-1] and not sound:
                raise
            observer.on_alarm(Alarm("divergence", f"Seed {seed} does not go on: {error.args[0].partition(';')[0]}."))
            continue
        if outcome.ended == "interrupted" or outcome.signal:
            return replace(outcome, ended="interrupted", run=run.path)
        sound.append(seed)
    return sound


def _score_round(run: RunFolder, probe: Probe, seeds: list[int]) -> dict[str, float]:
    """Each start's score, its agreement with the others included."""
    measured = {}
    for seed in seeds:
        model, _ = load_model(run.start(seed).path, torch.device("cpu"))
        measured[seed] = probe.measure(model)
    return {
        str(seed): judge(figures, accord(made, [other for key, (_, other) in measured.items() if key != seed])).score
        for seed, (figures, made) in measured.items()
    }


def _with_budget(config: Config, share: float) -> Config:
    """The configuration of one start with a share of the budget."""
    options = config.training
    return replace(
        config,
        training=replace(
            options,
            starts=1,
            steps=max(1, round(options.steps * share)) if options.steps else None,
            minutes=options.minutes * share if options.minutes else None,
        ),
    )


def _promote(run: RunFolder, winner: RunFolder) -> None:
    """Copy the winner into the run; what makes it one, config.json, is the caller's to write last."""
    for path in winner.path.iterdir():
        if path.is_dir():
            shutil.copytree(path, run.path / path.name, dirs_exist_ok=True)
        elif path.name in ("metrics.jsonl", "scores.jsonl", "last"):
            shutil.copy2(path, run.path / path.name)


def is_choosing(run: RunFolder) -> bool:
    """Whether several starts were begun in this folder."""
    return run.plan.exists()


def change_plan(run: RunFolder, description: dict[str, Any]) -> None:
    """Go on choosing with other settings; the scores of finished rounds stay."""
    _write_plan(run, description, read_plan(run)["rounds"])


def read_plan(run: RunFolder) -> dict[str, Any]:
    """The description of a run whose starts are being compared, and the scores of its finished rounds.

    A start that diverged in a round has no score there, and does not go on.
    """
    plan: dict[str, Any] = json.loads(run.plan.read_text("utf-8"))
    return plan


def _write_plan(run: RunFolder, description: dict[str, Any], rounds: list[dict[str, float]]) -> None:
    run.plan.parent.mkdir(exist_ok=True)
    write_json(run.plan, {**description, "rounds": rounds})
