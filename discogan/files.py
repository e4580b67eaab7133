"""Atomic writes (temporary name, fsync, rename), reads of regular files only, and the cache folder."""

import errno
import io
import itertools
import json
import os
import platform
import re
import shutil
import stat
import threading
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

UNFINISHED_NAME = re.compile(r"\.discogan-([0-9a-f]{8})-(\d+)-(\d+)(\.|$)")
"""The name of a file or folder that is being written: digits for the machine, the process and the time."""
READER_SECONDS = 2.0
"""How long a pipe may have no reader yet: the reader may start at the same time as this program."""
_first_number = time.time_ns()
_numbers = itertools.count(_first_number)
_cleaned: set[str] = set()
"""Folders without left-overs of ended processes."""
_cleaning = threading.Lock()


def cache_folder() -> Path:
    """Return DISCOGAN_CACHE, else ``discogan`` in the user's cache directory."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("DISCOGAN_CACHE") or Path(base) / "discogan")


def write_json(path: Path, value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write JSON atomically."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file atomically: a crash leaves either the old content or the new.

    A file name that is not UTF-8 is written with backslashes, such as ``\\udcff``.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, "utf-8", "backslashreplace")


def read_regular(path: str | Path, max_bytes: int | None = None) -> bytes:
    """Return the content of a regular file.

    Raises ``OSError`` for anything else and for more than ``max_bytes``: a pipe would block, and a device has no end.
    """
    with open_regular(path, max_bytes) as file:
        # Not more bytes, because Python allocates them before it reads.
        return file.read(os.fstat(file.fileno()).st_size)


def open_regular(path: str | Path, max_bytes: int | None = None) -> io.BufferedReader:
    """Open a regular file to read bytes; raise ``OSError`` as ``read_regular`` does."""
    # Opening a device can have an effect, so its kind is checked first. Opening a pipe would wait for a writer.
    _require_regular(os.stat(path), path, max_bytes)  # noqa: PTH116
    file = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb")
    try:
        _require_regular(os.fstat(file.fileno()), path, max_bytes)
    except OSError:
        file.close()
        raise
    return file


def _require_regular(status: os.stat_result, path: str | Path, max_bytes: int | None) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    if max_bytes is not None and status.st_size > max_bytes:
        raise OSError(errno.EFBIG, f"{status.st_size:,} bytes, more than {max_bytes:,}", str(path))


@contextmanager
def atomic_path(target: str | Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path to write to, in the folder of ``target``, which becomes ``target`` if no error is raised.

    The temporary file has the suffix of ``target`` and is empty. After an error it is removed, and ``target`` is
    unchanged. With ``durable`` the content is on disk before the rename, so that a power failure leaves the old content
    or the new. A missing folder is created. A link stays a link, and the file that it names is replaced. A device or a
    pipe, such as /dev/stdout, is yielded itself.

    Raises ``OSError``, whose ``filename`` is ``target``, also for a pipe that no program reads.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    final = Path(os.path.realpath(target))
    with _errors_about(target, final):
        is_special = final.exists() and not final.is_file()
        if final.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
        if final.exists() and not os.access(final, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))
    if is_special:
        with _errors_about(target, final), _reader_of(final):
            yield target
        return
    remove_left_overs(final.parent)
    temporary = final.with_name(unfinished_name(target.suffix))
    try:
        with _errors_about(target, temporary):
            # The name must be new, so that no link of another user is followed.
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            if final.exists():
                shutil.copymode(final, temporary)
            yield temporary
            if durable:
                sync(temporary)
            temporary.replace(final)
            if durable:
                sync(final.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def _reader_of(pipe: Path) -> Iterator[None]:
    """Require that a program reads a pipe, or begins to within two seconds: opening it would wait without end."""
    if not pipe.is_fifo():
        yield
        return
    end = time.monotonic() + READER_SECONDS
    while True:
        try:
            descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            break
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if time.monotonic() > end:
                raise OSError(errno.ENXIO, "a pipe that no program reads", str(pipe)) from error
            time.sleep(0.01)
    try:
        yield  # The pipe stays open: closing it would end the reader.
    finally:
        os.close(descriptor)


@contextmanager
def _errors_about(target: Path, written: Path) -> Iterator[None]:
    """Name ``target`` in errors that name the file that is written, or no file, as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename in (None, target, written, str(written)):
            error.filename, error.filename2 = str(target), None
        raise


def unfinished_name(suffix: str = "") -> str:
    """Return a new name for a file or folder that is being written; ``remove_left_overs`` knows whose it is."""
    return f".discogan-{_machine()}-{os.getpid()}-{next(_numbers)}{suffix}"


def remove_left_overs(folder: Path) -> None:
    """Remove unfinished files and folders of ended processes from a folder, once in each process.

    Only names that ``unfinished_name`` gave on this machine are removed. What cannot be removed is left.
    """
    key = os.path.realpath(folder)
    with _cleaning:
        if key in _cleaned:
            return
        _cleaned.add(key)
        try:
            names = os.listdir(folder)  # noqa: PTH208 (a folder can have a million names)
        except OSError:
            return
        for name in names:
            match = UNFINISHED_NAME.match(name)
            if match and match[1] == _machine() and _has_ended(int(match[2]), int(match[3])):
                _remove(folder / name)


def _has_ended(process: int, number: int) -> bool:
    """Return whether the process that gave an unfinished name has ended."""
    if process == os.getpid():
        # In a container, an earlier process often had the same number.
        return number < _first_number
    return not _is_running(process)


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _machine() -> str:
    """Return eight digits for this machine, because a folder may be shared by several, each with its processes."""
    return f"{zlib.crc32(platform.node().encode()):08x}"


def _is_running(process: int) -> bool:
    """Return whether a process may exist; on Windows, where ``os.kill`` would end it, always true."""
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def suggest_path(path: Path) -> str:
    """Return " (did you mean X?)" with the name in the same folder that is nearest to a mistyped one, or no text."""
    from difflib import get_close_matches

    try:
        names = [entry.name for entry in itertools.islice(os.scandir(path.parent), MAX_COMPARED_NAMES)]
    except OSError:
        return ""
    close = get_close_matches(path.name, names, 1, cutoff=0.75)
    return f" (did you mean {path.with_name(close[0])}?)" if close else ""


MAX_COMPARED_NAMES = 1000
"""Names of a folder that a mistyped name is compared with."""
CURES = {
    errno.ENOSPC: "Free some disk space, or choose another folder.",
    errno.EDQUOT: "Free some space in your quota, or choose another folder.",
    errno.EFBIG: "Choose a folder on a disk that can hold larger files, or raise the limit (ulimit -f).",
    errno.EROFS: "Choose a folder on a disk that can be written.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.EMFILE: "Raise the limit of open files (ulimit -n), or use fewer --threads.",
    errno.ENFILE: "Close other programs, because the system has too many open files.",
    errno.EISDIR: "Give the name of a file, not of a folder.",
    errno.ENOTDIR: "A part of this path is a file. Choose another path.",
    errno.EEXIST: "There is a file where a folder is needed. Choose another path.",
    errno.ELOOP: "It is a link that leads to itself. Correct or remove it.",
    errno.ENOENT: "Check the path.",
    errno.ENXIO: "Remove it, or choose another name.",
    errno.EIO: "The disk or the connection to it has failed. Check it, or choose another folder.",
}
"""What to do about an error of the system."""


def explain_os_error(error: OSError) -> str:
    """Return what the system refused, for which file, and what to do."""
    file = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) else ""
    what = f"{file}: {error.strerror}" if file and error.strerror else str(error)
    cure = CURES.get(error.errno or 0, "Check the path and its permissions.")
    if file and Path(file).is_relative_to(cache_folder()):
        return f"{what}. {cure} Set DISCOGAN_CACHE to keep the cache in another folder."
    return f"{what}. {cure}"


def sync(path: Path) -> None:
    """Flush a file or folder to disk; Windows cannot open folders and orders renames itself."""
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
