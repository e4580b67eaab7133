"""The calls behind ``discogan.train``, ``discogan.resume`` and ``discogan.load``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from discogan import training
from discogan.checkpoint import RunFolder
from discogan.config import Config, Table, load_config
from discogan.errors import ConfigError
from discogan.hub import fetch, is_hub_name
from discogan.report import write_report
from discogan.trackers import build_tracker
from discogan.training import Observer, Observers, Outcome, StepCallback, StepReport
from discogan.translator import Translator

__all__ = ["load", "resolve_config", "resume", "train"]


def train(
    a: str | Path,
    b: str | Path | None = None,
    *,
    out: str | Path,
    preset: str = "modern",
    image_size: int = 64,
    steps: int | None = None,
    minutes: float | None = None,
    seed: int = 0,
    starts: int | None = None,
    anchors: str | Path | None = None,
    settings: Sequence[str] = (),
    track: Sequence[str] = (),
    on_step: Callable[[StepReport], object] | None = None,
    observer: Observer | None = None,
) -> Outcome:
    """Train a translator between two folders of images, and leave it in the run folder ``out``.

    ``a`` alone may be a folder with trainA and trainB, or the root that a source named in ``settings``
    reads. ``steps`` or ``minutes`` replace the preset's budget, which ``starts`` runs from different seeds share
    until the best of them goes on alone. ``anchors`` is a CSV file of known pairs (``discogan.data.anchors``).
    ``settings`` are ``part.option=value`` strings. ``track`` names trackers (tensorboard, wandb), ``on_step`` is called
    after each step, and ``observer`` is told of everything. Raises ``ConfigError``, ``DataError``, ``RunError`` and
    ``DivergedError``.
    """
    options: dict[str, Any] = {"steps": steps, "minutes": minutes, "starts": starts}
    config = resolve_config(a, b, preset=preset, image_size=image_size, seed=seed, settings=settings, **options)
    if anchors is not None:
        config = replace(config, anchors=replace(config.anchors, file=str(Path(anchors).expanduser().resolve())))
    return _reported(training.train(config, out, _watching(track, on_step, observer)))


def resume(
    run: str | Path,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    settings: Sequence[str] = (),
    track: Sequence[str] = (),
    on_step: Callable[[StepReport], object] | None = None,
    observer: Observer | None = None,
) -> Outcome:
    """Go on with a run from its newest checkpoint, exactly as if it had never stopped.

    ``steps`` or ``minutes`` replace the run's budget (in total, not in addition) and ``settings`` its training options.
    Raises what ``train`` does, and ``RunError`` where there is no run or its images have changed.
    """
    watching = _watching(track, on_step, observer)
    return _reported(training.resume(run, steps=steps, minutes=minutes, settings=settings, observer=watching))


def _watching(
    track: Sequence[str], on_step: Callable[[StepReport], object] | None, observer: Observer | None
) -> Observer:
    """All who watch a training as one."""
    own = [observer] if observer else []
    calls = [StepCallback(on_step)] if on_step else []
    return Observers([*own, *calls, *(build_tracker(name) for name in track)])


def _reported(outcome: Outcome) -> Outcome:
    """Every run ends with its report; one that was stopped while it chose among starts has nothing to report yet."""
    if RunFolder(outcome.run).exists:
        write_report(outcome.run)
    return outcome


def load(run: str | Path, device: str = "auto") -> Translator:
    """What translates: of a run (its best checkpoint), one checkpoint, an exported ONNX file, or a run on the Hub.

    ``run`` is a path or, where nothing here has that name, user/name on the Hugging Face Hub. Raises ``RunError``.
    """
    return Translator.load(fetch(str(run)) if is_hub_name(run) else run, device)


def resolve_config(
    a: str | Path,
    b: str | Path | None,
    *,
    preset: str,
    image_size: int,
    steps: int | None,
    minutes: float | None,
    seed: int,
    settings: Sequence[str],
    starts: int | None = None,
) -> Config:
    """A configuration from what the user gave; folders become absolute, so that a run resumes from anywhere."""
    config = load_config(
        preset, image_size=image_size, seed=seed, settings=settings, steps=steps, minutes=minutes, starts=starts
    )
    return Config.from_dict({**config.to_dict(), "source": _source(Path(a), Path(b) if b else None, config.source)})


def _source(a: Path, b: Path | None, source: Table) -> Table:
    """The source for the folders given: two are simply that; one is a source's root, or holds trainA and trainB."""
    root = a.expanduser().resolve()
    if b is not None:
        return {"name": "folders", "a": str(root), "b": str(b.expanduser().resolve())}
    if source["name"] != "folders":
        return {**source, "root": str(root)}
    if not (root / "trainA").is_dir():
        raise ConfigError(f"{a} has no trainA and trainB; give two folders A B, or --set source.name=side_by_side.")
    return {"name": "train_ab", "root": str(root)}
