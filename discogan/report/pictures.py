"""Images and curves as text that a page can hold."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from discogan.images import Pixels, from_pixels

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8a8a8a", "#882255")
"""Told apart by colour-blind eyes, on light and dark ground (Okabe and Ito 2008)."""
INK = "#123456"
"""Stands for the page's own text colour, which is light or dark with the reader's setting."""
Series = Mapping[str, tuple[Sequence[float], Sequence[float]]]
"""Lines by name: what is on the horizontal and on the vertical axis."""


def series(records: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Series:
    """The lines called ``names`` from records that have a step."""
    lines = {}
    for name in names:
        points = [(record["step"], record[name]) for record in records if record.get(name) is not None]
        if points:
            steps, values = zip(*points, strict=True)
            lines[name.replace("_to_", "→").replace("_", " ")] = (steps, values)
    return lines


def spread(count: int, wanted: int) -> list[int]:
    """At most ``wanted`` places among ``count``, evenly spread, first and last among them."""
    return [int(place) for place in np.unique(np.linspace(0, count - 1, min(count, wanted)).round())] if count else []


@dataclass(frozen=True)
class Picture:
    """An image inside a page, and what it shows in words."""

    source: str
    alt: str


def picture(image: Image.Image | Pixels, alt: str, quality: int = 88) -> Picture:
    """A Pillow image or uint8 (H, W, C) as a data URI."""
    stream = io.BytesIO()
    shown = image if isinstance(image, Image.Image) else from_pixels(image)
    shown.convert("RGB").save(stream, "WEBP", quality=quality)
    return Picture(f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}", alt)


def _plain(name: str) -> str:
    """A run's name as Matplotlib shows it: no formula between dollars, and a leading underscore hides no line."""
    return "\u200b" + name.replace("$", r"\$") if name.startswith("_") else name.replace("$", r"\$")


def curves(series: Series, label: str) -> str:
    """Lines over steps as an SVG element that takes the page's text colour; empty where no line has two points."""
    shown = {name: points for name, points in series.items() if len(points[0]) > 1}
    if not shown:
        return ""
    with matplotlib.rc_context({"svg.fonttype": "none", "font.size": 9, "font.family": "sans-serif"}):
        figure = Figure(figsize=(5.2, 2.9), layout="constrained")
        axes = figure.subplots()
        for place, (name, (steps, values)) in enumerate(shown.items()):
            style = "-" if place < len(COLOURS) else "--"
            axes.plot(steps, values, style, color=COLOURS[place % len(COLOURS)], label=_plain(name), linewidth=1.4)
        axes.set_xlabel("step", color=INK)
        axes.tick_params(colors=INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(INK)
        axes.set_ylim(bottom=0)
        figure.legend(loc="outside upper center", ncols=2, frameon=False, labelcolor=INK)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    return _inline(stream.getvalue(), label)


def _inline(svg: str, label: str) -> str:
    """The <svg> element alone, sized by the page, named for screen readers, its ids its own."""
    element = svg[svg.index("<svg") :].replace(INK, "currentColor")
    opening = rf'<svg viewBox="\1" role="img" aria-label="{label}">'
    element = re.sub(r'<svg [^>]*viewBox="([^"]*)"[^>]*>', opening, element, count=1)
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    own = re.sub(r"\W+", "-", label)
    return re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{own}-", element)
