"""Observers in this package, one file each: trackers, and a live figure for notebooks.

A tracker is an ``Observer`` that is registered by name and built without arguments (``--track NAME``). metrics.jsonl
is written with and without a tracker.
"""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from discogan.run_summary import losses
from discogan.training import StepReport


def logged_values(report: StepReport) -> dict[str, float]:
    """Return the losses and the images per second by name at a logged step, and nothing at other steps."""
    if report.record is None:
        return {}
    return {**losses(report.record), "images_per_second": report.record["images_per_second"]}


def read_sheet(file: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return a sample sheet as uint8 (H, W, 3)."""
    with Image.open(file) as sheet:
        return np.asarray(sheet.convert("RGB"))
