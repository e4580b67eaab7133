"""Scores of a run: metrics with true pairs if they are known, metrics without pairs, and the verdict."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from discogan.checkpoints import load_model, load_references
from discogan.config import Config
from discogan.data import Record, folder_records
from discogan.data.domains import open_anchors, open_domains, open_records
from discogan.data.store import ImageStore
from discogan.devices import pick_device
from discogan.directions import Direction, opposite
from discogan.errors import ConfigError, DataError
from discogan.evaluation.selection import select_metrics
from discogan.images import Pixels, to_unit_rgb
from discogan.metrics import Metric, describe_values
from discogan.model import TranslationModel
from discogan.names import absolute
from discogan.run_folder import RunFolder, reference_checkpoints
from discogan.run_records import Verdict
from discogan.verdict import Probe, assess, with_anchors, with_pairs

Scores = dict[str, Any]
MAX_UNPAIRED_IMAGES = 1024
"""Images of each domain that are scored without pairs."""
TRAINING_ONLY_OPTIONS = {"flip", "limit", "workers", "max_megapixels"}
"""Options of the data group that decide which images a run trains on, but not how the images are decoded."""


def score_run(
    run: str | Path,
    pairs_a: str | Path | None = None,
    pairs_b: str | Path | None = None,
    *,
    metrics: Sequence[str] = (),
    settings: Sequence[str] = (),
    against: Sequence[str | Path] = (),
    device: str = "auto",
) -> Scores:
    """Compute the scores and the verdict of a run from the evidence given; read and write no earlier evaluation.

    ``discogan.evaluate`` has the same parameters and describes the result. Raises ``ConfigError``, ``DataError`` and
    ``RunError``.
    """
    if (pairs_a is None) != (pairs_b is None):
        raise DataError("True pairs need both folders. Give --pairs-a and --pairs-b.")
    paired = pairs_a is not None and pairs_b is not None
    selected = select_metrics(metrics, settings, paired=paired)
    model, config = load_model(run, pick_device(device))
    verdict = _verdict_or_none(Path(run), model, config, [Path(path) for path in against], paired)
    if pairs_a and pairs_b:
        pairs = pair_records(Path(pairs_a), Path(pairs_b))
        stores = open_records(config, "a", pairs.a), open_records(config, "b", pairs.b)
        left_out = pairs.left_out
    else:
        left_out = {"a": [], "b": []}
        stores = open_domains(config)
    pixels_a, pixels_b = (_scored_images(store, paired) for store in stores)
    scores: Scores = {
        "run": str(run),
        "step": model.step,
        "paired": paired,
        "images_a": len(pixels_a),
        "images_b": len(pixels_b),
        "left_out": left_out,
        "values": describe_values(selected),
    }
    for direction in model.directions:
        source, target = (pixels_a, pixels_b) if direction == "a_to_b" else (pixels_b, pixels_a)
        trained = selected
        if direction not in model.round_trip_directions:
            # The reverse direction is not trained, so its round trips mean nothing.
            trained = {name: metric for name, metric in selected.items() if metric.compares != "round_trips"}
        scores[direction] = score_direction(model, source, target, direction, paired, trained)
    if verdict and paired:
        verdict = with_pairs(verdict, scores)
    scores["verdict"] = verdict.to_dict() if verdict else None
    return scores


def score_direction(
    model: TranslationModel,
    source: Pixels,
    target: Pixels,
    direction: Direction,
    paired: bool,
    metrics: Mapping[str, Metric] | None = None,
) -> dict[str, float]:
    """Compute metrics of one direction, by default all that are always computed.

    ``source`` and ``target`` are uint8 (N, H, W, C). Row i of one is the true partner of row i of the other if
    ``paired``. The images are translated once, whatever the number of metrics. Raises ``ConfigError`` if a metric
    returns other keys than it declares.
    """
    if metrics is None:
        metrics = select_metrics(paired=paired)
    translated = model.translate_pixels(source, direction)
    images, real, original = to_unit_rgb(translated), to_unit_rgb(target), to_unit_rgb(source)
    compared = {"translations": (images, real)}
    if any(metric.compares == "round_trips" for metric in metrics.values()):
        reconstructed = to_unit_rgb(model.translate_pixels(translated, opposite(direction)))
        compared["round_trips"] = (reconstructed, original)
    scores: dict[str, float] = {}
    for name, metric in metrics.items():
        values = metric.compute(*compared[metric.compares])
        declared = {value.key for value in metric.values}
        if values.keys() != declared:
            raise ConfigError(
                f"The metric {name} returned {', '.join(sorted(values))}, but declares {', '.join(sorted(declared))}. "
                "Make them equal."
            )
        scores |= values
        if metric.has_baselines:
            scores |= _with_prefix("identity", metric.compute(original, real))
            scores |= _with_prefix("chance", metric.chance(images, real))
    return scores


def _with_prefix(prefix: str, values: Mapping[str, float]) -> dict[str, float]:
    return {f"{prefix}_{key}": value for key, value in values.items()}


def _verdict_or_none(
    run: Path, model: TranslationModel, config: Config, against: Sequence[Path], paired: bool
) -> Verdict | None:
    """Return the verdict; ``None`` if the training images are missing but true pairs can be scored."""
    try:
        return run_verdict(run, model, config, against)
    except DataError:
        if paired and not against:
            return None
        raise


def run_verdict(run: Path, model: TranslationModel, config: Config, against: Sequence[Path]) -> Verdict:
    """Return the verdict on a run's training images.

    Reference runs are those in ``against``, and the run's own other seeds. Raises ``DataError`` for a run that cannot
    be compared.
    """
    device = next(model.parameters()).device
    pixels_a, pixels_b = (store.pixels for store in open_domains(config))
    probe = Probe(pixels_a, pixels_b, model.directions, model.round_trip_directions)
    references: dict[int, TranslationModel] = {}
    for path in against:
        reference, reference_config = load_model(path, device)
        _require_comparable(path, reference_config, run, config)
        # A second run with the same seed is no further evidence.
        references.setdefault(reference_config.seed, reference)
    for reference, reference_config in load_references(reference_checkpoints(run, config.seed), device):
        references.setdefault(reference_config.seed, reference)
    verdict = assess(model, probe, references.values())
    anchors = open_anchors(config)
    return with_anchors(verdict, model, probe, anchors.held_out_a, anchors.held_out_b) if anchors else verdict


def _require_comparable(path: Path, reference: Config, run: Path, config: Config) -> None:
    """Raise ``DataError`` unless a reference run was trained on the same images, and with another seed."""
    if absolute(path) == absolute(run):
        raise DataError(f"{path} is the run itself. Give runs that were trained with another --seed.")
    options = {name: value for name, value in asdict(config.data).items() if name not in TRAINING_ONLY_OPTIONS}
    differing = [name for name, value in options.items() if _differ(value, getattr(reference.data, name))]
    if differing:
        raise DataError(
            f"{path} decodes images differently ({', '.join(differing)}). Give runs with the same data settings."
        )
    images, reference_images = RunFolder(run).describe().data, RunFolder(path).describe().data
    others = [domain.upper() for domain in "ab" if images.of(domain).key != reference_images.of(domain).key]
    if others:
        raise DataError(
            f"{path} was trained on other images of {' and '.join(others)}, so it says nothing about {run}. "
            "Give runs on the same folders."
        )
    if reference.seed == config.seed:
        raise DataError(
            f"{path} has the same seed, {reference.seed}, so it confirms nothing. Give a run with another seed."
        )


def _differ(value: Any, reference_value: Any) -> bool:
    """Return whether two options differ. Runs without images of more than 8 bits record no value range."""
    return value != reference_value and not {value, reference_value} <= {"auto", "image"}


@dataclass(frozen=True)
class PairedRecords:
    """The true pairs of two folders, and the images that have no partner."""

    a: list[Record]
    b: list[Record]
    """Record i of B is the partner of record i of A."""
    left_out: dict[str, list[str]]
    """Names of the images without a partner, for the domains ``a`` and ``b``."""


def pair_records(folder_a: Path, folder_b: Path) -> PairedRecords:
    """Return the true pairs: images with the same name in both folders, without the suffix, in the order of A.

    Names are equal if they consist of the same characters, whether accents are composed or not. Names that differ only
    in case are equal if no other name is equal to them in this way. Raises ``DataError`` if there are fewer than two
    pairs, or if two files of a folder share a name.
    """
    names_a, names_b = _by_name(folder_a), _by_name(folder_b)
    partners = {name: name for name in names_a if name in names_b}
    folded_a = _by_folded_name(name for name in names_a if name not in partners)
    folded_b = _by_folded_name(name for name in names_b if name not in partners)
    for folded, spellings in folded_a.items():
        if len(spellings) == len(folded_b.get(folded, ())) == 1:
            partners[spellings[0]] = folded_b[folded][0]
    if len(partners) < 2:
        raise DataError(
            f"{folder_a} and {folder_b} have {len(partners)} image names in common. "
            "Give a true pair the same name in both folders."
        )
    used = set(partners.values())
    return PairedRecords(
        a=[record for name, record in names_a.items() if name in partners],
        b=[names_b[partners[name]] for name in names_a if name in partners],
        left_out={
            "a": [record.name for name, record in names_a.items() if name not in partners],
            "b": [record.name for name, record in names_b.items() if name not in used],
        },
    )


def _by_name(folder: Path) -> dict[str, Record]:
    """Return the images of a folder by their names without suffix, with composed accents."""
    records: dict[str, Record] = {}
    for record in folder_records(folder):
        name = unicodedata.normalize("NFC", str(Path(record.name).with_suffix("")))
        if name in records:
            raise DataError(
                f"{folder} has {records[name].name} and {record.name}. True pairs need one file per name; remove one."
            )
        records[name] = record
    return records


def _by_folded_name(names: Iterable[str]) -> dict[str, list[str]]:
    """Return names by what is left of them without case."""
    spellings: dict[str, list[str]] = {}
    for name in names:
        spellings.setdefault(unicodedata.normalize("NFC", name.casefold()), []).append(name)
    return spellings


def _scored_images(store: ImageStore, paired: bool) -> Pixels:
    """Return all images of true pairs, or at most ``MAX_UNPAIRED_IMAGES`` evenly spaced training images."""
    if paired and store.skipped:
        raise DataError(f"True pairs must all be readable: {store.skipped[0]}")
    return store.pixels if paired else store.pixels[:: 1 + (len(store) - 1) // MAX_UNPAIRED_IMAGES]
