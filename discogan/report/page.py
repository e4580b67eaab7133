"""report.html: a run's verdict, translations, curves, scores, images and settings on one page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from discogan.checkpoints import load_model
from discogan.data.domains import open_domains
from discogan.data.store import ImageStore
from discogan.devices import pick_device
from discogan.directions import DIRECTIONS, Direction, opposite, source_and_target, source_domain, target_domain
from discogan.errors import DataError, RunError
from discogan.files import write_text
from discogan.images import Pixels, evenly_spaced, make_thumbnails
from discogan.labels import left_out_sentence
from discogan.metrics import pairwise_distances
from discogan.model import TranslationModel
from discogan.pages import render
from discogan.report.pictures import Picture, curves, picture, series
from discogan.report.tables import describe_verdict, score_rows, setting_rows, verdict_metric_rows
from discogan.run_folder import step_of
from discogan.run_summary import RunSummary, losses, read_summary

SHOWN_IMAGES = 12
"""Images of each domain in the grids."""
RANKED_IMAGES = 256
"""Images from which the best and worst round trips are chosen."""
EXTREME_IMAGES = 6
"""Best, and worst, round trips that are shown."""
EXTREME_SHARE = 8
"""The best and the worst are chosen from an eighth of the ranked images each, so that they can differ."""
MAX_SHEETS = 24
"""Sample sheets over time that a page holds at most, evenly spaced."""


@dataclass(frozen=True)
class Trip:
    """An image, its translation and, if the run trains it, its round trip."""

    images: list[Picture]
    note: str
    """The caption: the file name, or what the round trip loses."""


@dataclass(frozen=True)
class Grid:
    """Translations of one direction. ``best`` and ``worst`` are empty if the run trains no round trips."""

    title: str
    trips: list[Trip]
    best: list[Trip]
    worst: list[Trip]


def write_report(run: str | Path, device: str = "cpu") -> Path:
    """Write RUN/report.html from the contents of the run folder, also during training.

    ``device`` translates the images. Raises ``RunError`` if there is no run.
    """
    summary = read_summary(run)
    stores, missing = _stores(summary)
    model, samples = _model(summary, device), _samples(summary)
    html = render(
        "report.html",
        summary=summary,
        verdict=describe_verdict(summary),
        verdict_metrics=verdict_metric_rows(summary.verdict),
        scores=score_rows(summary.evaluation),
        has_pairs=bool(summary.evaluation and summary.evaluation["paired"]),
        left_out=left_out_sentence(summary.evaluation or {}),
        settings=setting_rows(summary),
        domains=[_domain(summary, domain, store) for domain, store in zip("ab", stores, strict=True)],
        missing=missing,
        grids=_grids(model, stores) if model else [],
        samples=samples,
        sheets=[[step, sheet.source, sheet.alt] for step, sheet in samples],
        commands=_commands(summary),
        charts=_charts(summary),
    )
    write_text(summary.folder.report, html)
    return summary.folder.report


def _stores(summary: RunSummary) -> tuple[tuple[ImageStore | None, ImageStore | None], str]:
    """Return the training images of both domains, or the sentence that says why they are missing."""
    try:
        return open_domains(summary.config), ""
    except DataError as error:
        return (None, None), str(error)


def _model(summary: RunSummary, device: str) -> TranslationModel | None:
    """Return the networks, or ``None`` before the first checkpoint."""
    try:
        return load_model(summary.folder.path, pick_device(device))[0]
    except RunError:
        return None


def _domain(summary: RunSummary, domain: str, store: ImageStore | None) -> dict[str, Any]:
    """Return a domain's folder, image count, skipped files and some of its images."""
    facts = summary.description.data.of(domain)
    images = []
    if store is not None:
        for row in evenly_spaced(len(store), SHOWN_IMAGES):
            images.append(picture(store.pixels[row], f"{domain.upper()}: {store.names[row]}"))
    return {
        "name": domain.upper(),
        "count": facts.count,
        "skipped": facts.skipped,
        "remarks": facts.remarks,
        "folder": summary.config.source.get(domain, summary.config.source.get("root", "")),
        "images": images,
    }


def _grids(model: TranslationModel, stores: tuple[ImageStore | None, ImageStore | None]) -> list[Grid]:
    grids = []
    for direction in model.directions:
        store, _ = source_and_target(direction, *stores)
        if store is not None:
            grids.append(_grid(model, store, direction))
    return grids


def _grid(model: TranslationModel, store: ImageStore, direction: Direction) -> Grid:
    """Return translations of evenly spaced images, and the best and worst round trips if those are trained."""
    has_round_trips = direction in model.round_trip_directions
    rows = evenly_spaced(len(store), RANKED_IMAGES if has_round_trips else SHOWN_IMAGES)
    originals = store.pixels[rows]
    translated = model.translate_pixels(originals, direction)
    source, target = source_domain(direction).upper(), target_domain(direction).upper()

    def trip(position: int, reconstructed: Pixels | None = None, note: str = "") -> Trip:
        name = store.names[rows[position]]
        images = [
            picture(originals[position], f"{source}: {name}"),
            picture(translated[position], f"{name} translated to {target}"),
        ]
        if reconstructed is not None:
            images.append(picture(reconstructed[position], f"{name} after a round trip"))
        return Trip(images, note or name)

    if not has_round_trips:
        return Grid(f"{source} → {target}", [trip(position) for position in range(len(rows))], [], [])
    reconstructed = model.translate_pixels(translated, opposite(direction))
    losses_l1 = np.abs(originals.astype(np.float32) - reconstructed).mean((1, 2, 3)) / 255
    order = np.argsort(losses_l1)
    candidates = max(EXTREME_IMAGES, len(order) // EXTREME_SHARE)
    trips = [trip(position, reconstructed) for position in evenly_spaced(len(rows), SHOWN_IMAGES)]
    best, worst = (
        [
            trip(position, reconstructed, f"L1 {losses_l1[position]:.3f}")
            for position in choose_varied(originals, extremes[:candidates], EXTREME_IMAGES)
        ]
        for extremes in (order, order[::-1])
    )
    return Grid(f"{source} → {target} → {source}", trips, best, worst)


def choose_varied(images: Pixels, ranked: npt.NDArray[np.intp], count: int) -> list[int]:
    """Return ``count`` of the ``ranked`` rows of some images, uint8 (N, H, W, C), in their order.

    The first is chosen, then always the one whose thumbnail is farthest from those chosen (Gonzalez 1985).
    """
    unit = torch.from_numpy(images[ranked]).permute(0, 3, 1, 2) / 255
    thumbnails = make_thumbnails(unit).flatten(1)
    distances = pairwise_distances(thumbnails, thumbnails)
    chosen = [0]
    while len(chosen) < min(count, len(ranked)):
        nearest = distances[:, chosen].min(1).values
        nearest[chosen] = -1
        chosen.append(int(nearest.argmax()))
    return [int(ranked[place]) for place in sorted(chosen)]


def _commands(summary: RunSummary) -> str:
    """Return commands that continue with this run, to copy."""
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
    """Return the sample sheets that training wrote, each with its step."""
    files = summary.folder.sheets()
    sheets = []
    for row in evenly_spaced(len(files), MAX_SHEETS):
        step = f"{step_of(files[row]):,}"
        alt = f"Samples at step {step}: each image, its translation, and its round trip, from both domains"
        with Image.open(files[row]) as sheet:
            sheets.append((step, picture(sheet, alt, quality=75)))
    return sheets


def _charts(summary: RunSummary) -> list[tuple[str, str]]:
    """Return titles and curves: the unsupervised score with its metrics, and the losses by kind."""
    names = list(losses(summary.metrics[-1])) if summary.metrics else []
    adversarial = [name for name in names if name.startswith(("adversarial", "discriminator"))]
    remaining = [name for name in names if name not in adversarial]
    score_names = ["score"]
    for direction in DIRECTIONS:
        score_names += [f"{direction}_{name}" for name in ("diversity", "round_trip", "distribution")]
    charts = [
        ("Unsupervised score and its metrics", series(summary.scores, score_names)),
        ("Generators against discriminators", series(summary.metrics, adversarial)),
        ("Other losses", series(summary.metrics, remaining)),
    ]
    drawn = [(title, curves(lines, title)) for title, lines in charts]
    return [(title, svg) for title, svg in drawn if svg]
