"""The images a run trains on, decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from discogan.config import Config
from discogan.data.anchors import Anchors
from discogan.data.domains import open_anchors, open_domains
from discogan.data.store import ImageStore
from discogan.training.observer import Observer


@dataclass(frozen=True)
class TrainingData:
    """Both domains, and the known pairs where there are some."""

    a: ImageStore
    b: ImageStore
    anchors: Anchors | None = None

    def describe(self) -> dict[str, Any]:
        """For config.json: what was counted and skipped, and the keys that tell whether the images are still those."""
        domains = (("a", self.a), ("b", self.b))
        return {
            **{domain: {"key": x.key, "count": len(x), "skipped": x.skipped} for domain, x in domains},
            "anchors": self.anchors.key if self.anchors else None,
        }


def prepare_data(config: Config, observer: Observer) -> TrainingData:
    """All images decoded, or found decoded in the cache."""
    stores = open_domains(config, observer.on_prepare)
    for domain, store in zip("ab", stores, strict=True):
        if store.skipped:
            observer.on_skipped(domain, store.skipped)
    return TrainingData(*stores, open_anchors(config))
