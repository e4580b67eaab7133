"""Decode the images of a domain: the settings, one image, and many images in several processes."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from PIL import Image

from discogan.data import Record
from discogan.data.matlab import matlab_view
from discogan.data.workers import map_in_processes
from discogan.errors import DataError
from discogan.files import open_regular
from discogan.images import Fit, Pixels, decode_image, dilate_dark, fit_image, to_pixels
from discogan.images.decoding import decode_or_measure, max_file_bytes, read_image_file
from discogan.images.ranges import Extent, ValueRange
from discogan.names import name_of

FORMAT_VERSION = 2
FORMAT_OF_VERSION_0_1 = 1
"""The format of the stores of version 0.1.0. Runs of that version keep its decoding, and so the keys of its stores."""
CHUNK_IMAGES = 64
"""Images that a worker decodes at a time."""
UNREADABLE = "unreadable"
"""What takes the place of the digest of a file that cannot be read."""
Item = TypeVar("Item")


@dataclass(frozen=True)
class Decoding:
    """The settings on which the stored pixels depend."""

    image_size: int
    channels: int | Literal["auto"]
    """1 is grey, 3 is RGB; ``auto`` is 1 if all images are grey."""
    fit: Fit = "crop"
    background: str = "white"
    value_range: str = "auto"
    """``auto``, ``image`` or ``LOW:HIGH``, as in ``DataOptions``."""
    max_megapixels: float = 100.0

    @property
    def max_pixels(self) -> int:
        """The most pixels of an image."""
        return round(self.max_megapixels * 1e6)

    @property
    def decoded_channels(self) -> int:
        """The channels of an image before all images are known."""
        return 3 if self.channels == "auto" else self.channels

    def key_fields(self) -> list[Any]:
        """Return what a store's key depends on, besides the images."""
        fields = asdict(self)
        if self.max_megapixels == Decoding.max_megapixels:
            del fields["max_megapixels"]
        if self.value_range == "image":
            del fields["value_range"]
            return [FORMAT_OF_VERSION_0_1, fields]
        value_range = ValueRange.parse(self.value_range)
        if value_range:
            fields["value_range"] = str(value_range)  # 0:255.0 is the same as 0:255.
        return [FORMAT_VERSION, fields]


def decode_record(record: Record, decoding: Decoding) -> Pixels:
    """Return one image as uint8 (image_size, image_size, channels); raise ``DataError`` if it is broken."""
    if record.view is not None:
        image = decode_image(matlab_view(record.path, record.view), decoding.decoded_channels, decoding.background)
    else:
        image = decode_image(
            record.path,
            decoding.decoded_channels,
            decoding.background,
            value_range=decoding.value_range,
            max_pixels=decoding.max_pixels,
            needed_pixels=_needed_pixels(record, decoding),
        )
    return _fit(image, record, decoding)


def _needed_pixels(record: Record, decoding: Decoding) -> int | None:
    """Return the size to which an image is reduced, or ``None`` if it is cut or changed at its full size before."""
    return decoding.image_size if record.half == "whole" and not record.dilate else None


def _fit(image: Image.Image, record: Record, decoding: Decoding) -> Pixels:
    """Return the part of an image that the record names, at the size of the networks."""
    if record.half != "whole":
        middle = image.width // 2
        left, right = (0, middle) if record.half == "left" else (middle, image.width)
        image = image.crop((left, 0, right, image.height))
    if record.dilate:
        image = dilate_dark(image)
    return to_pixels(fit_image(image, decoding.image_size, decoding.fit, decoding.background))


# Many images ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """Records to decode into rows of a file."""

    file: Path
    header_bytes: int
    records: Sequence[tuple[int, Record]]
    """Each with its row."""
    decoding: Decoding


@dataclass(frozen=True)
class Decoded:
    """What a job found, by row: digests of the bytes that it decoded, problems, and extents of deep images."""

    contents: dict[int, str]
    broken: dict[int, str]
    extents: dict[int, Extent]


def make_jobs(file: Path, rows: Sequence[tuple[int, Record]], decoding: Decoding, header_bytes: int) -> list[Job]:
    return [Job(file, header_bytes, chunk, decoding) for chunk in _chunks(rows)]


def _chunks(items: Sequence[Item]) -> list[Sequence[Item]]:
    return [items[start : start + CHUNK_IMAGES] for start in range(0, len(items), CHUNK_IMAGES)]


def run_jobs(jobs: Sequence[Job], workers: int) -> Iterator[tuple[int, Decoded]]:
    """Decode job by job, in several processes if there are many; yield (images done, result)."""
    done = 0
    for job, decoded in zip(jobs, map_in_processes(_decode_chunk, jobs, workers), strict=True):
        done += len(job.records)
        yield done, decoded


def _decode_chunk(job: Job) -> Decoded:
    """Decode some records into their rows of the file. Plain writes make a full disk an error, not a crash."""
    found = Decoded({}, {}, {})
    with job.file.open("r+b") as file:
        for row, record in job.records:
            try:
                found.contents[row], pixels, extent = _decode_contents(record, job.decoding)
            except _BrokenError as broken:
                found.contents[row], found.broken[row] = broken.content, str(broken.problem)
                continue
            if extent is not None:
                found.extents[row] = extent
            if pixels is not None:
                file.seek(job.header_bytes + row * pixels.nbytes)
                file.write(pixels.tobytes())
    return found  # Not synced here: that would idle a core, and the whole file is synced once at the end.


class _BrokenError(Exception):
    """An image that cannot be decoded, and the digest of its bytes."""

    def __init__(self, content: str, problem: DataError) -> None:
        self.content = content
        self.problem = problem
        super().__init__()


def _decode_contents(record: Record, decoding: Decoding) -> tuple[str, Pixels | None, Extent | None]:
    """Return the digest of the bytes of an image, its pixels, and its extent if it has more than 8 bits.

    There are no pixels if the extents of all images have to decide the value range first.
    """
    content = UNREADABLE
    try:
        if record.view is not None:
            content = _hash_file(record.path, max_file_bytes(decoding.max_pixels))
            return content, decode_record(record, decoding), None
        data = read_image_file(record.path, decoding.max_pixels)
        content = hashlib.sha256(data).hexdigest()
        image, extent = decode_or_measure(
            data,
            decoding.decoded_channels,
            decoding.background,
            value_range=decoding.value_range,
            max_pixels=decoding.max_pixels,
            needed_pixels=_needed_pixels(record, decoding),
            name=name_of(record.path),
        )
        return content, _fit(image, record, decoding) if image else None, extent
    except DataError as error:
        if isinstance(error.__cause__, MemoryError):
            raise  # The image may be whole, so it must not be cached as broken.
        raise _BrokenError(content, error) from error


def hash_contents(records: Sequence[Record], workers: int, max_bytes: int) -> list[str]:
    """Return the SHA-256 of each record's file, or ``UNREADABLE``."""
    digests: list[str] = []
    for chunk_digests in map_in_processes(partial(_hash_chunk, max_bytes=max_bytes), _chunks(records), workers):
        digests += chunk_digests
    return digests


def _hash_chunk(records: Sequence[Record], max_bytes: int) -> list[str]:
    return [_hash_file(record.path, max_bytes) for record in records]


def _hash_file(path: Path, max_bytes: int) -> str:
    """Return the SHA-256 of a file, or ``UNREADABLE`` if it is missing, not a file, or too large to be decoded."""
    try:
        with open_regular(path, max_bytes) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return UNREADABLE
