"""The paper's toy figure, and an animation of the training, from the recorded runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from discogan.files import atomic_path

TITLES = {"gan": "GAN", "recon_gan": "GAN with a reconstruction loss", "discogan": "DiscoGAN", "modern": "modern"}
FRAMES = 30
"""Frames of a recording before the last."""
FRAME_MILLISECONDS = 150


def frame_steps(steps: int) -> set[int]:
    """Return the steps of the frames; they are closer at the beginning, because most changes happen there."""
    return {round(steps * (frame / FRAMES) ** 2) for frame in range(FRAMES)}


def draw_claim(recorded: Mapping[str, Path], folder: Path) -> Path:
    """Draw toy.png: translated points coloured by mode over the output of discriminator B.

    The first panel shows the initial translations, the others each objective at the end of training.
    """
    runs = _load_runs(recorded)
    figure = Figure(figsize=(3.1 * (len(runs) + 1), 3.3), layout="tight")
    axes = figure.subplots(1, len(runs) + 1, squeeze=False)
    _draw(axes[0][0], next(iter(runs.values())), 0, "initial translations")
    for column, (objective, run) in enumerate(runs.items(), start=1):
        _draw(axes[0][column], run, -1, TITLES.get(objective, objective))
    with atomic_path(folder / "toy.png") as temporary:
        figure.savefig(temporary, dpi=90, bbox_inches="tight")
    return folder / "toy.png"


def draw_training(recorded: Mapping[str, Path], folder: Path) -> Path:
    """Draw toy.gif: the panels of ``draw_claim`` during training."""
    runs, pictures = _load_runs(recorded), []
    figure = Figure(figsize=(2.6 * len(runs), 3.0), dpi=75, layout="tight")
    canvas, axes = FigureCanvasAgg(figure), figure.subplots(1, len(runs), squeeze=False)
    palette = _palette()
    for frame in range(min(len(run["steps"]) for run in runs.values())):
        for column, (objective, run) in enumerate(runs.items()):
            axes[0][column].clear()
            _draw(axes[0][column], run, frame, f"{TITLES.get(objective, objective)}\nstep {run['steps'][frame]:,}")
        canvas.draw()  # type: ignore[no-untyped-call]
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")  # type: ignore[no-untyped-call]
        pictures.append(picture.quantize(palette=palette, dither=Image.Dither.NONE))
    durations = [FRAME_MILLISECONDS] * (len(pictures) - 1) + [3000]
    with atomic_path(folder / "toy.gif") as temporary:
        pictures[0].save(temporary, save_all=True, append_images=pictures[1:], duration=durations, loop=0)
    return folder / "toy.gif"


def _palette() -> Image.Image:
    """Return a palette of greys and three strengths of each mode's colour; an adaptive one would have only greys."""
    greys = [np.full(3, level) for level in np.linspace(0, 255, 34)]
    colours = 255 * mpl.colormaps["tab10"](range(10))[:, :3]
    blends = []
    for colour in colours:
        for strength in (1.0, 0.7, 0.4):
            blends.append(strength * colour + (1 - strength) * 220)
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.concatenate([*greys, *blends]).round().astype(np.uint8).tobytes())
    return palette


def _load_runs(recorded: Mapping[str, Path]) -> dict[str, Any]:
    """Return the recorded run of each objective that has a title, in the paper's order."""
    return {name: dict(np.load(recorded[name])) for name in TITLES if name in recorded}


def _draw(axes: Any, run: dict[str, Any], frame: int, title: str) -> None:
    edge, logits = float(run["edge"]), run["background"][frame].astype(np.float32)
    # Relativistic logits have no absolute scale, so each panel covers the range of its own values.
    shade = np.interp(logits, np.percentile(logits, [2, 98]), [0.0, 1.0])
    axes.imshow(
        shade,
        extent=(-edge, edge, -edge, edge),
        origin="lower",
        cmap="Greys_r",
        vmin=-1.5,
        vmax=1.0,
        interpolation="bilinear",
    )
    axes.scatter(*run["centres"].T, marker="x", color="black", s=60, linewidths=1)
    points = run["points"][frame].astype(np.float32)
    axes.scatter(*points.T, c=run["origins"], cmap="tab10", s=9, linewidths=0)
    axes.set(xlim=(-edge, edge), ylim=(-edge, edge), xticks=[], yticks=[])
    axes.set_title(title, fontsize=10)
