"""The decoded images of a configuration's two domains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from discogan.config import Config
from discogan.data import Record, folder_records
from discogan.data.anchors import Anchors, read_anchors
from discogan.data.store import Decoding, ImageStore, open_store
from discogan.errors import DataError
from discogan.registry import SOURCES


def domain_decoding(config: Config, domain: str) -> Decoding:
    """How a run decodes the images of its domain ``a`` or ``b``."""
    data = config.data
    return Decoding(data.image_size, data.channels_a if domain == "a" else data.channels_b, data.fit, data.background)


def open_records(
    config: Config, domain: str, records: Sequence[Record], progress: Callable[[int, int], None] | None = None
) -> ImageStore:
    """The images listed, decoded as the run decodes those of the domain."""
    return open_store(records, domain_decoding(config, domain), workers=config.data.workers, progress=progress)


def open_folder(config: Config, domain: str, folder: Path) -> ImageStore:
    """Every image below a folder, decoded as the run decodes those of the domain."""
    return open_records(config, domain, folder_records(folder))


def open_domains(
    config: Config, progress: Callable[[str, int, int], None] | None = None
) -> tuple[ImageStore, ImageStore]:
    """The images that a run trains on; ``progress`` is called with (domain, images done, images in all).

    Raises ``DataError`` where they are gone or too many are broken.
    """

    def opened(domain: str, records: list[Record]) -> ImageStore:
        def report(done: int, total: int) -> None:
            if progress:
                progress(domain, done, total)

        return open_records(config, domain, _limited(records, config.data.limit), progress=report)

    if not config.knows_its_images:
        raise DataError("The run came without its images: what it was trained on is not known here.")
    records_a, records_b = SOURCES.build(config.source, "source").records()
    return opened("a", records_a), opened("b", records_b)


def open_anchors(config: Config) -> Anchors | None:
    """The known pairs that a run is given; ``None`` where there are none. Raises ``DataError``."""
    folders = [Path(config.source[key]) if key in config.source else None for key in "ab"]
    return read_anchors(config.anchors, folders, (domain_decoding(config, "a"), domain_decoding(config, "b")))


def _limited(records: list[Record], limit: int) -> list[Record]:
    """At most ``limit`` of the records, evenly spread; all where it is 0."""
    if not limit or len(records) <= limit:
        return records
    return [records[place * len(records) // limit] for place in range(limit)]
