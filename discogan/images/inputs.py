"""Which images a command reads, and the names of its results."""

from __future__ import annotations

import glob
import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from discogan.errors import DataError
from discogan.files import suggest_path
from discogan.images.files import SUFFIXES, image_files, is_image_name


def input_files(source: str | Path | Sequence[str | Path], without: Path | None = None) -> list[tuple[Path, Path]]:
    """Return the image files of a file, folder or glob, each with its path relative to the common folder.

    Several sources are treated like one folder that contains them, because a shell expands a glob without quotes. Files
    below the folder ``without`` are left out, unless they are named themselves. Raises ``DataError`` if there is no
    image.
    """
    if isinstance(source, str | Path):
        return _files_of(source, without)
    if len(source) == 1:
        return _files_of(source[0], without)
    files: dict[Path, None] = {}
    parents: list[Path] = []
    for part in map(_absolute, source):
        if part.is_dir() and ((without and is_inside(part, without)) or not image_files(part)):
            continue
        found = [file for file, _ in _files_of(part, without)]
        files.update(dict.fromkeys(found))
        parents += [part.parent] if part.exists() else [file.parent for file in found]
    if not files:
        raise DataError("The inputs hold no image. Give files, folders of images or a glob in quotes.")
    root = os.path.commonpath(parents)
    return [(file, file.relative_to(root)) for file in files]


def _absolute(path: str | Path) -> Path:
    """Return an absolute path without "..", so that results stay below their folder; links are not followed."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def _files_of(source: str | Path, without: Path | None) -> list[tuple[Path, Path]]:
    path = Path(source)
    if path.is_dir():
        found, root = image_files(path), path
    elif path.exists():
        return [(path, Path(path.name))]  # Of a pipe or a device, decoding reports what it is.
    else:
        matches = [Path(name) for name in sorted(glob.glob(str(source), recursive=True))]
        found = [file for file in matches if file.is_file() and is_image_name(file.name)]
        root = Path(os.path.commonpath([file.parent for file in found])) if found else path
    kept = [file for file in found if without is None or not is_inside(file, without)]
    files = [(file, file.relative_to(root)) for file in kept or found]
    if not files and path.is_symlink():
        raise DataError(f"{source} is a link to itself, or to a file that does not exist. Correct the link.")
    if not files and not path.exists() and not glob.has_magic(str(source)):
        raise DataError(
            f"{source} does not exist{suggest_path(path)}. Give a file, a folder of images or a glob in quotes."
        )
    if not files:
        raise DataError(f"{source} names no image. Give a file, a folder of images or a glob in quotes.")
    return files


def is_inside(path: Path, folder: Path) -> bool:
    """Return whether a path is a folder or below it, with links followed."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def target_paths(files: Sequence[tuple[Path, Path]], out: Path) -> list[Path]:
    """Return the path of each result: the tree of the inputs below ``out``, with the suffix .png.

    If two names differ only in their suffixes, the results keep them: cat.jpg becomes cat.jpg.png. For a single file,
    ``out`` can be the name of the result, such as out.png. Raises ``DataError`` if two results would have one name.
    """
    if len(files) == 1 and out.suffix.lower() in SUFFIXES and not out.is_dir():
        if out.suffix.lower() != ".png":
            raise DataError(f"Results are PNG files. Name it {out.with_suffix('.png')}, or give a folder.")
        return [out]
    plain = [relative.with_suffix("") for _, relative in files]
    uses = Counter(fold_name(name) for name in plain)
    targets = []
    for name, (_, relative) in zip(plain, files, strict=True):
        is_unique = uses[fold_name(name)] == 1
        targets.append(out / (f"{name}.png" if is_unique else f"{relative}.png"))
    [(target, count)] = Counter(targets).most_common(1)
    if count > 1:
        raise DataError(
            f"{count} inputs would be written to the same file, {target}. Rename them, or translate them separately."
        )
    return targets


def fold_name(name: Path) -> str:
    """Return one text for names that some file systems do not distinguish, by case or by composed accents."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", str(name)).casefold())
