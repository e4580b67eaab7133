"""Starting a run and resuming one."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from discogan import version
from discogan.checkpoints import load_model, load_references
from discogan.config import Config, change_training
from discogan.data.domains import with_properties_of
from discogan.devices import describe_machine, own_state, pick_device
from discogan.errors import ConfigError, DataError, RunError
from discogan.files import write_json
from discogan.model import build_model
from discogan.names import absolute, path_of
from discogan.registry import OBJECTIVES, imported_files, merge_imports
from discogan.run_folder import RunFolder, reference_checkpoints, trust_images
from discogan.run_records import DataRecord, RunDescription, Verdict
from discogan.training.data import TrainingData, prepare_data
from discogan.training.observer import Observer, Outcome
from discogan.training.seed_search import change_plan, select_seed
from discogan.training.trainer import Trainer
from discogan.verdict import assess, with_anchors


def train(config: Config, out: str | Path, observer: Observer | None = None) -> Outcome:
    """Start a run in the folder ``out`` and train it until its budget is used.

    Raises ``ConfigError``, ``DataError``, ``DivergedError``, and ``RunError`` if ``out`` already holds a run.
    """
    observer = observer or Observer()
    check_config(config)
    run = RunFolder(out)
    _require_outside_images(config, run.path)
    with run.claimed(), own_state(config.training.threads):
        data = prepare_data(config, observer)
        config = with_properties_of(config, (data.a, data.b))
        return _fit(run, _describe(config, data), data, observer)


def resume(
    out: str | Path,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    settings: Sequence[str] = (),
    observer: Observer | None = None,
) -> Outcome:
    """Resume a run from its newest checkpoint, with the same result as if it had never stopped.

    ``steps`` or ``minutes`` replace the run's budget (the total, not an addition). ``settings`` change its training
    options, or ``source.a=...`` if the images were moved. Both are kept in its config.json. Raises
    ``RunError`` if there is no run or its images have changed.
    """
    observer = observer or Observer()
    run = RunFolder(out)
    run.require_resumable()
    with run.locked():
        description = run.read_plan().description if run.is_search else run.describe_for_training()
        config = change_training(description.config, steps, minutes, settings)
        check_config(config)
        try:
            data = prepare_data(config, observer)
        except DataError as error:
            raise DataError(
                f"{error} If the images were moved, add --set source.a=DIR, source.b=DIR or source.root=DIR."
            ) from error
        _require_same_images(data.describe(), description.data, run.path)
        description = replace(description, config=config, imports=merge_imports(description.imports))
        trust_images(description)
        if run.exists:
            write_json(run.config, description.to_dict())
        else:
            change_plan(run, description)
        with own_state(config.training.threads or description.threads):
            return _fit(run, description, data, observer)


def _fit(run: RunFolder, description: RunDescription, data: TrainingData, observer: Observer) -> Outcome:
    """Select a seed if several are tried, train until the budget is used, and write the verdict."""
    if not run.exists and description.config.training.seeds_tried > 1:
        selected = select_seed(description, run, data, observer)
        if isinstance(selected, Outcome):
            observer.on_end(selected)
            return selected
        description = replace(description, config=selected)
    if not run.exists:
        run.create(description)
    trainer = Trainer(description.config, run, data, observer)
    outcome = trainer.fit()
    if outcome.ended != "interrupted":
        verdict = replace(_final_verdict(trainer), steps=outcome.step)
        write_json(run.verdict, verdict.to_dict())
        outcome = replace(outcome, verdict=verdict)
    observer.on_end(outcome)
    return outcome


def _final_verdict(trainer: Trainer) -> Verdict:
    """Return the verdict on a run that has ended, using the other seeds' runs and the held-out anchors."""
    run, probe, anchors = trainer.run.path, trainer.probe, trainer.data.anchors
    model, _ = load_model(run, trainer.device)
    paths = reference_checkpoints(run, trainer.config.seed)
    verdict = assess(model, probe, [reference for reference, _ in load_references(paths, trainer.device)])
    if anchors is None:
        return verdict
    return with_anchors(verdict, model, probe, anchors.held_out_a, anchors.held_out_b)


def _require_same_images(now: DataRecord, before: DataRecord, out: Path) -> None:
    changed = [f"domain {domain.upper()}" for domain in "ab" if now.of(domain).key != before.of(domain).key]
    if now.anchors != before.anchors:
        changed.append("the anchors")
    if changed:
        raise RunError(
            f"The images of {' and of '.join(changed)} have changed since {out} was started. "
            "Restore them, or start a new run."
        )


def check_config(config: Config) -> None:
    """Find mistakes in the settings before any image is decoded; raise ``ConfigError``."""
    if config.training.steps is None and config.training.minutes is None:
        raise ConfigError("There is no budget. Give --steps N or --minutes M.")
    pick_device(config.training.device)
    OBJECTIVES.build(config.objective, "objective")
    with torch.device("meta"):
        build_model(config)


def _require_outside_images(config: Config, out: Path) -> None:
    """Raise ``ConfigError`` for a run inside its own images: it would train on its samples."""
    for key in ("a", "b"):
        folder = config.source.get(key)
        if folder and absolute(out).is_relative_to(absolute(path_of(folder))):
            raise ConfigError(f"{out} is inside the image folder {folder}. Give an --out outside that folder.")


def _describe(config: Config, data: TrainingData) -> RunDescription:
    objective = OBJECTIVES.build(config.objective, "objective")
    description = RunDescription(
        config=config,
        directions=tuple(objective.directions),
        round_trip_directions=tuple(objective.round_trip_directions),
        data=data.describe(),
        threads=config.training.threads or torch.get_num_threads(),
        imports=imported_files(),
        **provenance(),
    )
    trust_images(description)
    return description


def provenance() -> dict[str, Any]:
    """Return the versions, the machine and the source revision that are running."""
    return {
        "versions": {
            "discogan": version.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "machine": describe_machine(),
        "git_revision": _git_revision(),
    }


def _git_revision() -> str | None:
    """Return the commit of the running source tree, or ``None`` if it is not a git checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
