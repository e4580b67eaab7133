"""The images a run trains on, decoded."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from discogan.config import Config
from discogan.data.anchors import Anchors
from discogan.data.domains import open_anchors, open_domains, with_properties_of
from discogan.data.store import ImageStore
from discogan.run_records import DataRecord, DomainRecord, LeftOutRecord
from discogan.training.observer import Observer


@dataclass(frozen=True)
class TrainingData:
    """The images of both domains, and the known pairs if there are any."""

    a: ImageStore
    b: ImageStore
    anchors: Anchors | None = None

    def describe(self) -> DataRecord:
        """Return counts, fingerprints, skipped files and remarks on the images of both domains, for config.json."""
        return DataRecord(_describe(self.a), _describe(self.b), self.anchors.key if self.anchors else None)


def _describe(store: ImageStore) -> DomainRecord:
    left_out = LeftOutRecord(str(store.left_out), **asdict(store.left_out))
    return DomainRecord(store.key, len(store), tuple(store.skipped), left_out, store.depth)


def prepare_data(config: Config, observer: Observer) -> TrainingData:
    """Decode all images, or find them decoded in the cache."""
    stores = open_domains(config, observer.on_prepare)
    for domain, store in zip("ab", stores, strict=True):
        if store.skipped:
            observer.on_skipped(domain, store.skipped)
        if store.remarks():
            observer.on_remarks(domain, store.remarks())
    return TrainingData(*stores, open_anchors(with_properties_of(config, stores)))
