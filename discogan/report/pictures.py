"""Images and curves as text inside a page."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from PIL import Image

from discogan.images import Pixels, from_pixels

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8a8a8a", "#882255")
"""Distinct for colour-blind readers, on a light or dark background (Okabe and Ito 2008)."""
INK = "#123456"
"""Placeholder for the page's text colour, which depends on the reader's light or dark setting."""
Series = Mapping[str, tuple[Sequence[float], Sequence[float]]]
"""Lines by name: steps, and the value at each step."""


def series(records: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Series:
    """Return the lines called ``names`` from records that have a step."""
    lines = {}
    for name in names:
        points = [(record["step"], record[name]) for record in records if record.get(name) is not None]
        if points:
            steps, values = zip(*points, strict=True)
            lines[name.replace("_to_", "→").replace("_", " ")] = (steps, values)
    return lines


@dataclass(frozen=True)
class Picture:
    """An image inside a page, and what it shows in words."""

    source: str
    alt: str


SHOWN_PIXELS = 192
"""Smaller images are enlarged to this width: browsers enlarge them coarsely, and WebP halves the size of colours."""


def picture(image: Image.Image | Pixels, alt: str, quality: int = 88) -> Picture:
    """Return a Pillow image or uint8 (H, W, C) as a data URI with its description; small images are enlarged."""
    stream = io.BytesIO()
    shown = (image if isinstance(image, Image.Image) else from_pixels(image)).convert("RGB")
    if shown.width < SHOWN_PIXELS:
        shown = shown.resize((SHOWN_PIXELS, SHOWN_PIXELS * shown.height // shown.width), Image.Resampling.LANCZOS)
    shown.save(stream, "WEBP", quality=quality)
    return Picture(f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}", alt)


def _escape_name(name: str) -> str:
    """Escape a run's name for Matplotlib, which reads dollars as formulas and hides names that begin with _."""
    escaped = name.replace("$", r"\$")
    return f"\u200b{escaped}" if escaped.startswith("_") else escaped


def curves(series: Series, label: str) -> str:
    """Draw lines over steps as an SVG element in the page's text colour; empty if no line has two points."""
    shown = {name: points for name, points in series.items() if len(points[0]) > 1}
    if not shown:
        return ""
    with matplotlib.rc_context(
        # A fixed salt gives equal runs equal pages.
        {"svg.fonttype": "none", "svg.hashsalt": "discogan", "font.size": 9, "font.family": "sans-serif"}
    ):
        figure = Figure(figsize=(5.2, 2.9), layout="constrained")
        axes = figure.subplots()
        for number, (name, (steps, values)) in enumerate(shown.items()):
            style = "-" if number < len(COLOURS) else "--"
            colour = COLOURS[number % len(COLOURS)]
            axes.plot(steps, values, style, color=colour, label=_escape_name(name), linewidth=1.4)
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
    """Return the <svg> element: sized by the page, with a label for screen readers and ids that are unique."""
    element = svg[svg.index("<svg") :].replace(INK, "currentColor")
    opening = rf'<svg viewBox="\1" role="img" aria-label="{label}">'
    element = re.sub(r'<svg [^>]*viewBox="([^"]*)"[^>]*>', opening, element, count=1)
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    prefix = re.sub(r"\W+", "-", label)
    return re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{prefix}-", element)
