"""--seeds-tried: short runs from several seeds, of which the better half by unsupervised score continues each round.

Successive halving (Jamieson and Talwalkar 2016) within one budget. ``SEARCH_FRACTION`` of the budget is spent in rounds
of equal cost: first all seeds, then the better half, and so on. The selected run gets the rest alone.

    RUN/seeds/plan.json     settings, and the scores of the finished rounds
    RUN/seeds/seed-3/       the run of one seed; eliminated runs are kept as reference runs for the verdict
    RUN/config.json         and the rest of the selected run, once it is known
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from discogan.checkpoints import load_model
from discogan.config import Config
from discogan.errors import DivergedError
from discogan.files import write_json
from discogan.registry import OBJECTIVES
from discogan.run_folder import RunFolder
from discogan.run_records import Plan, RunDescription
from discogan.training.data import TrainingData
from discogan.training.monitor import Alarm
from discogan.training.observer import Observer, Outcome
from discogan.training.trainer import Trainer
from discogan.verdict import Probe, decide, measure_agreement

SEARCH_FRACTION = 0.4
"""Share of the budget that the search uses."""
COPIED_FILES = ("metrics.jsonl", "scores.jsonl", "last")
"""Files of the selected run that become the run's own, besides its folders."""
RoundScores = dict[str, float]
"""The score of each seed after a round."""


@dataclass(frozen=True)
class Round:
    """How many seeds take part in a round, and the share of the whole budget that each has used when it ends."""

    seeds: int
    share: float


def plan_rounds(seeds: int) -> list[Round]:
    """Return the rounds that select one of ``seeds`` (at least 2): equal in cost, together ``SEARCH_FRACTION``."""
    counts = [seeds]
    while counts[-1] > 2:
        counts.append((counts[-1] + 1) // 2)
    rounds, share = [], 0.0
    for count in counts:
        share += SEARCH_FRACTION / len(counts) / count
        rounds.append(Round(count, share))
    return rounds


def select_seed(
    description: RunDescription, run: RunFolder, data: TrainingData, observer: Observer
) -> Outcome | Config:
    """Run the rounds that are left, copy the selected run into ``run``, and return its settings.

    ``description`` is the one that the run's config.json would hold. Returns an ``Outcome`` if a signal interrupted the
    search: nothing is lost, and the next call continues it.
    """
    config = description.config
    if not run.plan.exists():
        _write_plan(run, Plan(description, ()))
    objective = OBJECTIVES.build(config.objective, "objective")
    probe = Probe(data.a.pixels, data.b.pixels, objective.directions, objective.round_trip_directions)
    scores: list[Mapping[str, float]] = list(run.read_plan().rounds)
    seeds = [config.seed + number for number in range(config.training.seeds_tried)]
    share = 0.0
    for number, search_round in enumerate(plan_rounds(len(seeds))):
        share = search_round.share
        if number == len(scores):
            trained = _train_round(description, run, data, observer, seeds, share)
            if isinstance(trained, Outcome):
                return trained
            scores.append(_score_round(run, probe, trained))
            _write_plan(run, Plan(description, tuple(scores)))
        round_scores = scores[number]
        observer.on_round(round_scores)
        ranking = sorted(round_scores, key=lambda seed: -round_scores[seed])
        seeds = [int(seed) for seed in ranking[: (len(seeds) + 1) // 2]]
    _promote(run, run.seed_run(seeds[0]))
    return _with_budget(replace(config, seed=seeds[0]), share + 1 - SEARCH_FRACTION)


def _train_round(
    description: RunDescription,
    run: RunFolder,
    data: TrainingData,
    observer: Observer,
    seeds: Sequence[int],
    share: float,
) -> Outcome | list[int]:
    """Train every seed up to its share of the budget; return the seeds that did not diverge.

    Returns the outcome if one was interrupted; raises ``DivergedError`` if all of them diverged.
    """
    trained: list[int] = []
    for seed in seeds:
        folder = run.seed_run(seed)
        config = _with_budget(replace(description.config, seed=seed), share)
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.create(replace(description, config=config))
        try:
            outcome = Trainer(config, folder, data, observer).fit()
        except DivergedError as error:
            if seed == seeds[-1] and not trained:
                raise
            observer.on_alarm(Alarm("divergence", f"Seed {seed} stops: {error.summary}"))
            continue
        if outcome.ended == "interrupted" or outcome.signal:
            return replace(outcome, ended="interrupted", run=run.path)
        trained.append(seed)
    return trained


def _score_round(run: RunFolder, probe: Probe, seeds: Sequence[int]) -> RoundScores:
    """Return each seed's score, its agreement with the other seeds included."""
    measured = {}
    for seed in seeds:
        model, _ = load_model(run.seed_run(seed).path, torch.device("cpu"))
        measured[seed] = probe.measure(model)
    scores: RoundScores = {}
    for seed, (metrics, thumbnails) in measured.items():
        references = [measured[reference][1] for reference in seeds if reference != seed]
        scores[str(seed)] = decide(metrics, measure_agreement(thumbnails, references)).score
    return scores


def _with_budget(config: Config, share: float) -> Config:
    """Return the configuration of a single seed with a share of the budget."""
    options = config.training
    return replace(
        config,
        training=replace(
            options,
            seeds_tried=1,
            steps=max(1, round(options.steps * share)) if options.steps else None,
            minutes=options.minutes * share if options.minutes else None,
        ),
    )


def _promote(run: RunFolder, selected: RunFolder) -> None:
    """Copy the selected run into ``run``. The caller writes config.json last, because it marks the folder as a run."""
    for path in selected.path.iterdir():
        if path.is_dir():
            shutil.copytree(path, run.path / path.name, dirs_exist_ok=True)
        elif path.name in COPIED_FILES:
            shutil.copy2(path, run.path / path.name)


def change_plan(run: RunFolder, description: RunDescription) -> None:
    """Change the settings of a search; the scores of finished rounds stay."""
    _write_plan(run, replace(run.read_plan(), description=description))


def _write_plan(run: RunFolder, plan: Plan) -> None:
    run.plan.parent.mkdir(exist_ok=True)
    write_json(run.plan, plan.to_dict())
