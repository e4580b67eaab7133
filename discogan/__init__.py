"""Discover how two domains of images correspond, from unpaired examples, and translate in both directions.

>>> discogan.train("photos", "sketches", out="runs/one", minutes=6)  # doctest: +SKIP
>>> discogan.load("runs/one").translate(image, "a_to_b")  # doctest: +SKIP
>>> discogan.evaluate("runs/one", "test/photos", "test/sketches")  # doctest: +SKIP
"""

import importlib
from typing import TYPE_CHECKING, Any

from discogan.errors import ConfigError, DataError, DiscoGANError, DivergedError, RunError

if TYPE_CHECKING:
    from discogan import register
    from discogan.api import evaluate, load, match, resume, train
    from discogan.exporting import export
    from discogan.observers.notebook import LiveFigure
    from discogan.training import Alarm, Observer, Outcome, StepReport
    from discogan.translator import Translator
    from discogan.version import __version__

__all__ = [
    "Alarm",
    "ConfigError",
    "DataError",
    "DiscoGANError",
    "DivergedError",
    "LiveFigure",
    "Observer",
    "Outcome",
    "RunError",
    "StepReport",
    "Translator",
    "__version__",
    "evaluate",
    "export",
    "load",
    "match",
    "register",
    "resume",
    "train",
]

# Imported on first use, so that `import discogan` and `discogan --help` do not import PyTorch.
_MODULES = {
    "Alarm": "discogan.training",
    "LiveFigure": "discogan.observers.notebook",
    "Observer": "discogan.training",
    "Outcome": "discogan.training",
    "StepReport": "discogan.training",
    "Translator": "discogan.translator",
    "__version__": "discogan.version",
    "evaluate": "discogan.api",
    "export": "discogan.exporting",
    "load": "discogan.api",
    "match": "discogan.api",
    "resume": "discogan.api",
    "train": "discogan.api",
}


def __getattr__(name: str) -> Any:
    if name == "register":
        return importlib.import_module("discogan.register")
    if name not in _MODULES:
        raise AttributeError(f"module 'discogan' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
