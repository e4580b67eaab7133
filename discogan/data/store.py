"""Images decoded once into a memory-mapped array, so that training does not wait for ``decoding``.

    CACHE/stores/KEY/pixels.npy    uint8 (count, height, width, channels)
                     index.json    names, skipped files, value range, key, digest of pixels.npy
    CACHE/listings/DIGEST          contains KEY, so that opening it again reads no image file

KEY is a digest of the files' bytes and of the decoding settings. There are listings by the names, sizes, times and
inodes of files, and by the content of files whose value range is not decided yet.

A store appears under its name when it is complete and on disk. Its digest is checked each time that it is opened. A
damaged store is built again.
"""

import errno
import hashlib
import io
import json
import math
import mmap
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from discogan.data import Record
from discogan.data.cache import KEY, KEY_LENGTH, Cache, building_folder
from discogan.data.decoding import Decoding, Job, hash_contents, make_jobs, run_jobs
from discogan.errors import CacheError, DataError, RecordError
from discogan.files import cache_folder, open_regular, sync, write_json, write_text
from discogan.images import LeftOut, Pixels, parse_colour
from discogan.images.decoding import max_file_bytes
from discogan.images.ranges import (
    Extent,
    ValueRange,
    choose_range,
    describe_range,
    merge_extents,
    require_one_kind,
)
from discogan.names import name_of
from discogan.records import Count, Sha256, read_record

MAX_BROKEN_SHARE = 0.05
"""Share of the images that may be broken."""
LARGE_STORE_BYTES = 2**30
"""Size from which a store may not fit into memory."""
TIMESTAMP_SECONDS = 0.02
"""Two changes of a file within this time can get the same timestamp."""
COPY_BYTES = 2**22
"""Bytes that are copied at a time."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class StoreIndex:
    """What index.json holds."""

    key: str
    names: list[str]
    skipped: list[str]
    shape: tuple[Count, Count, Count, Count]
    sha256: Sha256
    """Digest of pixels.npy."""
    value_range: str = "auto"
    """``LOW:HIGH`` if there are images of more than 8 bits, else the setting."""
    depth: str = ""
    """A sentence on the values of images of more than 8 bits; empty if there are none."""


@dataclass(frozen=True)
class ImageStore:
    """Decoded images: ``pixels`` uint8 (N, H, W, C), mapped from disk, and ``names`` in the same order.

    ``skipped`` has a sentence for each broken file. ``notes`` has one on a store that had to be built again.
    """

    pixels: Pixels
    names: list[str]
    skipped: list[str]
    key: str
    value_range: str = "auto"
    """The range that decoded these images: ``LOW:HIGH`` if some have more than 8 bits, else the setting."""
    depth: str = ""
    """A sentence on the values of images of more than 8 bits and on their range; empty if there are none."""
    left_out: LeftOut = field(default_factory=LeftOut)
    """What the folder holds besides the images."""
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def remarks(self) -> list[str]:
        """Return a sentence each on the value range, on what was left out, and on a store that was built again."""
        depth = [f"{self.depth}."] if self.depth else []
        left_out = [f"Left out: {self.left_out}."] if self.left_out else []
        return [*depth, *left_out, *self.notes]


def open_store(
    records: Sequence[Record],
    decoding: Decoding,
    *,
    cache: Path | None = None,
    workers: int = 0,
    progress: Progress | None = None,
) -> ImageStore:
    """Return the store of these images; they are decoded if the cache does not have them.

    ``progress`` is called with (images done, images in all) while decoding. ``workers`` 0 is one process per core.
    Raises ``DataError`` if more than 5% of the files are broken; fewer are skipped and named in ``skipped``. Raises
    ``CacheError`` if the cache cannot be written.
    """
    parse_colour(decoding.background)
    place = Cache(cache or cache_folder())
    workers = workers or os.cpu_count() or 1
    with _cache_errors(place.path):
        return _open(records, decoding, place, workers, progress)


def _open(
    records: Sequence[Record], decoding: Decoding, place: Cache, workers: int, progress: Progress | None
) -> ImageStore:
    notes: list[str] = []
    listing = place.listings / _stat_digest(records, decoding)
    key = _read_listing(listing)
    store = _load_store(place.stores / key, notes) if key else None
    if store is None:
        _wait_for_timestamps(records)
        contents = hash_contents(records, workers, max_file_bytes(decoding.max_pixels))
        undecided = _digest(decoding, records, contents)
        key = _read_listing(place.listings / undecided) or undecided
        store = _load_store(place.stores / key, notes)
        if store is None:
            store = _build_store(place, records, contents, decoding, workers, progress)
        # A file that was changed meanwhile must not lend its new content to the old time.
        if listing.name == _stat_digest(records, decoding):
            with suppress(OSError):  # Without a listing, the files are read again the next time.
                _write_listing(listing, store.key)
    place.mark_used(store.key)
    return replace(store, notes=tuple(dict.fromkeys(notes)))


@contextmanager
def _cache_errors(cache: Path) -> Iterator[None]:
    """Name the cache folder, and what to do, if the system refuses to read or write it."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        advice = "Free some disk space" if full else "Make it writable"
        raise CacheError(
            f"The folder of decoded images, {name_of(cache)}, cannot be used ({error.strerror or error}). "
            f"{advice}, or set DISCOGAN_CACHE to another folder."
        ) from error


# Keys and listings --------------------------------------------------------------------------------


def _read_listing(listing: Path) -> str | None:
    """Return the key in a listing, or ``None`` if there is none.

    Only a digest is accepted, because a damaged listing must never name another folder. A check value binds it to the
    name of the listing, so the content of another listing is refused too.
    """
    try:
        with open_regular(listing) as file:
            key, _, check = file.read(2 * KEY_LENGTH + 2).decode("ascii").partition(" ")
    except (OSError, UnicodeDecodeError):
        return None
    return key if KEY.fullmatch(key) and check == _check_value(listing, key) else None


def _check_value(listing: Path, key: str) -> str:
    return hashlib.sha256(f"{listing.name} {key}".encode()).hexdigest()[:KEY_LENGTH]


def _write_listing(listing: Path, key: str) -> None:
    listing.parent.mkdir(parents=True, exist_ok=True)
    if listing.exists() and not listing.is_file():
        return  # Writing to a pipe would wait for a reader.
    write_text(listing, f"{key} {_check_value(listing, key)}")


def _digest(decoding: Decoding, records: Sequence[Record], contents: Sequence[str]) -> str:
    """Return the key of a store: a digest of the decoding settings, and of the names and contents of all files."""
    lines = []
    for record, content in zip(records, contents, strict=True):
        lines.append(f"{record.name}|{record.half}|{record.dilate}|{content}\n")
    return _digest_of_lines(decoding, lines)


def _digest_of_lines(decoding: Decoding, lines: Iterable[str]) -> str:
    digest = hashlib.sha256(json.dumps(decoding.key_fields()).encode())
    for line in lines:
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:KEY_LENGTH]


def _stat_digest(records: Sequence[Record], decoding: Decoding) -> str:
    """Return a digest of all that is known of the files without reading them."""
    return _digest_of_lines(decoding, map(_stat_line, records))


def _stat_line(record: Record) -> str:
    identity = f"{name_of(record.path.absolute())}|{record.name}|{record.half}|{record.dilate}|{record.view}"
    try:
        status = record.path.stat()
    except OSError:
        return f"{identity}|missing\n"
    # Programs can set the modification time, but not the time of the last change, which every write updates.
    return f"{identity}|{status.st_size}|{status.st_mtime_ns}|{status.st_ctime_ns}|{status.st_ino}|{status.st_mode}\n"


def _wait_for_timestamps(records: Sequence[Record]) -> None:
    """Wait until a further change of the newest file would get a later timestamp, for 20 ms at most."""
    newest = 0.0
    for record in records:
        with suppress(OSError):
            newest = max(newest, record.path.stat().st_ctime)
    time.sleep(min(max(newest + TIMESTAMP_SECONDS - time.time(), 0.0), TIMESTAMP_SECONDS))


# Loading ------------------------------------------------------------------------------------------


def _load_store(folder: Path, notes: list[str]) -> ImageStore | None:
    """Return a store, or ``None`` if it does not exist or is damaged; the latter adds a sentence to ``notes``."""
    if not (folder / "index.json").exists():
        return None
    try:
        index = read_record(folder / "index.json", StoreIndex)
        pixels = _map_pixels(folder / "pixels.npy", index)
    except (RecordError, OSError, ValueError) as error:
        problem = " ".join(str(error.problem if isinstance(error, RecordError) else error).split())
        notes.append(
            f"The decoded images in {name_of(folder)} were damaged, or written by version 0.1.0 ({problem}). "
            "They were decoded again."
        )
        return None
    if index.key != folder.name:
        notes.append(f"The decoded images in {name_of(folder)} belong to another store. They were decoded again.")
        return None
    return ImageStore(pixels, index.names, index.skipped, index.key, index.value_range, index.depth)


def _map_pixels(file: Path, index: StoreIndex) -> Pixels:
    """Return the mapped array of a store; raise ``ValueError`` or ``OSError`` unless it is what the index says."""
    count, height, width, channels = index.shape
    if count != len(index.names) or height != width or channels not in (1, 3):
        raise ValueError(f"shape {index.shape} does not fit {len(index.names):,} names")
    with open_regular(file) as stream:
        expected_bytes = len(_npy_header(index.shape)) + math.prod(index.shape)
        if os.fstat(stream.fileno()).st_size != expected_bytes:
            raise ValueError(f"pixels.npy does not have {expected_bytes:,} bytes")
    if _digest_of_file(file) != index.sha256:
        raise ValueError("pixels.npy has another digest")
    # The digest covers the header too, so this fails only for an index that was changed.
    pixels: Pixels = np.load(file, mmap_mode="r", allow_pickle=False)
    if pixels.shape != tuple(index.shape) or pixels.dtype != np.uint8:
        raise ValueError(f"pixels.npy holds {pixels.dtype} {pixels.shape}")
    return pixels


def _digest_of_file(file: Path) -> str:
    with open_regular(file) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def expect_random_access(pixels: Pixels) -> Pixels:
    """Return the same mapped array. If it is too large for memory, the system reads only the requested images."""
    if pixels.nbytes >= LARGE_STORE_BYTES and isinstance(pixels.base, mmap.mmap) and hasattr(mmap, "MADV_RANDOM"):
        # Batches are shuffled, so reading ahead would fetch a hundred times what is needed.
        pixels.base.madvise(mmap.MADV_RANDOM)
    return pixels


# Building -----------------------------------------------------------------------------------------


def _build_store(
    place: Cache,
    records: Sequence[Record],
    expected: Sequence[str],
    decoding: Decoding,
    workers: int,
    progress: Progress | None,
) -> ImageStore:
    """Decode all images into a temporary folder, then rename it to the key of the bytes that were decoded.

    Images of more than 8 bits are decoded twice if their range is not given: first to find their values. If all images
    must be known to decide the channels, they are decoded as RGB.
    """
    with building_folder(place) as temporary:
        file = temporary / "pixels.npy"
        shape = (len(records), decoding.image_size, decoding.image_size, decoding.decoded_channels)
        header_bytes = file.write_bytes(_npy_header(shape))
        contents = list(expected)
        broken: dict[int, str] = {}
        extents: dict[int, Extent] = {}
        for done, decoded in run_jobs(make_jobs(file, list(enumerate(records)), decoding, header_bytes), workers):
            for row, content in decoded.contents.items():
                contents[row] = content
            broken |= decoded.broken
            extents |= decoded.extents
            if progress:
                progress(done, len(records))
        _require_few_broken(broken, len(records))
        resolved, depth = _decide_range(decoding, extents)
        if resolved != decoding and ValueRange.parse(decoding.value_range) is None:
            deep_rows = [(row, records[row]) for row in sorted(extents)]
            broken |= _decode_again(make_jobs(file, deep_rows, resolved, header_bytes), workers, contents)
            _require_few_broken(broken, len(records))
        good = [row for row in range(len(records)) if row not in broken]
        if len(good) < len(records):
            _keep_rows(file, good, shape)
        shape = (len(good), *shape[1:])
        if decoding.channels == "auto":
            resolved = _decide_channels(resolved, file)
        key = _digest(resolved, records, contents)
        index = StoreIndex(
            key=key,
            names=[records[row].name for row in good],
            skipped=[broken[row] for row in sorted(broken)],
            shape=(*shape[:3], resolved.decoded_channels),
            sha256=_digest_of_file(file),
            value_range=resolved.value_range,
            depth=depth,
        )
        sync(file)
        write_json(temporary / "index.json", asdict(index))
        undecided = _digest(decoding, records, contents)
        folder = place.stores / key
        _move_into_place(temporary, folder)
        if key != undecided:
            _write_listing(place.listings / undecided, key)
    store = _load_store(folder, [])
    if store is None:
        raise CacheError(f"The decoded images in {name_of(folder)} were removed or changed meanwhile. Start again.")
    return store


def _decode_again(jobs: Sequence[Job], workers: int, contents: Sequence[str]) -> dict[int, str]:
    """Decode some rows with the range that is known now; return the rows that are broken or have changed since."""
    broken: dict[int, str] = {}
    records = dict(row for job in jobs for row in job.records)
    for _, decoded in run_jobs(jobs, workers):
        broken |= decoded.broken
        for row, content in decoded.contents.items():
            if content != contents[row]:
                broken[row] = f"{name_of(records[row].path)} changed while it was read. Start again."
    return broken


def _decide_range(decoding: Decoding, extents: Mapping[int, Extent]) -> tuple[Decoding, str]:
    """Return the settings with the value range of the images of more than 8 bits, and the range as a phrase.

    Without such images, the settings stay as they are and the phrase is empty.
    """
    if not extents:
        return decoding, ""
    extent = merge_extents(extents.values())
    given = ValueRange.parse(decoding.value_range)
    if given is None:
        require_one_kind(extents.values())
    chosen = given or choose_range(extent)
    return replace(decoding, value_range=str(chosen)), describe_range(extent, chosen, given is not None)


def _require_few_broken(broken: dict[int, str], count: int) -> None:
    if len(broken) > MAX_BROKEN_SHARE * count:
        examples = " ".join(list(broken.values())[:3])
        raise DataError(f"{len(broken)} of {count} images are broken, more than {MAX_BROKEN_SHARE:.0%}: {examples}")


def _move_into_place(temporary: Path, folder: Path) -> None:
    """Rename a finished store. If another process finished the same store first, that one is used."""
    try:
        temporary.replace(folder)
    except OSError:
        if _load_store(folder, []) is not None:
            return
        if folder.is_symlink() or not folder.is_dir():
            raise
        # The files of a damaged store are replaced one by one, so that nothing else in its folder is touched.
        for name in ("pixels.npy", "index.json"):
            if (folder / name).is_dir():
                (folder / name).rename(folder / f"{name}-{uuid.uuid4().hex}")
            (temporary / name).replace(folder / name)


def _npy_header(shape: tuple[int, ...]) -> bytes:
    """Return the header of a .npy file of uint8."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": tuple(shape)})
    return stream.getvalue()


def _keep_rows(file: Path, rows: list[int], shape: tuple[int, ...]) -> None:
    """Replace the array in the file by some of its rows."""
    row_bytes = math.prod(shape[1:])
    kept = file.with_suffix(".kept")
    with file.open("rb") as complete, kept.open("wb") as target:
        target.write(_npy_header((len(rows), *shape[1:])))
        start = len(_npy_header(shape))
        for row in rows:
            complete.seek(start + row * row_bytes)
            target.write(complete.read(row_bytes))
    kept.replace(file)


def _decide_channels(decoding: Decoding, file: Path) -> Decoding:
    """Return the settings with the channels of the RGB images in a .npy file.

    If red, green and blue are equal in every pixel, the file keeps the first channel only.
    """
    images = np.load(file, mmap_mode="r")
    if not all((image[..., :1] == image).all() for image in images):
        return replace(decoding, channels=3)
    kept = file.with_suffix(".kept")
    with kept.open("wb") as target:
        target.write(_npy_header((*images.shape[:3], 1)))
        for image in images:
            target.write(image[..., :1].tobytes())
    kept.replace(file)
    return replace(decoding, channels=1)
