"""Renders in MATLAB files, the format of the cars of Reed et al. 2015."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from discogan.errors import DataError
from discogan.images import Pixels

ELEVATION = 3
"""Index of the elevation that the official DiscoGAN code uses, of four."""


def matlab_view(path: Path, view: int) -> Image.Image:
    """Return view number ``view`` of 24 azimuths, 15 degrees apart.

    Raises ``DataError`` if the file is not such a file or has no such view.
    """
    renders = _renders(path)
    if not 0 <= view < renders.shape[3]:
        raise DataError(f"{path} has {renders.shape[3]} azimuths, but number {view} is needed. Download it again.")
    return Image.fromarray(np.ascontiguousarray(renders[:, :, :, view, ELEVATION]))


@lru_cache(maxsize=2)
def _renders(path: Path) -> Pixels:
    """Return ``im`` of the file, uint8 (height, width, 3, azimuths, elevations)."""
    # Imported here, because every decoding process imports this module and few read such files.
    from scipy.io import loadmat

    try:
        renders: Pixels = loadmat(path, variable_names=["im"])["im"]
    except Exception as error:  # SciPy's reader raises almost anything for a damaged file.
        raise DataError(f"{path} is not a MATLAB file of renders ({error}). Download it again.") from error
    if renders.dtype != np.uint8 or renders.ndim != 5 or renders.shape[2] != 3 or renders.shape[4] <= ELEVATION:
        raise DataError(f"{path} contains {renders.dtype} {renders.shape}, not uint8 (height, width, 3, 24, 4).")
    return renders
