"""The functions behind ``discogan.train``, ``resume``, ``load``, ``evaluate`` and ``match``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from discogan import evaluation, training
from discogan.config import Config, Table, load_config
from discogan.errors import ConfigError
from discogan.hub import fetch, is_hub_name
from discogan.matching import Matcher, Matching
from discogan.names import absolute, expand_user, name_of
from discogan.registry import TRACKERS
from discogan.report import write_report
from discogan.run_folder import RunFolder
from discogan.training import Observer, Observers, Outcome, StepCallback, StepReport
from discogan.translator import Translator

__all__ = ["evaluate", "load", "match", "resolve_config", "resume", "train"]


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
    seeds_tried: int | None = None,
    anchors: str | Path | None = None,
    settings: Sequence[str] = (),
    track: Sequence[str] = (),
    on_step: Callable[[StepReport], object] | None = None,
    observer: Observer | None = None,
) -> Outcome:
    """Train a translator between two folders of images and write it to the run folder ``out``.

    Parameters
    ----------
    a, b
        The image folders of domains A and B. ``a`` alone may be a folder with trainA and trainB, or the root folder
        of a source that ``settings`` name.
    out
        The run folder; it must not hold a run yet.
    preset
        The settings to start from (``discogan list`` shows them).
    image_size
        32, 64, 128 or 256 pixels.
    steps, minutes
        The budget; it replaces the preset's.
    seed
        The same seed and settings give the same run.
    seeds_tried
        Seeds that share the budget until the best one continues alone.
    anchors
        A CSV file of known pairs with the columns path_a,path_b.
    settings
        ``GROUP.OPTION=VALUE`` strings, as ``--set`` takes them.
    track
        Names of trackers (tensorboard, wandb).
    on_step
        Called after each step.
    observer
        Receives every training event.

    Raises ``ConfigError``, ``DataError``, ``RunError`` and ``DivergedError``.
    """
    options: dict[str, Any] = {"steps": steps, "minutes": minutes, "seeds_tried": seeds_tried}
    config = resolve_config(a, b, preset=preset, image_size=image_size, seed=seed, settings=settings, **options)
    if anchors is not None:
        config = replace(config, anchors=replace(config.anchors, file=name_of(absolute(expand_user(anchors)))))
    return _with_report(training.train(config, out, _observers(track, on_step, observer)))


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
    """Resume a run from its newest checkpoint, with the same result as if it had never stopped.

    ``steps`` or ``minutes`` replace the run's budget (the total, not an addition), and ``settings`` change its training
    options. Raises the errors of ``train``, and ``RunError`` if there is no run or its images have changed.
    """
    RunFolder(run).load_imports()  # They may register the trackers that ``track`` names.
    observers = _observers(track, on_step, observer)
    return _with_report(training.resume(run, steps=steps, minutes=minutes, settings=settings, observer=observers))


def _observers(
    track: Sequence[str], on_step: Callable[[StepReport], object] | None, observer: Observer | None
) -> Observer:
    observers = [observer] if observer else []
    if on_step:
        observers.append(StepCallback(on_step))
    observers += [TRACKERS.get(name).build() for name in track]
    return Observers(observers)


def _with_report(outcome: Outcome) -> Outcome:
    """Write the report of a run; one that was interrupted while it compared seeds has nothing to report yet."""
    if RunFolder(outcome.run).exists:
        write_report(outcome.run)
    return outcome


def load(run: str | Path, device: str = "auto") -> Translator:
    """Load a translator: a run (its best checkpoint), a single checkpoint, an ONNX file, or a run on the Hub.

    ``run`` is a path or, if nothing on this machine has that name, user/name on the Hugging Face Hub. ``device`` is
    auto, cpu, cuda or mps. Raises ``RunError``.
    """
    return Translator.load(fetch(str(run)) if is_hub_name(run) else run, device)


def evaluate(
    run: str | Path,
    pairs_a: str | Path | None = None,
    pairs_b: str | Path | None = None,
    *,
    azimuth_a: str | Path | None = None,
    azimuth_b: str | Path | None = None,
    metrics: Sequence[str] = (),
    settings: Sequence[str] = (),
    against: Sequence[str | Path] = (),
    inception_weights: str | Path | None = None,
    device: str = "auto",
) -> dict[str, Any]:
    """Score a run, and write evaluation.json and report.html into its folder.

    Parameters
    ----------
    run
        The run folder, or a single checkpoint, into which nothing is written.
    pairs_a, pairs_b
        Test images of A and B. A true pair has the same name in both folders.
    azimuth_a, azimuth_b
        Images of A and B with known azimuths.
    metrics
        Metrics on demand, such as coverage, fid, kid and lpips.
    settings
        Options of metrics, as ``METRIC.OPTION=VALUE`` strings.
    against
        Runs on the same folders with other seeds.
    inception_weights
        Shorthand for the setting ``weights`` of fid and kid.
    device
        auto, cpu, cuda or mps.

    Evidence of earlier evaluations of the same checkpoint still counts: pairs and azimuths unless others are given, and
    all runs in ``against``.

    The result has a table of values for each direction that the run trains, ``a_to_b`` and ``b_to_a``. ``values``
    describes them. Values that need pairs also come as ``identity_*`` (of the untranslated input) and ``chance_*`` (of
    a random partner). ``verdict`` is that of ``discogan.verdict``, or ``None`` if the training images are missing.
    ``azimuth``, ``given`` (the evidence), ``step``, ``paired``, ``images_a`` and ``images_b`` complete it.

    Raises ``ConfigError``, ``DataError`` and ``RunError``.
    """
    if inception_weights is not None:
        settings = [*settings, *(f"{name}.weights={inception_weights}" for name in ("fid", "kid") if name in metrics)]
    scores = evaluation.evaluate(
        run,
        pairs_a,
        pairs_b,
        azimuth_a=azimuth_a,
        azimuth_b=azimuth_b,
        metrics=metrics,
        settings=settings,
        against=against,
        device=device,
    )
    if evaluation.is_writable_run(run):
        write_report(run)
    return scores


def match(
    run: str | Path,
    a: str | Path,
    b: str | Path,
    *,
    count: int = 5,
    one_to_one: bool = False,
    device: str = "auto",
) -> Matching:
    """Find the likely counterparts in folder ``b`` of each image in folder ``a``, by the translations of a run.

    ``count`` is the number of counterparts of each image. ``one_to_one`` gives each image at most one, and no image
    twice: the assignment with the least total distance. ``Matching.write_csv`` writes the result. Raises
    ``ConfigError``, ``DataError`` and ``RunError``.
    """
    return Matcher(run, a, b, device).match(count, one_to_one)


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
    seeds_tried: int | None = None,
) -> Config:
    """Return the configuration of a new run; folders become absolute, so that it can be resumed from any folder."""
    config = load_config(
        preset,
        image_size=image_size,
        seed=seed,
        settings=settings,
        steps=steps,
        minutes=minutes,
        seeds_tried=seeds_tried,
    )
    return Config.from_dict({**config.to_dict(), "source": _source(Path(a), Path(b) if b else None, config.source)})


def _source(a: Path, b: Path | None, source: Table) -> Table:
    """Return the source for the folders given: two folders, one source's root, or one with trainA and trainB."""
    root = absolute(expand_user(a))
    if b is not None:
        return {"name": "folders", "a": name_of(root), "b": name_of(absolute(expand_user(b)))}
    if source["name"] != "folders":
        return {**source, "root": name_of(root)}
    if not (root / "trainA").is_dir():
        raise ConfigError(
            f"{a} has no trainA and trainB. Give two folders, A and B, or --set source.name=side_by_side."
        )
    return {"name": "train_ab", "root": name_of(root)}
