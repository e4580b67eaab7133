"""Draw the experiments' figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

from discogan.directions import DIRECTIONS, LABELS, Direction
from discogan.experiments import Row, setting_name
from discogan.experiments.tables import group_rows
from discogan.files import atomic_path

POINT_STYLE = {"s": 9, "alpha": 0.35, "linewidths": 0}


def draw_azimuths(objectives: Sequence[str], rows: Sequence[Row], folder: Path) -> list[Path]:
    """Draw output azimuth against input azimuth, as in the paper: one figure per setting, one column per objective.

    A column shows the seed with the median A to B error. A relation that was found is a diagonal; it rises, or falls if
    the relation is mirrored.
    """
    settings: dict[str, list[Row]] = {}
    for group in group_rows(rows):
        middle = sorted(group, key=lambda row: row["a_to_b"]["median_error"])[(len(group) - 1) // 2]
        settings.setdefault(setting_name(middle), []).append(middle)
    files = []
    for stem, chosen in settings.items():
        chosen.sort(key=lambda row: objectives.index(row["objective"]))
        figure = Figure(figsize=(2.3 * len(chosen) + 0.6, 5), layout="tight")
        axes = figure.subplots(2, len(chosen), squeeze=False, sharex=True, sharey=True)
        for line, direction in enumerate(DIRECTIONS):
            for column, row in enumerate(chosen):
                _scatter(axes[line][column], row, direction)
            axes[line][0].set_ylabel(f"{LABELS[direction]}: output (degrees)")
        figure.supxlabel("azimuth of the input (degrees)", fontsize=10)
        files.append(folder / f"azimuths-{stem}.png")
        with atomic_path(files[-1]) as temporary:
            figure.savefig(temporary, dpi=100)
    return files


def draw_sheets(objectives: Sequence[str], folder: Path) -> list[Path]:
    """Stack the sheets of seed 0 of all objectives, as sheets-SETTING.jpg for each setting."""
    settings = {path.name.partition("-seed0-")[2] for path in (folder / "sheets").glob("*-seed0-*.png")}
    drawn = []
    for setting in sorted(settings):
        files = [folder / "sheets" / f"{name}-seed0-{setting}" for name in objectives]
        sheets = [Image.open(file) for file in files if file.exists()]
        width, height = max(sheet.width for sheet in sheets), sum(sheet.height for sheet in sheets)
        stack = Image.new("RGB", (width, height), "white")
        top = 0
        for sheet in sheets:
            stack.paste(sheet, (0, top))
            top += sheet.height
        drawn.append(folder / f"sheets-{setting.removesuffix('.png')}.jpg")
        with atomic_path(drawn[-1]) as temporary:
            stack.save(temporary, quality=88)
    return drawn


def _scatter(axes: Any, row: Row, direction: Direction) -> None:
    half_turn = max(map(abs, row["a_to_b"]["inputs"])) <= 90
    axes.set(xlim=(-95, 95) if half_turn else (-185, 185), ylim=(-185, 185))
    axes.set(xticks=[-90, 0, 90] if half_turn else [-180, 0, 180], yticks=[-180, -90, 0, 90, 180])
    axes.grid(alpha=0.25)
    if direction == "a_to_b":
        axes.set_title(row["objective"], fontsize=11)
    if direction not in row:
        axes.text(0.5, 0.5, "not trained", transform=axes.transAxes, ha="center", color="grey")
        return
    scores = row[direction]
    inputs = [(azimuth + 180) % 360 - 180 for azimuth in scores["inputs"]]
    axes.scatter(inputs, scores["outputs"], color="tab:blue", **POINT_STYLE)
    text = f"{scores['median_error']:.0f}°, r {scores['circular_correlation']:.2f}"
    axes.text(0.03, 0.97, text, transform=axes.transAxes, va="top", fontsize=9, bbox={"color": "white", "alpha": 0.7})
