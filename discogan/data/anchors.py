"""Known pairs from a CSV file: some for training, the rest to check the relation."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np

from discogan.config import AnchorOptions
from discogan.csv_files import read_rows, spellings
from discogan.data import Record
from discogan.data.decoding import Decoding
from discogan.data.store import open_store
from discogan.errors import DataError, shown
from discogan.images import Pixels
from discogan.names import name_of, path_of

COLUMNS = ("path_a", "path_b")


@dataclass(frozen=True)
class Anchors:
    """Known pairs as uint8 (N, H, W, C). Row i of A belongs to row i of B."""

    train_a: Pixels
    train_b: Pixels
    held_out_a: Pixels
    held_out_b: Pixels
    key: str
    """Digest of the images; a resumed run compares it to notice changes."""

    def batch(self, size: int, seed: int, step: int) -> tuple[Pixels, Pixels]:
        """Return at most ``size`` random pairs for a step; they depend on (seed, step) only."""
        chosen = np.random.default_rng([seed, step, 2]).permutation(len(self.train_a))[:size]
        return self.train_a[chosen], self.train_b[chosen]


def read_anchors(
    options: AnchorOptions, folders: Sequence[Path | None], decodings: tuple[Decoding, Decoding]
) -> Anchors | None:
    """Return the pairs of ``options.file``, or ``None`` if no file is set.

    A path in it is absolute, or relative to the file's own folder, or to the domain's folder in ``folders`` (A, B).
    Raises ``DataError`` if the file is not such a CSV, or if images are missing or broken.
    """
    if not options.file:
        return None
    file = path_of(options.file)
    rows = read_rows(file, COLUMNS, "two images in each line, under path_a,path_b")
    if not rows:
        raise DataError(f"{name_of(file)} names no pair. Write the header path_a,path_b, then one line for each pair.")
    stores = []
    for column, folder, decoding in zip(COLUMNS, folders, decodings, strict=True):
        roots = [file.parent, *([folder] if folder else [])]
        records = []
        for row in rows:
            name = row.values[column]
            records.append(Record(name, _find_image(name, roots, f"{name_of(file)}, line {row.line}")))
        store = open_store(records, decoding, workers=1)
        if store.skipped:
            raise DataError(f"Anchors must all be readable: {store.skipped[0]}")
        stores.append(store)
    # Spread over the file, because files are often sorted; never all rows.
    # Not ``evenly_spaced``: a resumed run must hold out the same rows.
    is_held_out = np.zeros(len(rows), dtype=bool)
    held_out_count = int(len(rows) * options.held_out_share)
    is_held_out[np.linspace(len(rows) - 1, 0, held_out_count).astype(int)] = True
    pixels_a, pixels_b = np.array(stores[0].pixels), np.array(stores[1].pixels)
    return Anchors(
        pixels_a[~is_held_out],
        pixels_b[~is_held_out],
        pixels_a[is_held_out],
        pixels_b[is_held_out],
        f"{stores[0].key}-{stores[1].key}",
    )


def _find_image(name: str, roots: Sequence[Path], where: str) -> Path:
    """Return the file that a CSV names; ``where`` is the CSV and its line."""
    for root in roots:
        for path in spellings(name):
            with suppress(OSError):  # A name can be too long for the file system.
                if (root / path).is_file():
                    return root / path
        # A composed name can still have another spelling on the disk, so all names of its folder are compared.
        match = _find_equal_name(root, name)
        if match is not None:
            return match
    folders = " and ".join(name_of(root) for root in roots)
    raise DataError(f"{where} names {shown(name)}, which is missing in {folders}. Correct the path.")


def _find_equal_name(root: Path, name: str) -> Path | None:
    """Return the file whose path below ``root`` is ``name`` after Unicode normalisation, or ``None``."""
    folder = root
    for part in PurePath(path_of(name)).parts:
        wanted = unicodedata.normalize("NFC", part)
        try:
            names = {unicodedata.normalize("NFC", entry.name): entry for entry in folder.iterdir()}
        except OSError:
            return None
        if wanted not in names:
            return None
        folder = names[wanted]
    return folder if folder.is_file() else None
