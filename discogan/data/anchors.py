"""A few pairs that the user knows: read from a CSV file, some to train on and the rest to check the relation."""

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
    """Known pairs as uint8 (N, H, W, C), row i of one belonging to row i of the other."""

    train_a: Pixels
    train_b: Pixels
    held_out_a: Pixels
    held_out_b: Pixels
    key: str
    """Names the images, so that a resumed run can tell whether they changed."""

    def batch(self, size: int, seed: int, step: int) -> tuple[Pixels, Pixels]:
        """At most ``size`` pairs for a step, drawn anew for each as a function of (seed, step) alone."""
        chosen = np.random.default_rng([seed, step, 2]).permutation(len(self.train_a))[:size]
        return self.train_a[chosen], self.train_b[chosen]


def read_anchors(
    options: AnchorOptions, folders: Sequence[Path | None], decodings: tuple[Decoding, Decoding]
) -> Anchors | None:
    """The pairs of ``options.file``, or ``None`` where there is none.

    A path in it is absolute, or below the file's own folder, or below the domain's folder in ``folders`` (A, B).
    Raises ``DataError`` for a file that is not such a CSV, and for images that are missing or broken.
    """
    if not options.file:
        return None
    rows = _read_rows(Path(options.file))
    stores = []
    for column, folder, decoding in zip(COLUMNS, folders, decodings, strict=True):
        roots = [Path(options.file).parent, *([folder] if folder else [])]
        records = [Record(row[column], _find(row[column], roots, options.file)) for row in rows]
        store = open_store(records, decoding, workers=1)
        if store.skipped:
            raise DataError(f"Anchors must all be readable: {store.skipped[0]}")
        stores.append(store)
    # Spread over the file, for files are often sorted; never all of it.
    held = np.zeros(len(rows), dtype=bool)
    held_count = int(len(rows) * options.held_out_share)
    held[np.linspace(len(rows) - 1, 0, held_count).astype(int)] = True
    a, b = (np.array(store.pixels) for store in stores)
    return Anchors(a[~held], b[~held], a[held], b[held], f"{stores[0].key}-{stores[1].key}")


def _read_rows(file: Path) -> list[dict[str, str]]:
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except FileNotFoundError:
        raise DataError(f"There is no anchors file {file}; give a CSV file with the columns path_a,path_b.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} is not a CSV file ({error}); give one with the columns path_a,path_b.") from error
    if not rows:
        raise DataError(f"{file} names no pair; give a line path_a,path_b and a line for each pair.")
    if any(not row.get(column) for row in rows for column in COLUMNS):
        raise DataError(f"{file} must begin with the line path_a,path_b, and each line must name two images.")
    return rows


def _find(name: str, roots: Sequence[Path], file: str) -> Path:
    for root in roots:
        if (root / name).is_file():
            return root / name
    where = " and ".join(str(root) for root in roots)
    raise DataError(f"{file} names {name}, which is not there (looked in {where}); correct the path.")
