"""A figure that follows a training in a notebook: ``discogan.train(..., on_step=LiveFigure())``."""

from __future__ import annotations

import time
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

from discogan.extras import import_extra
from discogan.tracking import losses
from discogan.training import StepReport


class LiveFigure:
    """Losses so far beside the newest samples, drawn anew every so many seconds.

    ``show`` takes a matplotlib figure; unless given, the notebook's own display replaces the one before.
    """

    def __init__(self, seconds: float = 5.0, show: Any = None) -> None:
        self.seconds, self.show = seconds, show or _NotebookDisplay()
        self._records: list[dict[str, float]] = []
        self._drawn = float("-inf")

    def __call__(self, report: StepReport) -> None:
        """Take in a step."""
        if report.record is not None:
            self._records.append(report.record)
        if self._records and (time.monotonic() - self._drawn > self.seconds or report.fraction >= 1):
            self.show(self._draw(report))
            self._drawn = time.monotonic()

    def _draw(self, report: StepReport) -> Figure:
        sheets = sorted((report.run / "samples").glob("step-*.png"))
        figure = Figure(figsize=(12, 4) if sheets else (6, 4), layout="constrained")
        panels = figure.subplots(1, 2, width_ratios=(1, 1.4)) if sheets else [figure.subplots()]
        steps = [record["step"] for record in self._records]
        for name in losses(self._records[-1]):
            panels[0].plot(steps, [record.get(name, float("nan")) for record in self._records], label=name)
        panels[0].set_xlabel(f"step ({report.fraction:.0%} of the budget)")
        panels[0].legend(fontsize=7)
        if sheets:
            with Image.open(sheets[-1]) as sheet:
                panels[1].imshow(sheet.convert("RGB"))
            panels[1].axis("off")
        return figure


class _NotebookDisplay:
    """Shows a figure in the place of the one before."""

    def __init__(self) -> None:
        self._display = import_extra("IPython.display", "track", "A live figure")
        self._handle: Any = None

    def __call__(self, figure: Figure) -> None:
        if self._handle is None:
            self._handle = self._display.display(figure, display_id=True)
        else:
            self._handle.update(figure)
