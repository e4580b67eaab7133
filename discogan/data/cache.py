"""The cache folder: its layout, and removing from it only what discogan has written there."""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from discogan.errors import RecordError
from discogan.files import open_regular
from discogan.names import name_of
from discogan.records import read_record

KEY_LENGTH = 32
"""Hexadecimal digits of a store's key."""
KEY = re.compile(rf"[0-9a-f]{{{KEY_LENGTH}}}")
"""The name of a store or a listing."""
BUILDING = re.compile(r"building-[\w-]+")
"""The name of a store that is being written."""
STORE_FILES = ("pixels.npy", "pixels.kept", "index.json")
"""The files of a store."""
TEMPORARY_PREFIX = ".index.json."
"""The beginning of the name of an index.json that is being written."""
STORE = "store"
"""The store in the folder of an unfinished store."""
BUILDING_LOCK = "lock"
"""A file in the folder of an unfinished store, locked by the process that writes it."""
MAX_BUILDING_SECONDS = 24 * 3600
"""Age from which an unfinished store without a lock file is left over from an earlier version."""


@dataclass(frozen=True)
class StoreFacts:
    """A store in the cache, as ``discogan cache`` shows it."""

    key: str
    bytes: int
    images: int
    """0 if the store is damaged or incomplete."""
    built: float
    """Time in seconds since 1970."""
    used: float
    """Time of the last use, in seconds since 1970."""


@dataclass(frozen=True)
class Cleaned:
    """What was removed from the cache, and what was left alone because it is not discogan's."""

    stores: int
    listings: int
    unfinished: int
    bytes: int
    left_alone: list[str]


class Cache:
    """The folder of decoded images."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stores = path / "stores"
        self.listings = path / "listings"

    def mark_used(self, key: str) -> None:
        """Record that a store is used now. A cache that cannot be written is used without a record."""
        with suppress(OSError):
            os.utime(self.stores / key / "index.json")

    def store_names(self) -> list[str]:
        """Return the keys of the stores, complete or not. Links, and folders with other files, are left out."""
        names = [name for name in _own_entries(self.stores) if KEY.fullmatch(name)]
        return [name for name in names if _holds_only_store_files(self.stores / name)]

    def listing_names(self) -> list[str]:
        """Return the names of the listings."""
        return [name for name in _own_entries(self.listings, folders=False) if KEY.fullmatch(name)]

    def unfinished(self) -> list[Path]:
        """Return the folders of unfinished stores whose process has ended."""
        folders = [self.stores / name for name in _own_entries(self.stores) if BUILDING.fullmatch(name)]
        return [folder for folder in folders if _is_abandoned(folder)]

    def facts(self) -> list[StoreFacts]:
        """Return the stores, the last used first."""
        stores = []
        for name in self.store_names():
            folder = self.stores / name
            try:
                index = read_record(folder / "index.json", NamesOnly)
                images, used = len(index.names), (folder / "index.json").stat().st_mtime
            except (RecordError, OSError):
                images, used = 0, folder.stat().st_mtime
            pixels = folder / "pixels.npy"
            built = pixels.stat().st_mtime if pixels.exists() else used
            stores.append(StoreFacts(name, _store_bytes(folder), images, built, used))
        return sorted(stores, key=lambda store: -store.used)

    def clean(self, older_than_seconds: float) -> Cleaned:
        """Remove the stores that were not used for so long, damaged stores, and what interrupted builds left.

        Listings of stores that no longer exist are removed as well. Raises ``OSError``.
        """
        now, stores, freed = time.time(), 0, 0
        for store in self.facts():
            if store.images and now - store.used < older_than_seconds:
                continue
            if remove_store(self.stores / store.key):
                stores += 1
                freed += store.bytes
        unfinished = 0
        for folder in self.unfinished():
            size = _store_bytes(folder / STORE) + _store_bytes(folder)
            if _remove_building(folder):
                unfinished += 1
                freed += size
        kept, listings = set(self.store_names()), 0
        for name in self.listing_names():
            listing = self.listings / name
            with open_regular(listing) as file:
                key = file.read(KEY_LENGTH).decode("ascii", "replace")
            if key not in kept:
                freed += listing.stat().st_size
                listing.unlink()
                listings += 1
        return Cleaned(stores, listings, unfinished, freed, self.foreign())

    def foreign(self) -> list[str]:
        """Return the paths in the cache that discogan did not write, and so never removes."""
        paths = []
        for folder in (self.stores, self.listings):
            if folder.is_symlink():
                paths.append(folder)
                continue
            if not folder.is_dir():
                continue
            own = {*self.store_names()} if folder == self.stores else {*self.listing_names()}
            for path in sorted(folder.iterdir()):
                is_unfinished = folder == self.stores and BUILDING.fullmatch(path.name) and _is_real_folder(path)
                if path.name not in own and not is_unfinished:
                    paths.append(path)
        return [name_of(path) for path in paths]


@dataclass(frozen=True)
class NamesOnly:
    """The part of a store's index.json that tells the number of its images."""

    names: list[str]


def _own_entries(folder: Path, folders: bool = True) -> list[str]:
    """Return the names of the folders, or of the regular files, in a folder; links are neither.

    A linked folder has none.
    """
    if folder.is_symlink() or not folder.is_dir():
        return []
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) if folders else entry.is_file(follow_symlinks=False):
                names.append(entry.name)
    return sorted(names)


def _holds_only_store_files(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return all(
            entry.is_file(follow_symlinks=False)
            and (entry.name in STORE_FILES or entry.name.startswith(TEMPORARY_PREFIX))
            for entry in entries
        )


def _is_real_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _store_bytes(folder: Path) -> int:
    files = [folder / name for name in (*STORE_FILES, BUILDING_LOCK)]
    return sum(file.lstat().st_size for file in files if file.exists())


def remove_store(folder: Path) -> bool:
    """Remove the files of a store and then its folder; return whether the folder is gone.

    A folder that holds anything else stays as it is, and so does a link. Raises ``OSError`` if a file cannot be
    removed.
    """
    if not _is_real_folder(folder) or not _holds_only_store_files(folder):
        return False
    for file in list(folder.iterdir()):
        file.unlink(missing_ok=True)
    folder.rmdir()
    return True


@contextmanager
def building_folder(cache: Cache) -> Iterator[Path]:
    """Provide a folder for a store that is being written, locked by this process, and remove it at the end.

    The caller moves the folder to its place when it is complete. Left-over folders of ended processes are removed.
    """
    for abandoned in cache.unfinished():
        with suppress(OSError):
            _remove_building(abandoned)
    building = cache.stores / f"building-{uuid.uuid4().hex}"
    building.mkdir(parents=True)
    try:
        with FileLock(building / BUILDING_LOCK):
            (building / STORE).mkdir(mode=0o700)  # Training images are private.
            yield building / STORE
    finally:
        with suppress(OSError):
            _remove_building(building)


def _is_abandoned(building: Path) -> bool:
    """Return whether the process that wrote a folder has ended: whether its lock is free, or missing for a day."""
    lock = building / BUILDING_LOCK
    try:
        if not lock.exists():
            return time.time() - building.stat().st_mtime > MAX_BUILDING_SECONDS
        with FileLock(lock, blocking=False):
            return True
    except (Timeout, OSError):
        return False


def _remove_building(building: Path) -> bool:
    """Remove the folder of an unfinished store; version 0.1.0 wrote the files into the folder itself."""
    remove_store(building / STORE)
    (building / BUILDING_LOCK).unlink(missing_ok=True)
    return remove_store(building)
