"""compare.html: runs side by side, on the same images where they share them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from discogan.checkpoints import load_model
from discogan.config import Config
from discogan.data.domains import open_domains
from discogan.directions import LABELS, Direction, source_domain
from discogan.errors import ConfigError, DataError, RunError
from discogan.files import write_text
from discogan.images import Pixels
from discogan.labels import FIGURES, SCORES
from discogan.pages import render
from discogan.report.pictures import Picture, curves, picture, series, spread
from discogan.report.tables import verdict_words
from discogan.run_folder import RunSummary, read_summary

SHOWN = 8
NONE = "-"
"""What a cell without a value shows."""
Row = tuple[str, list[Picture]]


def comparison(runs: Sequence[str | Path]) -> list[dict[str, Any]]:
    """What is known of each run, as plain values: its settings, how far it is, the verdict, the scores."""
    return [_facts(read_summary(run)) for run in runs]


def write_comparison(runs: Sequence[str | Path], out: str | Path) -> Path:
    """One page with the runs side by side; raises ``ConfigError`` for fewer than two and ``RunError`` without a run."""
    if len(runs) < 2:
        raise ConfigError("Give two runs or more: discogan compare RUN RUN.")
    summaries = [read_summary(run) for run in runs]
    names = _distinct_names(summaries)
    scores = {name: series(summary.scores, ["score"]) for name, summary in zip(names, summaries, strict=True)}
    html = render(
        "compare.html",
        names=names,
        verdicts=[verdict_words(summary) for summary in summaries],
        rows=_rows(summaries),
        chart=curves({name: lines["score"] for name, lines in scores.items() if lines}, "Score without pairs"),
        grids=_grids(names, summaries),
    )
    file = Path(out)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, html)
    return file


def _distinct_names(summaries: Sequence[RunSummary]) -> list[str]:
    """The folders' names, or their paths where two are called alike."""
    names = [summary.name for summary in summaries]
    return names if len(set(names)) == len(names) else [str(summary.folder.path) for summary in summaries]


def _facts(summary: RunSummary) -> dict[str, Any]:
    evaluation = summary.evaluation or {}
    return {
        "run": str(summary.folder.path),
        "config": summary.config.to_dict(),
        "steps": summary.steps,
        "elapsed_seconds": summary.seconds,
        "score": summary.score,
        "verdict": summary.verdict,
        "evaluation": {key: evaluation[key] for key in (*LABELS, "azimuth", "paired") if key in evaluation} or None,
    }


def _rows(summaries: Sequence[RunSummary]) -> list[list[str]]:
    """Label, then a cell for each run; rows that say nothing of any run are left out."""
    facts = [_facts(summary) for summary in summaries]
    rows = [
        ["preset", *(f"{f['config']['preset']}, {f['config']['data']['image_size']} px" for f in facts)],
        ["seed", *(str(f["config"]["seed"]) for f in facts)],
        ["steps", *(f"{f['steps']:,}" for f in facts)],
        ["minutes trained", *(f"{f['elapsed_seconds'] / 60:.1f}" for f in facts)],
        ["score without pairs (1 is best)", *(_cell(f["score"]) for f in facts)],
    ]
    for way, arrow in LABELS.items():
        figures = [(f["verdict"] or {}).get("metrics", {}).get(way, {}) for f in facts]
        scores = [(f["evaluation"] or {}).get(way, {}) for f in facts]
        azimuths = [(f["evaluation"] or {}).get("azimuth", {}).get(way, {}) for f in facts]
        rows += [[f"{arrow}: {label}", *(_cell(of.get(key)) for of in scores)] for label, key in SCORES]
        rows.append([f"{arrow}: median azimuth error in degrees", *(_cell(of.get("median_error")) for of in azimuths)])
        rows += [[f"{arrow}: {label}", *(_cell(of.get(key)) for of in figures)] for label, key in FIGURES]
    return [row for row in rows if any(cell != NONE for cell in row[1:])] + _differing_settings(facts)


def _differing_settings(facts: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The settings that are not the same in all of them."""
    tables = [Config.from_dict(fact["config"]).flat() for fact in facts]
    names = sorted(set().union(*tables) - {"preset", "seed"})
    rows = [[name, *(str(table.get(name, NONE)) for table in tables)] for name in names]
    return [row for row in rows if len(set(row[1:])) > 1]


def _cell(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"


def _grids(names: Sequence[str], summaries: Sequence[RunSummary]) -> list[tuple[str, list[Row]]]:
    """For each direction some images and what each run makes of them; each run's own where they differ."""
    translations = {name: _translations(summary) for name, summary in zip(names, summaries, strict=True)}
    grids = []
    for way, arrow in LABELS.items():
        rows: list[Row] = []
        shown: Pixels | None = None
        for name, made in translations.items():
            if way not in made:
                continue
            images, translated = made[way]
            if shown is None or not np.array_equal(shown, images):
                rows.append(
                    (source_domain(way).upper(), _pictures(images, f"an image of {source_domain(way).upper()}"))
                )
                shown = images
            rows.append((name, _pictures(translated, f"its translation by {name}")))
        if rows:
            grids.append((arrow, rows))
    return grids


def _translations(summary: RunSummary) -> dict[Direction, tuple[Pixels, Pixels]]:
    """Some images and their translations, in each direction that the run has learned."""
    try:
        stores = open_domains(summary.config)
        model, _ = load_model(summary.folder.path, torch.device("cpu"))
    except (DataError, RunError):
        return {}  # Its images or its first checkpoint are missing; the figures are shown all the same.
    made = {}
    for way in model.directions:
        store = stores["ab".index(source_domain(way))]
        images = store.pixels[spread(len(store), SHOWN)]
        made[way] = images, model.translate_pixels(images, way)
    return made


def _pictures(images: Pixels, alt: str) -> list[Picture]:
    return [picture(pixels, f"{alt}, number {place + 1}") for place, pixels in enumerate(images)]
