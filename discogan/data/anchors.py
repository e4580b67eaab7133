"""Known pairs from a CSV file: some for training, the rest to check the relation."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from discogan.config import AnchorOptions
from discogan.data import Record
from discogan.data.store import Decoding, open_store
from discogan.errors import DataError
from discogan.images import Pixels

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
    rows = _read_rows(Path(options.file))
    stores = []
    for column, folder, decoding in zip(COLUMNS, folders, decodings, strict=True):
        roots = [Path(options.file).parent, *([folder] if folder else [])]
        records = [Record(row[column], _find_image(row[column], roots, options.file)) for row in rows]
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


def _read_rows(file: Path) -> list[dict[str, str]]:
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except FileNotFoundError:
        raise DataError(f"There is no anchors file {file}. Give a CSV file with the columns path_a,path_b.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} is not a CSV file ({error}). Give one with the columns path_a,path_b.") from error
    if not rows:
        raise DataError(f"{file} names no pair. Write the header path_a,path_b, then one line for each pair.")
    if any(not row.get(column) for row in rows for column in COLUMNS):
        raise DataError(f"{file} must begin with the line path_a,path_b, and each line must name two images.")
    return rows


def _find_image(name: str, roots: Sequence[Path], file: str) -> Path:
    for root in roots:
        if (root / name).is_file():
            return root / name
    folders = " and ".join(str(root) for root in roots)
    raise DataError(f"{file} names {name}, which is missing in {folders}. Correct the path.")
