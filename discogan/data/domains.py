"""The decoded images of a configuration's two domains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from discogan.config import Config
from discogan.data import Listed, Record, folder_records, left_out_of, listing_folders
from discogan.data.anchors import Anchors, read_anchors
from discogan.data.decoding import Decoding
from discogan.data.store import ImageStore, open_store
from discogan.errors import DataError
from discogan.names import path_of
from discogan.registry import SOURCES


def domain_decoding(config: Config, domain: str) -> Decoding:
    """Return how a run decodes the images of its domain ``a`` or ``b``."""
    data = config.data
    channels, value_range = (
        (data.channels_a, data.value_range_a) if domain == "a" else (data.channels_b, data.value_range_b)
    )
    return Decoding(data.image_size, channels, data.fit, data.background, value_range, data.max_megapixels)


def open_records(
    config: Config, domain: str, records: Sequence[Record], progress: Callable[[int, int], None] | None = None
) -> ImageStore:
    """Decode the listed images as the run decodes those of the domain."""
    return open_store(records, domain_decoding(config, domain), workers=config.data.workers, progress=progress)


def open_folder(config: Config, domain: str, folder: Path) -> ImageStore:
    """Decode every image below a folder as the run decodes those of the domain."""
    with listing_folders() as listed:
        records = folder_records(folder)
    return replace(open_records(config, domain, records), left_out=left_out_of(records, listed))


def open_domains(
    config: Config, progress: Callable[[str, int, int], None] | None = None
) -> tuple[ImageStore, ImageStore]:
    """Return the training images of both domains. ``progress`` is called with (domain, images done, images in all).

    Raises ``DataError`` if the images are missing or too many are broken.
    """

    def open_domain(domain: str, records: list[Record], listed: Listed) -> ImageStore:
        def report(done: int, total: int) -> None:
            if progress:
                progress(domain, done, total)

        store = open_records(config, domain, _limit_records(records, config.data.limit), progress=report)
        return replace(store, left_out=left_out_of(records, listed))

    if not config.knows_its_images:
        raise DataError(
            "The training images of this run are not opened: it was shared without them, or was not trained by this "
            "user. Allow its image folders with discogan trust RUN, or use the original run folder."
        )
    with listing_folders() as listed:
        records_a, records_b = SOURCES.build(config.source, "source").records()
    return open_domain("a", records_a, listed), open_domain("b", records_b, listed)


def open_anchors(config: Config) -> Anchors | None:
    """Return the known pairs of a run, or ``None`` if it has none. Raises ``DataError``."""
    folders = [path_of(config.source[domain]) if domain in config.source else None for domain in ("a", "b")]
    return read_anchors(config.anchors, folders, (domain_decoding(config, "a"), domain_decoding(config, "b")))


def with_properties_of(config: Config, stores: tuple[ImageStore, ImageStore]) -> Config:
    """Return the configuration with the channels and the value ranges of these training images.

    Commands that use the run decode new images in the same way.
    """
    a, b = stores
    data = replace(
        config.data,
        channels_a=a.pixels.shape[3],
        channels_b=b.pixels.shape[3],
        value_range_a=a.value_range,
        value_range_b=b.value_range,
    )
    return replace(config, data=data)


def _limit_records(records: list[Record], limit: int) -> list[Record]:
    """Return at most ``limit`` evenly spaced records; 0 is no limit."""
    if not limit or len(records) <= limit:
        return records
    # Not ``evenly_spaced``: a resumed run must read the same images, and its store is keyed by them.
    return [records[index * len(records) // limit] for index in range(limit)]
