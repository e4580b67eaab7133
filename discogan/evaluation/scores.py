"""Scores of a run: with true pairs how often it is right, without them what can be said all the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from discogan.checkpoints import load_model
from discogan.config import Config
from discogan.data import Record, folder_records
from discogan.data.domains import open_anchors, open_domains, open_records
from discogan.data.store import ImageStore
from discogan.devices import pick_device
from discogan.directions import Direction, opposite
from discogan.errors import DataError
from discogan.evaluation.extra import check_extra, extra_scores
from discogan.images import Pixels
from discogan.metrics import as_rgb
from discogan.metrics.diversity import diversity
from discogan.metrics.retrieval import chance_retrieval, retrieval
from discogan.metrics.round_trip import round_trip
from discogan.metrics.similarity import similarity
from discogan.metrics.sliced_wasserstein import sliced_wasserstein
from discogan.model import TranslationModel
from discogan.run_folder import RunFolder, read_progress, reference_checkpoints
from discogan.verdict import Probe, Verdict, assess, with_anchors, with_pairs

Scores = dict[str, Any]
UNPAIRED_IMAGES = 1024
OF_TRAINING = {"flip", "limit", "workers"}
"""Options of the data that change which images a run trains on, not how it sees one."""


def evaluate(
    run: str | Path,
    pairs_a: str | Path | None = None,
    pairs_b: str | Path | None = None,
    *,
    metrics: Sequence[str] = (),
    inception_weights: str | Path | None = None,
    against: Sequence[str | Path] = (),
    device: str = "auto",
) -> Scores:
    """Score a run in the directions that it has learned: ``{"a_to_b": {...}, "b_to_a": {...}, ...}``.

    With both folders of true pairs (same relative name, the suffix apart, in each): ``top_1``, ``top_5``,
    ``l1`` and ``ssim`` against the partner, each also as ``identity_*`` (the input itself, untranslated)
    and ``chance_*`` (a partner drawn at random). Always: ``round_trip_l1``, ``diversity`` and
    ``sliced_wasserstein``, on those images or else on the run's own; and ``verdict`` (``discogan.verdict``), always on
    the run's own images (``None`` where they are gone); runs to compare it with may be given as ``against``. ``step``
    is that of the checkpoint.
    ``metrics`` adds coverage, fid, kid or lpips (``discogan.evaluation.extra``). Raises ``ConfigError``,
    ``DataError``, ``RunError``.
    """
    if (pairs_a is None) != (pairs_b is None):
        raise DataError("True pairs need both folders; give --pairs-a and --pairs-b.")
    paired = pairs_a is not None and pairs_b is not None
    check_extra(metrics, paired)
    model, config = load_model(run, pick_device(device))
    verdict = _verdict_or_none(Path(run), model, config, [Path(other) for other in against], paired)
    if pairs_a and pairs_b:
        records_a, records_b = pair_records(Path(pairs_a), Path(pairs_b))
        stores = open_records(config, "a", records_a), open_records(config, "b", records_b)
    else:
        stores = open_domains(config)
    pixels_a, pixels_b = (_some(store, paired) for store in stores)
    scores: Scores = {
        "run": str(run),
        "step": read_progress(RunFolder(run).inference_checkpoint()).step,
        "paired": paired,
        "images_a": len(pixels_a),
        "images_b": len(pixels_b),
    }
    for direction in model.directions:
        source, target = (pixels_a, pixels_b) if direction == "a_to_b" else (pixels_b, pixels_a)
        scores[direction] = score_direction(model, source, target, direction, paired)
        if direction not in model.round_trip_directions:
            del scores[direction]["round_trip_l1"]  # The way back is not trained.
        if metrics:
            images, weights = as_unit(model.translate_pixels(source, direction)), inception_weights
            scores[direction] |= extra_scores(
                metrics, images, as_unit(target), paired=paired, weights=Path(weights) if weights else None
            )
    if verdict and paired:
        verdict = with_pairs(verdict, scores)
    scores["verdict"] = verdict.to_dict() if verdict else None
    return scores


def _verdict_or_none(
    run: Path, model: TranslationModel, config: Config, against: Sequence[Path], paired: bool
) -> Verdict | None:
    """The verdict; none for a run that was taken away from its images and has true pairs to be scored on instead."""
    try:
        return run_verdict(run, model, config, against)
    except DataError:
        if paired and not against:
            return None
        raise


def run_verdict(run: Path, model: TranslationModel, config: Config, against: Sequence[Path]) -> Verdict:
    """The verdict on the images that a run trains on; its own other starts are witnesses besides ``against``."""
    device = next(model.parameters()).device
    pixels_a, pixels_b = (store.pixels for store in open_domains(config))
    probe = Probe(pixels_a, pixels_b, model.directions, model.round_trip_directions)
    others: dict[int, TranslationModel] = {}
    for path in against:
        other, settings = load_model(path, device)
        _require_another_start(path, settings, run, config)
        others.setdefault(settings.seed, other)  # Another run of one seed is no further start.
    for path in reference_checkpoints(run, config.seed):
        other, settings = load_model(path, device)
        others.setdefault(settings.seed, other)
    verdict = assess(model, probe, others.values())
    anchors = open_anchors(config)
    return with_anchors(verdict, model, probe, anchors.held_out_a, anchors.held_out_b) if anchors else verdict


def _require_another_start(path: Path, other: Config, run: Path, config: Config) -> None:
    """Raises ``DataError`` for what cannot be compared with ``run``, or would only repeat it."""
    if path.resolve() == run.resolve():
        raise DataError(f"{path} is the run itself; give others, trained with another --seed.")
    seen = {name: value for name, value in asdict(config.data).items() if name not in OF_TRAINING}
    differing = [name for name, value in seen.items() if value != getattr(other.data, name)]
    if differing:
        raise DataError(f"{path} sees images otherwise ({', '.join(differing)}); give runs with the same settings.")
    if other.seed == config.seed:
        raise DataError(f"{path} is of the same seed, {other.seed}, and so no other start; train one with --seed.")


def score_direction(
    model: TranslationModel, source: Pixels, target: Pixels, direction: Direction, paired: bool
) -> dict[str, float]:
    """All figures of one direction; uint8 (N, H, W, C) ``source`` and ``target``, row by row partners if ``paired``."""
    translated = model.translate_pixels(source, direction)
    images, real, original = as_unit(translated), as_unit(target), as_unit(source)
    scores: dict[str, float] = {}
    if paired:
        scores |= retrieval(images, real) | similarity(images, real)
        scores |= _prefixed("identity", retrieval(original, real) | similarity(original, real))
        shuffled = real.roll(max(1, len(real) // 2), 0)
        scores |= _prefixed("chance", chance_retrieval(len(real)) | similarity(images, shuffled))
    scores |= round_trip(as_unit(model.translate_pixels(translated, opposite(direction))), original)
    return scores | diversity(images, real) | sliced_wasserstein(images, real)


def pair_records(folder_a: Path, folder_b: Path) -> tuple[list[Record], list[Record]]:
    """True pairs: the images whose name, without its suffix, stands in both folders, in the same order."""
    by_name_a, by_name_b = _by_name(folder_a), _by_name(folder_b)
    common = [name for name in by_name_a if name in by_name_b]
    if len(common) < 2:
        raise DataError(
            f"{folder_a} and {folder_b} have {len(common)} image names in common; "
            "true pairs carry the same name in both."
        )
    return [by_name_a[name] for name in common], [by_name_b[name] for name in common]


def _by_name(folder: Path) -> dict[str, Record]:
    """The images of a folder by their name without its suffix, which only one may have."""
    records: dict[str, Record] = {}
    for record in folder_records(folder):
        name = str(Path(record.name).with_suffix(""))
        if name in records:
            raise DataError(
                f"{folder} has {records[name].name} and {record.name}; true pairs go by that name, keep one."
            )
        records[name] = record
    return records


def _some(store: ImageStore, paired: bool) -> Pixels:
    """All images of true pairs; of a run's own images at most 1,024, evenly spread."""
    if paired and store.skipped:
        raise DataError(f"True pairs must all be readable: {store.skipped[0]}")
    return store.pixels if paired else store.pixels[:: 1 + (len(store) - 1) // UNPAIRED_IMAGES]


def as_unit(pixels: Pixels) -> Tensor:
    """uint8 (N, H, W, C) as float RGB (N, 3, H, W) in [0, 1], as metrics take it."""
    return as_rgb(torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 255)


def _prefixed(prefix: str, scores: dict[str, float]) -> dict[str, float]:
    return {f"{prefix}_{name}": value for name, value in scores.items()}
