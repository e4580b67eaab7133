"""Decorators that add components of your own: ``@discogan.register.objective("mine")``.

A file with such components is loaded with ``--import FILE.py``, or from an installed package by an entry point.
``docs/extend.md`` shows one complete example of each.
"""

from discogan.registry import (
    DISCRIMINATORS,
    EXPORT_FORMATS,
    GENERATORS,
    METRICS,
    OBJECTIVES,
    SOURCES,
    TRACKERS,
)

__all__ = ["discriminator", "export_format", "generator", "metric", "objective", "source", "tracker"]

discriminator = DISCRIMINATORS.register
export_format = EXPORT_FORMATS.register
generator = GENERATORS.register
metric = METRICS.register
objective = OBJECTIVES.register
source = SOURCES.register
tracker = TRACKERS.register
