"""Images with known azimuths: a folder with labels.csv, or with azimuths in its file names."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from discogan.data import Record, folder_records
from discogan.errors import DataError

LABELS = "labels.csv"
NAMED = re.compile(r"(?P<identity>.+)_az(?P<azimuth>[+-]?\d+(\.\d+)?)(_|$)")


@dataclass(frozen=True)
class Labelled:
    """An image, the thing it shows, and that thing's azimuth in degrees."""

    record: Record
    identity: str
    azimuth: float


def labelled_images(folder: Path) -> list[Labelled]:
    """The labelled images of a folder; raises ``DataError`` where there is none.

    labels.csv has the columns name (the file, below the folder) and azimuth (degrees), and may have
    identity. Without it, files called IDENTITY_azDEGREES.png, also with something after another _, label
    themselves.
    """
    records = {record.name: record for record in folder_records(folder)}
    labels = folder / LABELS
    found = _from_csv(labels, records) if labels.exists() else _from_names(records)
    if not found:
        raise DataError(
            f"{folder} has no azimuths; write {LABELS} with the columns name,azimuth or name files IDENTITY_azDEGREES."
        )
    return found


def _from_csv(labels: Path, records: dict[str, Record]) -> list[Labelled]:
    try:
        with labels.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["name"] in records]
        return [
            Labelled(records[row["name"]], row.get("identity") or row["name"], float(row["azimuth"])) for row in rows
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{labels} must have the columns name and azimuth, in degrees ({error}); mend it.") from error


def _from_names(records: dict[str, Record]) -> list[Labelled]:
    matches = ((record, NAMED.match(Path(name).with_suffix("").as_posix())) for name, record in records.items())
    return [Labelled(record, match["identity"], float(match["azimuth"])) for record, match in matches if match]
