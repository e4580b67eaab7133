"""Images decoded once into a memory-mapped array, so that training never waits for a decoder.

    CACHE/stores/KEY/pixels.npy    uint8 (count, height, width, channels)
                     index.json    names, skipped files, key
    CACHE/listings/STAT_KEY        names the KEY, so that a second start reads no image at all

KEY is a digest of the files' bytes and of the decoding settings; STAT_KEY of names, sizes and times.
Both are written to a temporary name first: a store that exists is whole.
"""

import hashlib
import json
import mmap
import multiprocessing
import os
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

FORMAT = 1
BROKEN_LIMIT = 0.05
CHUNK = 64
Progress = Callable[[int, int], None]


LARGE = 2**30
"""Bytes from which a store may not stay in memory."""


@dataclass(frozen=True)
class Decoding:
    """The settings that the stored pixels depend on."""

    image_size: int
    channels: int
    fit: Fit = "crop"
    background: str = "white"


@dataclass(frozen=True)
class ImageStore:
    """Decoded images: ``pixels`` uint8 (N, H, W, C), mapped from disk, and ``names`` in the same order."""

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
    """The store for these images, decoded now unless it was before.

    ``progress`` is called with (images done, images in all) while decoding. Raises ``DataError`` when
    more than 5% of the files are broken; fewer are skipped and named in ``skipped``.
    """
    cache = cache or cache_folder()
    parse_colour(decoding.background)
    listing = cache / "listings" / _digest(decoding, (_stat_line(record) for record in records))
    workers = workers or os.cpu_count() or 1
    key = listing.read_text() if listing.exists() else _content_key(records, decoding, workers)
    folder = cache / "stores" / key
    if not (folder / "index.json").exists():
        _build_store(folder, records, decoding, workers, progress or _no_progress)
    if not listing.exists():
        listing.parent.mkdir(parents=True, exist_ok=True)
        write_text(listing, key)
    index = json.loads((folder / "index.json").read_text())
    pixels = np.load(folder / "pixels.npy", mmap_mode="r")
    return ImageStore(pixels, index["names"], index["skipped"], key)


def expect_random_access(pixels: Pixels) -> Pixels:
    """The same mapped array; of one too large to stay in memory, only what is asked for will be read."""
    if pixels.nbytes >= LARGE and isinstance(pixels.base, mmap.mmap) and hasattr(mmap, "MADV_RANDOM"):
        # Shuffled images have no neighbours: reading ahead would fetch a hundred times what is needed.
        pixels.base.madvise(mmap.MADV_RANDOM)
    return pixels


def decode_record(record: Record, decoding: Decoding) -> Pixels:
    """One image as uint8 (image_size, image_size, channels); raises ``DataError`` when it is broken."""
    source = record.path if record.view is None else matlab_view(record.path, record.view)
    image = decode_image(source, decoding.channels, decoding.background)
    if record.half != "whole":
        middle = image.width // 2
        left, right = (0, middle) if record.half == "left" else (middle, image.width)
        image = image.crop((left, 0, right, image.height))
    if record.dilate:
        image = dilate_dark(image)
    return to_pixels(fit_image(image, decoding.image_size, decoding.fit, decoding.background))


def _build_store(folder: Path, records: Sequence[Record], decoding: Decoding, workers: int, progress: Progress) -> None:
    """Decode everything into a temporary folder and move it into place."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix="building-", dir=folder.parent))
    try:
        file = temporary / "pixels.npy"
        shape = (len(records), decoding.image_size, decoding.image_size, decoding.channels)
        np.lib.format.open_memmap(file, "w+", np.uint8, shape).flush()
        broken: dict[int, str] = {}
        for done, failures in _decode_chunks(file, records, decoding, workers):
            broken |= failures
            progress(done, len(records))
        _check_broken(broken, len(records))
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
    """Of several processes that build the same store one is first, and the others use what it built."""
    if folder.exists() and not (folder / "index.json").exists():
        shutil.rmtree(folder)  # What a cleaner of caches left of an older store.
    try:
        temporary.replace(folder)
    except OSError:
        if not (folder / "index.json").exists():
            raise


def _decode_chunks(
    file: Path, records: Sequence[Record], decoding: Decoding, workers: int
) -> Iterator[tuple[int, dict[int, str]]]:
    """Decode chunk by chunk, in processes where there is enough to do; yields (images done, broken rows)."""
    jobs = [(file, start, chunk, decoding) for start, chunk in _chunks(records)]
    with _mapping(workers, len(jobs)) as mapped:
        done = 0
        for job, failures in zip(jobs, mapped(_decode_chunk, jobs), strict=True):
            done += len(job[2])
            yield done, failures


def _chunks(records: Sequence[Record]) -> Iterator[tuple[int, Sequence[Record]]]:
    for start in range(0, len(records), CHUNK):
        yield start, records[start : start + CHUNK]


@contextmanager
def _mapping(workers: int, jobs: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """``map``, in this process or, where there is enough to do, in several; leaving early drops what is not begun."""
    if workers == 1 or jobs <= 2:
        yield map
        return
    # Forking lets a plain script call train() without a __main__ guard; elsewhere only spawn is safe.
    method = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    pool = ProcessPoolExecutor(workers, mp_context=method, initializer=_leave_interrupts_to_the_parent)
    try:
        yield pool.map
    except BrokenProcessPool as error:
        raise DataError(
            "A decoding process died; check that memory and disk have room, or --set data.workers=1. On Windows and "
            'macOS a script must call this below if __name__ == "__main__".'
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _decode_chunk(job: tuple[Path, int, Sequence[Record], Decoding]) -> dict[int, str]:
    """Decode some records into their rows of the file; the broken ones by row, with what is wrong."""
    file, start, records, decoding = job
    pixels = np.load(file, mmap_mode="r+")
    broken = {}
    for row, record in enumerate(records, start):
        try:
            pixels[row] = decode_record(record, decoding)
        except DataError as error:
            broken[row] = str(error)
    return broken  # Not flushed: the whole file is synced once, and waiting for the disk here would idle a core.


def _check_broken(broken: dict[int, str], count: int) -> None:
    if len(broken) > BROKEN_LIMIT * count:
        raise DataError(
            f"{len(broken)} of {count} images are broken, more than {BROKEN_LIMIT:.0%}: "
            + " ".join(list(broken.values())[:3])
        )


def _keep_rows(file: Path, rows: list[int]) -> None:
    before = np.load(file, mmap_mode="r")
    after = np.lib.format.open_memmap(file.with_suffix(".kept"), "w+", np.uint8, (len(rows), *before.shape[1:]))
    for target, row in enumerate(rows):
        after[target] = before[row]
    after.flush()
    file.with_suffix(".kept").replace(file)


def _no_progress(_done: int, _total: int) -> None:
    pass


def _content_key(records: Sequence[Record], decoding: Decoding, workers: int) -> str:
    chunks = [chunk for _, chunk in _chunks(records)]
    with _mapping(workers, len(chunks)) as mapped:
        return _digest(decoding, mapped(_content_lines, chunks))


def _digest(decoding: Decoding, lines: Iterator[str]) -> str:
    digest = hashlib.sha256(json.dumps([FORMAT, asdict(decoding)]).encode())
    for line in lines:
        digest.update(line.encode())
    return digest.hexdigest()[:32]


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
