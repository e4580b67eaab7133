"""Discover how two domains of images correspond, from unpaired examples, and translate either way.

>>> discogan.train("photos", "sketches", out="runs/one", minutes=6)  # doctest: +SKIP
>>> discogan.load("runs/one").translate(image, "a_to_b")  # doctest: +SKIP
>>> discogan.evaluate("runs/one", "test/photos", "test/sketches")  # doctest: +SKIP
"""

import importlib
from typing import TYPE_CHECKING, Any

from discogan.errors import ConfigError, DataError, DiscoGANError, DivergedError, RunError

if TYPE_CHECKING:
    from discogan.api import load, resume, train
    from discogan.evaluation import evaluate
    from discogan.translator import Translator

__version__ = "0.1.0"

__all__ = [
    "ConfigError",
    "DataError",
    "DiscoGANError",
    "DivergedError",
    "RunError",
    "Translator",
    "evaluate",
    "load",
    "resume",
    "train",
]

# Imported when first asked for, so that `import discogan` and `discogan --help` do not load PyTorch.
_HOMES = {
    "Translator": "discogan.translator",
    "evaluate": "discogan.evaluation",
    "load": "discogan.api",
    "resume": "discogan.api",
    "train": "discogan.api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'discogan' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
