"""Starting a run and going on with one."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import discogan
from discogan.checkpoint import RunFolder, load_model, witnesses
from discogan.config import Config, change_training
from discogan.devices import describe_machine, own_state, pick_device
from discogan.errors import ConfigError, RunError
from discogan.files import write_json
from discogan.model import build_model
from discogan.objectives import build_objective
from discogan.training.data import TrainingData, prepare_data
from discogan.training.observer import Observer, Outcome
from discogan.training.starts import change_plan, choose_start, is_choosing, read_plan
from discogan.training.trainer import Trainer
from discogan.verdict import Verdict, examine, with_anchors


def train(config: Config, out: str | Path, observer: Observer | None = None) -> Outcome:
    """Start a run in the folder ``out`` and train it to its budget.

    Raises ``ConfigError``, ``DataError``, ``RunError`` where ``out`` holds a run, and ``DivergedError``.
    """
    observer = observer or Observer()
    check_config(config)
    run = RunFolder(out)
    run.require_new()
    _check_place(config, run.path)
    data = prepare_data(config, observer)
    run.path.mkdir(parents=True, exist_ok=True)
    with run.locked(), own_state(config.training.threads):
        return _go_on(run, config, _describe(config, data), data, observer)


def resume(
    out: str | Path,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    settings: Sequence[str] = (),
    observer: Observer | None = None,
) -> Outcome:
    """Go on with a run from its newest checkpoint, exactly as if it had never stopped.

    ``steps`` or ``minutes`` replace the run's budget (in total, not in addition) and ``settings``
    its training options, or ``source.a=...`` where images were moved; both are kept in its config.json. Raises
    ``RunError`` where there is no run or its images have changed.
    """
    observer = observer or Observer()
    run = RunFolder(out)
    run.require_whole()
    with run.locked():
        description = run.describe() if run.exists or not is_choosing(run) else read_plan(run)
        config = change_training(Config.from_dict(description["config"]), steps, minutes, settings)
        check_config(config)
        data = prepare_data(config, observer)
        _require_same_images(data.describe(), description["data"], run.path)
        description = {**description, "config": config.to_dict()}
        if run.exists:
            write_json(run.path / "config.json", description)
        else:
            change_plan(run, description)
        with own_state(config.training.threads or description["threads"]):
            return _go_on(run, config, description, data, observer)


def _go_on(
    run: RunFolder, config: Config, description: dict[str, Any], data: TrainingData, observer: Observer
) -> Outcome:
    """Choose a start where there are several, train to the budget, and say what was found."""
    if not run.exists and config.training.starts > 1:
        chosen = choose_start(description, run, data, observer)
        if isinstance(chosen, Outcome):
            observer.on_end(chosen)
            return chosen
        config = chosen
    if not run.exists:
        run.create({**description, "config": config.to_dict()})
    trainer = Trainer(config, run, data, observer)
    run.verdict.unlink(missing_ok=True)  # It was of a smaller budget.
    outcome = trainer.fit()
    if outcome.ended != "interrupted":
        verdict = _conclude(trainer)
        write_json(run.verdict, verdict.to_dict())
        outcome = replace(outcome, verdict=verdict)
    observer.on_end(outcome)
    return outcome


def _conclude(trainer: Trainer) -> Verdict:
    """The verdict on a run that has ended, with its other starts and held-out anchors as witnesses."""
    probe, anchors = trainer.probe, trainer.data.anchors
    model, _ = load_model(trainer.run.path, trainer.device)
    paths = witnesses(trainer.run.path, trainer.config.seed)
    verdict = examine(model, probe, (load_model(path, trainer.device)[0] for path in paths))
    return with_anchors(verdict, model, probe, anchors.held_out_a, anchors.held_out_b) if anchors else verdict


def _require_same_images(now: dict[str, Any], before: dict[str, Any], out: Path) -> None:
    changed = [f"domain {domain.upper()}" for domain in "ab" if now[domain]["key"] != before[domain]["key"]]
    changed += ["the anchors"] if now["anchors"] != before.get("anchors") else []
    if changed:
        raise RunError(
            f"The images of {' and of '.join(changed)} have changed since {out} was started; "
            "restore them, or start a new run."
        )


def check_config(config: Config) -> None:
    """Find mistakes in the settings before any image is decoded; raises ``ConfigError``."""
    if config.training.steps is None and config.training.minutes is None:
        raise ConfigError("There is no budget; give --steps N or --minutes M.")
    pick_device(config.training.device)
    build_objective(config.objective)
    with torch.device("meta"):
        build_model(config)


def _check_place(config: Config, out: Path) -> None:
    """A run below its own images would train on its samples, and could not be resumed."""
    for key in ("a", "b"):
        folder = config.source.get(key)
        if folder and out.resolve().is_relative_to(Path(folder).resolve()):
            raise ConfigError(f"{out} lies among the images of {folder}; give an --out outside of it.")


def _describe(config: Config, data: TrainingData) -> dict[str, Any]:
    return {
        "config": config.to_dict(),
        "data": data.describe(),
        **made_with(),
        "threads": config.training.threads or torch.get_num_threads(),
    }


def made_with() -> dict[str, Any]:
    """The versions, the machine and the source revision that are running, for whoever asks later what made a result."""
    return {
        "versions": {"discogan": discogan.__version__, "torch": torch.__version__, "python": platform.python_version()},
        "machine": describe_machine(),
        "git_revision": _git_revision(),
    }


def _git_revision() -> str | None:
    """The commit of the source tree that is running, where it is one."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
