"""A figure that shows a training in a notebook while it runs: ``discogan.train(..., on_step=LiveFigure())``."""

from __future__ import annotations

import importlib
import io
import time
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

from discogan.run_folder import RunFolder
from discogan.run_summary import losses
from discogan.training import StepReport


class LiveFigure:
    """The losses so far and the newest samples in one figure, drawn again every ``seconds`` seconds and at the end.

    ``show`` is called with each matplotlib figure; by default each one replaces the last one in the notebook.
    """

    def __init__(self, seconds: float = 5.0, show: Any = None) -> None:
        self.seconds, self.show = seconds, show or _NotebookDisplay()
        self._records: list[dict[str, float]] = []
        self._drawn_at = float("-inf")

    def __call__(self, report: StepReport) -> None:
        """Add a step, and draw the figure if it is time."""
        if report.record is not None:
            self._records.append(report.record)
        if time.monotonic() - self._drawn_at > self.seconds or report.fraction >= 1:
            self.show(self._draw(report))
            self._drawn_at = time.monotonic()

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
    """Shows a figure instead of the last one."""

    def __init__(self) -> None:
        self._display = importlib.import_module("IPython.display")  # Every notebook has it.
        self._handle: Any = None

    def __call__(self, figure: Figure) -> None:
        # As a picture, because figures appear only if matplotlib's inline backend is in use.
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=80)
        picture = self._display.Image(stream.getvalue())
        if self._handle is None:
            self._handle = self._display.display(picture, display_id=True)
        else:
            self._handle.update(picture)
