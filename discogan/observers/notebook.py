"""A figure that follows a training in a notebook: ``discogan.train(..., on_step=LiveFigure())``."""

from __future__ import annotations

import importlib
import io
import time
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

from discogan.run_folder import RunFolder, losses
from discogan.training import StepReport


class LiveFigure:
    """Losses so far beside the newest samples, drawn anew every so many seconds.

    ``show`` takes a matplotlib figure; unless given, a picture in the notebook replaces the one before.
    """

    def __init__(self, seconds: float = 5.0, show: Any = None) -> None:
        self.seconds, self.show = seconds, show or _NotebookDisplay()
        self._records: list[dict[str, float]] = []
        self._drawn = float("-inf")

    def __call__(self, report: StepReport) -> None:
        """Take in a step."""
        if report.record is not None:
            self._records.append(report.record)
        if time.monotonic() - self._drawn > self.seconds or report.fraction >= 1:
            self.show(self._draw(report))
            self._drawn = time.monotonic()

    def _draw(self, report: StepReport) -> Figure:
        sheets = RunFolder(report.run).sheets()
        figure = Figure(figsize=(12, 4) if sheets else (6, 4), layout="constrained")
        panels = figure.subplots(1, 2, width_ratios=(1, 1.4)) if sheets else [figure.subplots()]
        steps = [record["step"] for record in self._records]
        for name in losses(self._records[-1]) if self._records else ():
            panels[0].plot(steps, [record.get(name, float("nan")) for record in self._records], label=name)
        panels[0].set_xlabel(f"step ({report.fraction:.0%} of the budget)")
        if self._records:
            panels[0].legend(fontsize=7)
        if sheets:
            with Image.open(sheets[-1]) as sheet:
                panels[1].imshow(sheet.convert("RGB"))
            panels[1].axis("off")
        return figure


class _NotebookDisplay:
    """Shows a figure in the place of the one before."""

    def __init__(self) -> None:
        self._display = importlib.import_module("IPython.display")  # A notebook has it.
        self._handle: Any = None

    def __call__(self, figure: Figure) -> None:
        # As a picture: a figure itself is drawn only where matplotlib's inline backend was chosen.
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=80)
        picture = self._display.Image(stream.getvalue())
        if self._handle is None:
            self._handle = self._display.display(picture, display_id=True)
        else:
            self._handle.update(picture)
