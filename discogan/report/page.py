"""report.html: what a run was trained on, what it makes of it, and what can be said of the relation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from markupsafe import Markup
from PIL import Image

from discogan.checkpoints import load_model
from discogan.data.domains import open_domains
from discogan.data.store import ImageStore
from discogan.directions import DIRECTIONS, Direction, opposite, source_domain, target_domain
from discogan.errors import DataError, RunError
from discogan.files import write_text
from discogan.images import Pixels
from discogan.model import TranslationModel
from discogan.pages import render
from discogan.report.pictures import Picture, curves, picture, series, spread
from discogan.report.tables import figure_rows, score_rows, setting_rows, verdict_words
from discogan.run_folder import RunSummary, losses, read_summary, step_of

SHOWN = 12
"""Images of each domain in the grids."""
RANKED = 256
"""Images among which the best and worst round trips are looked for."""
EXTREMES = 6
SHEETS = 24
"""Samples over time that a page holds at most, evenly spread."""


@dataclass(frozen=True)
class Trip:
    """An image, its translation and its round trip."""

    images: list[Picture]
    note: str = ""


@dataclass(frozen=True)
class Grid:
    """Trips that start from one domain, and the best and worst of them."""

    title: str
    trips: list[Trip]
    best: list[Trip]
    worst: list[Trip]


def write_report(run: str | Path) -> Path:
    """Make RUN/report.html from what the run folder holds, also while it trains; raises ``RunError`` without a run."""
    summary = read_summary(run)
    stores, missing = _stores(summary)
    model, samples = _model(summary), _samples(summary)
    html = render(
        "report.html",
        summary=summary,
        verdict=verdict_words(summary),
        figures=figure_rows(summary.verdict["metrics"] if summary.verdict else {}),
        scores=score_rows(summary.evaluation),
        settings=setting_rows(summary),
        domains=[_domain(summary, domain, store) for domain, store in zip("ab", stores, strict=True)],
        missing=missing,
        grids=_grids(model, stores) if model else [],
        samples=samples,
        samples_json=Markup(json.dumps([[step, sheet.source, sheet.alt] for step, sheet in samples])),
        commands=_commands(summary),
        charts=[chart for chart in _charts(summary) if chart[1]],
    )
    write_text(summary.folder.report, html)
    return summary.folder.report


def _stores(summary: RunSummary) -> tuple[Sequence[ImageStore | None], str]:
    """The images that the run trains on, or the sentence that says why they are not shown."""
    try:
        return open_domains(summary.config), ""
    except DataError as error:
        return (None, None), str(error)


def _model(summary: RunSummary) -> TranslationModel | None:
    try:
        return load_model(summary.folder.path, torch.device("cpu"))[0]
    except RunError:
        return None  # No checkpoint yet.


def _domain(summary: RunSummary, domain: str, store: ImageStore | None) -> dict[str, Any]:
    known = summary.description.data[domain]
    rows = spread(len(store), SHOWN) if store else []
    return {
        "name": domain.upper(),
        "count": known["count"],
        "skipped": known["skipped"],
        "folder": summary.config.source.get(domain, summary.config.source.get("root", "")),
        "images": [picture(store.pixels[row], f"{domain.upper()}: {store.names[row]}") for row in rows]
        if store
        else [],
    }


def _grids(model: TranslationModel, stores: Sequence[ImageStore | None]) -> list[Grid]:
    grids = []
    for direction in model.directions:
        store = stores["ab".index(source_domain(direction))]
        if store is not None:
            grids.append(_grid(model, store, direction))
    return grids


def _grid(model: TranslationModel, store: ImageStore, direction: Direction) -> Grid:
    """Return translations of evenly spaced images, and the best and worst round trips if those are trained."""
    way_back = direction in model.round_trip_directions
    rows = spread(len(store), RANKED if way_back else SHOWN)
    there = model.translate_pixels(store.pixels[rows], direction)
    source, target = source_domain(direction).upper(), target_domain(direction).upper()

    def trip(place: int, back: Pixels | None = None, note: str = "") -> Trip:
        name = store.names[rows[place]]
        images = [
            picture(store.pixels[rows[place]], f"{source}: {name}"),
            picture(there[place], f"{name} translated to {target}"),
            *([] if back is None else [picture(back[place], f"{name} there and back")]),
        ]
        return Trip(images, note or name)

    if not way_back:
        return Grid(f"{source} → {target}", [trip(place) for place in range(len(rows))], [], [])
    back = model.translate_pixels(there, opposite(direction))
    lost = np.abs(store.pixels[rows].astype(np.float32) - back).mean((1, 2, 3)) / 255
    order = np.argsort(lost)
    best, worst = (
        [trip(place, back, f"L1 {lost[place]:.3f}") for place in part]
        for part in (order[:EXTREMES], order[::-1][:EXTREMES])
    )
    trips = [trip(place, back) for place in spread(len(rows), SHOWN)]
    return Grid(f"{source} → {target} → {source}", trips, best, worst)


def _commands(summary: RunSummary) -> str:
    """How to go on with this run, to copy."""
    run = summary.folder.path
    return "\n".join(
        (
            f"discogan translate {run} INPUT --direction a_to_b --out DIR",
            f"discogan match {run} FOLDER_A FOLDER_B --out matches.csv",
            f"discogan evaluate {run} --pairs-a DIR --pairs-b DIR",
            f"discogan train --resume {run} --minutes M",
            f"discogan export {run} --direction a_to_b --out model.onnx",
        )
    )


def _samples(summary: RunSummary) -> list[tuple[str, Picture]]:
    """Sheets that training drew, by step."""
    files = summary.folder.sheets()
    sheets = []
    for file in (files[row] for row in spread(len(files), SHEETS)):
        step = f"{step_of(file):,}"
        alt = f"Samples at step {step}: each image, its translation, and its round trip, from both domains"
        with Image.open(file) as sheet:
            sheets.append((step, picture(sheet, alt, quality=75)))
    return sheets


def _charts(summary: RunSummary) -> list[tuple[str, str]]:
    """Titles and curves: the losses by kind, and what is said without pairs."""
    names = list(losses(summary.metrics[-1])) if summary.metrics else []
    rivals = [name for name in names if name.startswith(("adversarial", "discriminator"))]
    charts = (("Generators against discriminators", rivals), ("Other losses", [n for n in names if n not in rivals]))
    made = [(title, curves(series(summary.metrics, of), title)) for title, of in charts]
    said = ["score", *(f"{way}_{name}" for way in DIRECTIONS for name in ("diversity", "round_trip", "distribution"))]
    title = "Without pairs: the score, and what it is made of"
    return [(title, curves(series(summary.scores, said), title)), *made]
