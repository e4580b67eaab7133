"""Images decoded once into a memory-mapped array, so that training does not wait for decoding.

    CACHE/stores/KEY/pixels.npy    uint8 (count, height, width, channels)
                     index.json    names, skipped files, key
    CACHE/listings/STAT_KEY        contains KEY, so that opening it again reads no image file

KEY is a digest of the files' bytes and of the decoding settings; STAT_KEY of names, sizes and times.
Both are written under a temporary name and then renamed, so a store that exists is complete.
"""

import hashlib
import json
import mmap
import multiprocessing
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from discogan.data import Record
from discogan.data.matlab import matlab_view
from discogan.errors import DataError
from discogan.files import cache_folder, sync, write_json, write_text
from discogan.images import Fit, Pixels, decode_image, dilate_dark, fit_image, parse_colour, to_pixels

FORMAT_VERSION = 1
MAX_BROKEN_SHARE = 0.05
"""Share of the images that may be broken."""
CHUNK_IMAGES = 64
"""Images that a worker decodes at a time."""
KEY_LENGTH = 32
"""Hexadecimal digits of a store's key."""
KEY = re.compile(rf"[0-9a-f]{{{KEY_LENGTH}}}")
LARGE_STORE_BYTES = 2**30
"""Size from which a store may not fit into memory."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Decoding:
    """The settings on which the stored pixels depend."""

    image_size: int
    channels: int
    fit: Fit = "crop"
    background: str = "white"


@dataclass(frozen=True)
class ImageStore:
    """Decoded images: ``pixels`` uint8 (N, H, W, C), mapped from disk, and ``names`` in the same order.

    ``skipped`` has a sentence for each broken file.
    """

    pixels: Pixels
    names: list[str]
    skipped: list[str]
    key: str

    def __len__(self) -> int:
        return len(self.names)


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
    Raises ``DataError`` if more than 5% of the files are broken; fewer are skipped and named in ``skipped``.
    """
    cache = cache or cache_folder()
    parse_colour(decoding.background)
    listing = cache / "listings" / _digest(decoding, (_stat_line(record) for record in records))
    workers = workers or os.cpu_count() or 1
    listed_key = _read_listing(listing)
    key = listed_key or _content_key(records, decoding, workers)
    folder = cache / "stores" / key
    if not (folder / "index.json").exists():
        _build_store(folder, records, decoding, workers, progress)
    if listed_key is None:
        listing.parent.mkdir(parents=True, exist_ok=True)
        write_text(listing, key)
    index = json.loads((folder / "index.json").read_text())
    pixels = np.load(folder / "pixels.npy", mmap_mode="r")
    return ImageStore(pixels, index["names"], index["skipped"], key)


def _read_listing(listing: Path) -> str | None:
    """Return the key in a listing, or ``None`` if there is none.

    Only a digest is accepted: a damaged listing must never name another folder, because incomplete stores are removed.
    """
    try:
        key = listing.read_text("ascii")
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    return key if KEY.fullmatch(key) else None


def expect_random_access(pixels: Pixels) -> Pixels:
    """Return the same mapped array. If it is too large for memory, the system reads only the requested images."""
    if pixels.nbytes >= LARGE_STORE_BYTES and isinstance(pixels.base, mmap.mmap) and hasattr(mmap, "MADV_RANDOM"):
        # Batches are shuffled, so reading ahead would fetch a hundred times what is needed.
        pixels.base.madvise(mmap.MADV_RANDOM)
    return pixels


def decode_record(record: Record, decoding: Decoding) -> Pixels:
    """Return one image as uint8 (image_size, image_size, channels); raise ``DataError`` if it is broken."""
    source = record.path if record.view is None else matlab_view(record.path, record.view)
    image = decode_image(source, decoding.channels, decoding.background)
    if record.half != "whole":
        middle = image.width // 2
        left, right = (0, middle) if record.half == "left" else (middle, image.width)
        image = image.crop((left, 0, right, image.height))
    if record.dilate:
        image = dilate_dark(image)
    return to_pixels(fit_image(image, decoding.image_size, decoding.fit, decoding.background))


def _build_store(
    folder: Path, records: Sequence[Record], decoding: Decoding, workers: int, progress: Progress | None
) -> None:
    """Decode all images into a temporary folder, then rename it to ``folder``."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix="building-", dir=folder.parent))
    try:
        file = temporary / "pixels.npy"
        shape = (len(records), decoding.image_size, decoding.image_size, decoding.channels)
        np.lib.format.open_memmap(file, "w+", np.uint8, shape).flush()
        broken: dict[int, str] = {}
        for done, failures in _decode_chunks(file, records, decoding, workers):
            broken |= failures
            if progress:
                progress(done, len(records))
        if len(broken) > MAX_BROKEN_SHARE * len(records):
            examples = " ".join(list(broken.values())[:3])
            raise DataError(
                f"{len(broken)} of {len(records)} images are broken, more than {MAX_BROKEN_SHARE:.0%}: {examples}"
            )
        good = [row for row in range(len(records)) if row not in broken]
        if broken:
            _keep_rows(file, good)
        index = {"names": [records[row].name for row in good], "skipped": list(broken.values()), "key": folder.name}
        sync(file)
        write_json(temporary / "index.json", index)
        _move_into_place(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _move_into_place(temporary: Path, folder: Path) -> None:
    """Rename a finished store. If another process finished the same store first, that one is used."""
    if folder.exists() and not (folder / "index.json").exists():
        shutil.rmtree(folder)  # A cache cleaner has deleted a part of an older store.
    try:
        temporary.replace(folder)
    except OSError:
        if not (folder / "index.json").exists():
            raise


def _decode_chunks(
    file: Path, records: Sequence[Record], decoding: Decoding, workers: int
) -> Iterator[tuple[int, dict[int, str]]]:
    """Decode chunk by chunk, in several processes if there are many chunks; yield (images done, broken rows)."""
    jobs = [(file, start, chunk, decoding) for start, chunk in _chunks(records)]
    with _worker_map(workers, len(jobs)) as worker_map:
        done = 0
        for (_, _, chunk, _), failures in zip(jobs, worker_map(_decode_chunk, jobs), strict=True):
            done += len(chunk)
            yield done, failures


def _chunks(records: Sequence[Record]) -> Iterator[tuple[int, Sequence[Record]]]:
    for start in range(0, len(records), CHUNK_IMAGES):
        yield start, records[start : start + CHUNK_IMAGES]


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


def _decode_chunk(job: tuple[Path, int, Sequence[Record], Decoding]) -> dict[int, str]:
    """Decode some records into their rows of the file; return a sentence for each broken row."""
    file, start, records, decoding = job
    pixels = np.load(file, mmap_mode="r+")
    broken = {}
    for row, record in enumerate(records, start):
        try:
            pixels[row] = decode_record(record, decoding)
        except DataError as error:
            broken[row] = str(error)
    return broken  # Not flushed here: that would idle a core, and the whole file is synced once at the end.


def _keep_rows(file: Path, rows: list[int]) -> None:
    """Replace the array in the file by some of its rows."""
    complete = np.load(file, mmap_mode="r")
    kept = np.lib.format.open_memmap(file.with_suffix(".kept"), "w+", np.uint8, (len(rows), *complete.shape[1:]))
    for target, row in enumerate(rows):
        kept[target] = complete[row]
    kept.flush()
    file.with_suffix(".kept").replace(file)


def _content_key(records: Sequence[Record], decoding: Decoding, workers: int) -> str:
    chunks = [chunk for _, chunk in _chunks(records)]
    with _worker_map(workers, len(chunks)) as worker_map:
        return _digest(decoding, worker_map(_content_lines, chunks))


def _digest(decoding: Decoding, lines: Iterator[str]) -> str:
    digest = hashlib.sha256(json.dumps([FORMAT_VERSION, asdict(decoding)]).encode())
    for line in lines:
        digest.update(line.encode())
    return digest.hexdigest()[:KEY_LENGTH]


def _stat_line(record: Record) -> str:
    absolute = record.path.absolute()
    try:
        status = record.path.stat()
    except OSError:
        return f"{absolute}|missing\n"
    return (
        f"{absolute}|{record.name}|{record.half}|{record.dilate}|{record.view}|{status.st_size}|{status.st_mtime_ns}\n"
    )


def _content_lines(records: Sequence[Record]) -> str:
    return "".join(map(_content_line, records))


def _content_line(record: Record) -> str:
    try:
        with record.path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        content = "unreadable"
    return f"{record.name}|{record.half}|{record.dilate}|{content}\n"
