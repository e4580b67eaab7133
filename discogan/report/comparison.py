"""compare.html: runs side by side, with translations of the same images if the runs share them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from discogan.checkpoints import load_model
from discogan.config import Config
from discogan.data.domains import open_domains
from discogan.devices import pick_device
from discogan.directions import LABELS, Direction, source_and_target, source_domain
from discogan.errors import ConfigError, DataError, RunError
from discogan.files import write_text
from discogan.images import Pixels, evenly_spaced
from discogan.labels import NO_VALUE, VERDICT_METRICS, format_value, value_label
from discogan.pages import render
from discogan.report.pictures import Picture, curves, picture, series
from discogan.report.tables import describe_verdict, evaluation_values
from discogan.run_summary import RunSummary, read_summary

SHOWN_IMAGES = 8
PictureRow = tuple[str, list[Picture]]


def comparison(runs: Sequence[str | Path]) -> list[dict[str, Any]]:
    """Return the settings, progress, verdict and scores of each run as plain values."""
    return [read_summary(run).facts() for run in runs]


def write_comparison(runs: Sequence[str | Path], out: str | Path, device: str = "cpu") -> Path:
    """Write one page with the runs side by side.

    ``device`` translates the images. Raises ``ConfigError`` for fewer than two runs, and ``RunError`` if a folder
    has none.
    """
    if len(runs) < 2:
        raise ConfigError("A comparison needs two runs or more: discogan compare RUN RUN.")
    summaries = [read_summary(run) for run in runs]
    names = _distinct_names(summaries)
    score_curves = {}
    for name, summary in zip(names, summaries, strict=True):
        lines = series(summary.scores, ["score"])
        if lines:
            score_curves[name] = lines["score"]
    html = render(
        "compare.html",
        names=names,
        verdicts=[describe_verdict(summary) for summary in summaries],
        rows=_rows(summaries),
        chart=curves(score_curves, "Unsupervised score"),
        grids=_grids(names, summaries, device),
    )
    file = Path(out)
    write_text(file, html)
    return file


def _distinct_names(summaries: Sequence[RunSummary]) -> list[str]:
    """Return the folders' names, or their paths if two names are equal."""
    names = [summary.name for summary in summaries]
    return names if len(set(names)) == len(names) else [str(summary.folder.path) for summary in summaries]


def _rows(summaries: Sequence[RunSummary]) -> list[list[str]]:
    """Return a label and a cell for each run; rows without any value are left out."""
    facts = [summary.facts() for summary in summaries]
    rows = [
        ["preset", *(f"{fact['config']['preset']}, {fact['config']['data']['image_size']} px" for fact in facts)],
        ["seed", *(str(fact["config"]["seed"]) for fact in facts)],
        ["steps", *(f"{fact['steps']:,}" for fact in facts)],
        ["minutes trained", *(f"{fact['elapsed_seconds'] / 60:.1f}" for fact in facts)],
        ["unsupervised score (higher is better)", *(format_value(fact["score"]) for fact in facts)],
    ]
    evaluations = [fact["evaluation"] or {} for fact in facts]
    values = evaluation_values([evaluation for evaluation in evaluations if evaluation])
    for direction, arrow in LABELS.items():
        scores = [evaluation.get(direction, {}) for evaluation in evaluations]
        azimuths = [evaluation.get("azimuth", {}).get(direction, {}) for evaluation in evaluations]
        metrics = [(fact["verdict"] or {}).get("metrics", {}).get(direction, {}) for fact in facts]
        for value in values:
            rows.append(_row(f"{arrow}: {value_label(value)}", scores, value["key"]))
        rows.append(_row(f"{arrow}: median azimuth error in degrees (lower is better)", azimuths, "median_error"))
        for label, key in VERDICT_METRICS:
            rows.append(_row(f"{arrow}: {label}", metrics, key))
    return [row for row in rows if any(cell != NO_VALUE for cell in row[1:])] + _differing_settings(facts)


def _row(label: str, tables: Sequence[Mapping[str, float]], key: str) -> list[str]:
    return [label, *(format_value(table.get(key)) for table in tables)]


def _differing_settings(facts: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Return a row for each setting that is not equal in all runs."""
    tables = [Config.from_dict(fact["config"]).flat() for fact in facts]
    names = sorted(set().union(*tables) - {"preset", "seed"})
    rows = [[name, *(str(table.get(name, NO_VALUE)) for table in tables)] for name in names]
    return [row for row in rows if len(set(row[1:])) > 1]


def _grids(names: Sequence[str], summaries: Sequence[RunSummary], device: str) -> list[tuple[str, list[PictureRow]]]:
    """Return rows of pictures for each direction: the inputs, then the translations by each run.

    The inputs are repeated if a run was trained on other images.
    """
    translations = {name: _translations(summary, device) for name, summary in zip(names, summaries, strict=True)}
    grids = []
    for direction, arrow in LABELS.items():
        domain = source_domain(direction).upper()
        rows: list[PictureRow] = []
        shown: Pixels | None = None
        for name, by_direction in translations.items():
            if direction not in by_direction:
                continue
            images, translated = by_direction[direction]
            if shown is None or not np.array_equal(shown, images):
                rows.append((domain, _pictures(images, f"an image of {domain}")))
                shown = images
            rows.append((name, _pictures(translated, f"its translation by {name}")))
        if rows:
            grids.append((arrow, rows))
    return grids


def _translations(summary: RunSummary, device: str) -> dict[Direction, tuple[Pixels, Pixels]]:
    """Return some training images and their translations, in each direction that the run trains."""
    try:
        stores = open_domains(summary.config)
        model, _ = load_model(summary.folder.path, pick_device(device))
    except (DataError, RunError):
        # The images or the first checkpoint are missing. The values are shown without pictures.
        return {}
    translations = {}
    for direction in model.directions:
        store, _ = source_and_target(direction, *stores)
        images = store.pixels[evenly_spaced(len(store), SHOWN_IMAGES)]
        translations[direction] = images, model.translate_pixels(images, direction)
    return translations


def _pictures(images: Pixels, alt: str) -> list[Picture]:
    return [picture(pixels, f"{alt}, number {number}") for number, pixels in enumerate(images, start=1)]
