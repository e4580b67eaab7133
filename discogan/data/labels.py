"""Images with known azimuths: a folder with labels.csv, or with azimuths in its file names."""

import math
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from discogan.csv_files import read_rows
from discogan.data import Record, folder_records
from discogan.errors import DataError
from discogan.names import name_of

LABELS = "labels.csv"
NAME_PATTERN = re.compile(r"(?P<identity>.+)_az(?P<azimuth>[+-]?\d+(\.\d+)?)(_|$)")


@dataclass(frozen=True)
class Labelled:
    """An image, the identity of the object that it shows, and the object's azimuth in degrees."""

    record: Record
    identity: str
    azimuth: float


def labelled_images(folder: Path) -> list[Labelled]:
    """Return the labelled images of a folder; raise ``DataError`` if there is none.

    labels.csv has the columns name (the file, below the folder) and azimuth (degrees), and optionally identity.
    Without labels.csv, names like IDENTITY_azDEGREES.png or IDENTITY_azDEGREES_ANYTHING.png are read as labels.
    """
    records = {record.name: record for record in folder_records(folder)}
    labels = folder / LABELS
    labelled = _read_csv(labels, records) if labels.exists() else _read_names(records)
    if not labelled:
        raise DataError(
            f"{folder} has no azimuths. Write {LABELS} with the columns name,azimuth or name files IDENTITY_azDEGREES."
        )
    return labelled


def _read_csv(labels: Path, records: dict[str, Record]) -> list[Labelled]:
    """Return the images that labels.csv names; rows for other files are left out."""
    by_name = {unicodedata.normalize("NFC", name): record for name, record in records.items()}
    labelled = []
    for row in read_rows(labels, ("name", "azimuth"), "the columns name and azimuth, in degrees"):
        name = row.values["name"]
        try:
            azimuth = float(row.values["azimuth"])
        except ValueError:
            azimuth = math.nan
        if not math.isfinite(azimuth):
            raise DataError(
                f"{name_of(labels)}, line {row.line} has the azimuth {row.values['azimuth']!r}. Give it in degrees."
            )
        record = by_name.get(unicodedata.normalize("NFC", name))
        if record is not None:
            labelled.append(Labelled(record, row.values.get("identity") or name, azimuth))
    return labelled


def _read_names(records: dict[str, Record]) -> list[Labelled]:
    labelled = []
    for name, record in records.items():
        match = NAME_PATTERN.match(Path(name).with_suffix("").as_posix())
        if match:
            labelled.append(Labelled(record, match["identity"], float(match["azimuth"])))
    return labelled
