"""Renders in MATLAB files, as the cars of Reed et al. 2015 come."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from discogan.errors import DataError
from discogan.images import Pixels

ELEVATION = 3
"""The elevation that the official DiscoGAN code uses, of four."""


def matlab_view(path: Path, view: int) -> Image.Image:
    """View number ``view`` of 24 azimuths, 15 degrees apart; raises ``DataError`` for another kind of file."""
    renders = _renders(path)
    if not 0 <= view < renders.shape[3]:
        raise DataError(f"{path} has {renders.shape[3]} azimuths and no number {view}; download it again.")
    return Image.fromarray(np.ascontiguousarray(renders[:, :, :, view, ELEVATION]))


@lru_cache(maxsize=2)
def _renders(path: Path) -> Pixels:
    """``im`` of the file: uint8 (height, width, 3, azimuths, elevations)."""
    # Here, for every process that decodes images imports this module and few read such files.
    from scipy.io import loadmat

    try:
        renders: Pixels = loadmat(path, variable_names=["im"])["im"]
    except Exception as error:  # SciPy's reader raises almost anything for a damaged file.
        raise DataError(f"{path} is not a MATLAB file of renders ({error}); download it again.") from error
    if renders.dtype != np.uint8 or renders.ndim != 5 or renders.shape[2] != 3 or renders.shape[4] <= ELEVATION:
        raise DataError(f"{path} holds {renders.dtype} {renders.shape}, not uint8 (height, width, 3, 24, 4).")
    return renders
