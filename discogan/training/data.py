"""The images a run trains on, decoded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discogan.config import Config
from discogan.data import Record, build_source
from discogan.data.anchors import Anchors, read_anchors
from discogan.data.store import Decoding, ImageStore, open_store
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
    data = config.data
    records = build_source(config.source).records()
    decodings = tuple(
        Decoding(data.image_size, channels, data.fit, data.background)
        for channels in (data.channels_a, data.channels_b)
    )
    stores = []
    for domain, listed, decoding in zip("ab", records, decodings, strict=True):

        def report(done: int, total: int, domain: str = domain) -> None:
            observer.on_prepare(domain, done, total)

        store = open_store(_limited(listed, data.limit), decoding, workers=data.workers, progress=report)
        if store.skipped:
            observer.on_skipped(domain, store.skipped)
        stores.append(store)
    folders = [Path(config.source[key]) if key in config.source else None for key in "ab"]
    return TrainingData(stores[0], stores[1], read_anchors(config.anchors, folders, (decodings[0], decodings[1])))


def _limited(records: list[Record], limit: int) -> list[Record]:
    """At most ``limit`` of the records, evenly spread; all where it is 0."""
    if not limit or len(records) <= limit:
        return records
    return [records[place * len(records) // limit] for place in range(limit)]
