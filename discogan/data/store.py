"""Images decoded once into a memory-mapped array, so that training does not wait for decoding.

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
import multiprocessing
import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from discogan.data import Record
from discogan.data.cache import KEY, KEY_LENGTH, Cache, building_folder
from discogan.data.matlab import matlab_view
from discogan.errors import CacheError, DataError, RecordError
from discogan.files import cache_folder, sync, write_json, write_text
from discogan.images import Fit, LeftOut, Pixels, decode_image, dilate_dark, fit_image, parse_colour, to_pixels
from discogan.images.decoding import decode_or_measure, max_file_bytes, read_image_file
from discogan.images.ranges import Extent, ValueRange, choose_range, describe_range, merge_extents
from discogan.names import name_of
from discogan.records import Count, Sha256, read_record

FORMAT_VERSION = 2
FORMAT_OF_VERSION_0_1 = 1
"""The format of the stores of version 0.1.0. Runs of that version keep its decoding, and so the keys of its stores."""
MAX_BROKEN_SHARE = 0.05
"""Share of the images that may be broken."""
CHUNK_IMAGES = 64
"""Images that a worker decodes at a time."""
LARGE_STORE_BYTES = 2**30
"""Size from which a store may not fit into memory."""
TIMESTAMP_SECONDS = 0.02
"""Two changes of a file within this time can get the same timestamp."""
COPY_BYTES = 2**22
"""Bytes that are copied at a time."""
UNREADABLE = "unreadable"
"""What takes the place of the digest of a file that cannot be read."""
Progress = Callable[[int, int], None]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Decoding:
    """The settings on which the stored pixels depend."""

    image_size: int
    channels: int
    fit: Fit = "crop"
    background: str = "white"
    value_range: str = "auto"
    """``auto``, ``image`` or ``LOW:HIGH``, as in ``DataOptions``."""
    max_megapixels: float = 100.0

    @property
    def max_pixels(self) -> int:
        """The most pixels of an image."""
        return round(self.max_megapixels * 1e6)

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
        contents = _hash_contents(records, workers, max_file_bytes(decoding.max_pixels))
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

    Only a digest is accepted: a damaged listing must never name another folder, because incomplete stores are removed.
    """
    try:
        if not listing.is_file():
            return None
        with listing.open("rb") as file:
            key = file.read(KEY_LENGTH + 1).decode("ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return key if KEY.fullmatch(key) else None


def _write_listing(listing: Path, key: str) -> None:
    listing.parent.mkdir(parents=True, exist_ok=True)
    write_text(listing, key)


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


def _hash_contents(records: Sequence[Record], workers: int, max_bytes: int) -> list[str]:
    """Return the SHA-256 of each record's file, or ``UNREADABLE``."""
    chunks = _chunks(records)
    digests: list[str] = []
    with _worker_map(workers, len(chunks)) as worker_map:
        for chunk_digests in worker_map(partial(_hash_chunk, max_bytes=max_bytes), chunks):
            digests += chunk_digests
    return digests


def _hash_chunk(records: Sequence[Record], max_bytes: int) -> list[str]:
    return [_hash_file(record.path, max_bytes) for record in records]


def _hash_file(path: Path, max_bytes: int) -> str:
    """Return the SHA-256 of a file, or ``UNREADABLE`` if it is missing, not a file, or too large to be decoded."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > max_bytes:
            return UNREADABLE
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return UNREADABLE


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
    with file.open("rb") as stream:
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
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def expect_random_access(pixels: Pixels) -> Pixels:
    """Return the same mapped array. If it is too large for memory, the system reads only the requested images."""
    if pixels.nbytes >= LARGE_STORE_BYTES and isinstance(pixels.base, mmap.mmap) and hasattr(mmap, "MADV_RANDOM"):
        # Batches are shuffled, so reading ahead would fetch a hundred times what is needed.
        pixels.base.madvise(mmap.MADV_RANDOM)
    return pixels


# Building -----------------------------------------------------------------------------------------


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


def decode_record(record: Record, decoding: Decoding) -> Pixels:
    """Return one image as uint8 (image_size, image_size, channels); raise ``DataError`` if it is broken."""
    if record.view is not None:
        image = decode_image(matlab_view(record.path, record.view), decoding.channels, decoding.background)
    else:
        image = decode_image(
            record.path,
            decoding.channels,
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


def _build_store(
    place: Cache,
    records: Sequence[Record],
    expected: Sequence[str],
    decoding: Decoding,
    workers: int,
    progress: Progress | None,
) -> ImageStore:
    """Decode all images into a temporary folder, then rename it to the key of the bytes that were decoded.

    Images of more than 8 bits are decoded twice if their range is not given: first to find their values.
    """
    with building_folder(place) as temporary:
        file = temporary / "pixels.npy"
        shape = (len(records), decoding.image_size, decoding.image_size, decoding.channels)
        header_bytes = file.write_bytes(_npy_header(shape))
        rows = list(enumerate(records))
        contents = list(expected)
        broken: dict[int, str] = {}
        extents: dict[int, Extent] = {}
        for done, decoded in _run_jobs(_jobs(file, rows, decoding, header_bytes), workers):
            for row, content in decoded.contents.items():
                contents[row] = content
            broken |= decoded.broken
            extents |= decoded.extents
            if progress:
                progress(done, len(records))
        _require_few_broken(broken, len(records))
        value_range, depth = decoding.value_range, ""
        resolved = decoding
        if extents:
            extent = merge_extents(extents.values())
            given = ValueRange.parse(decoding.value_range)
            chosen = given or choose_range(extent)
            value_range, depth = str(chosen), describe_range(extent, chosen, given is not None)
            resolved = replace(decoding, value_range=value_range)
            if given is None:
                deep_jobs = _jobs(file, [rows[row] for row in sorted(extents)], resolved, header_bytes)
                for _, decoded in _run_jobs(deep_jobs, workers):
                    broken |= decoded.broken
                    for row, content in decoded.contents.items():
                        if content != contents[row]:
                            broken[row] = f"{name_of(records[row].path)} changed while it was read. Start again."
                _require_few_broken(broken, len(records))
        good = [row for row in range(len(records)) if row not in broken]
        if len(good) < len(records):
            _keep_rows(file, good, shape)
        key = _digest(resolved, records, contents)
        index = StoreIndex(
            key=key,
            names=[records[row].name for row in good],
            skipped=[broken[row] for row in sorted(broken)],
            shape=(len(good), *shape[1:]),
            sha256=_digest_of_file(file),
            value_range=value_range,
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


def _jobs(file: Path, rows: Sequence[tuple[int, Record]], decoding: Decoding, header_bytes: int) -> list[Job]:
    return [Job(file, header_bytes, chunk, decoding) for chunk in _chunks(rows)]


def _chunks(items: Sequence[Item]) -> list[Sequence[Item]]:
    return [items[start : start + CHUNK_IMAGES] for start in range(0, len(items), CHUNK_IMAGES)]


def _run_jobs(jobs: Sequence[Job], workers: int) -> Iterator[tuple[int, Decoded]]:
    """Decode job by job, in several processes if there are many; yield (images done, result)."""
    with _worker_map(workers, len(jobs)) as worker_map:
        done = 0
        for job, decoded in zip(jobs, worker_map(_decode_chunk, jobs), strict=True):
            done += len(job.records)
            yield done, decoded


@contextmanager
def _worker_map(workers: int, jobs: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """Provide ``map``: in several processes if there are more than two jobs. Leaving early cancels the waiting jobs."""
    if workers == 1 or jobs <= 2:
        yield map
        return
    # With fork, a plain script can call train() without a __main__ guard; on other systems only spawn is safe.
    method = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    pool = ProcessPoolExecutor(workers, mp_context=method, initializer=_ignore_interrupts)
    try:
        yield pool.map
    except BrokenProcessPool as error:
        raise DataError(
            "A decoding process died. Free memory and disk space, or decode in one process with --set data.workers=1. "
            'On Windows and macOS a script must make this call below if __name__ == "__main__".'
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the main process, which shuts the workers down."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


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
            decoding.channels,
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
