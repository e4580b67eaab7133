"""metrics.jsonl: one JSON object a logged step."""

import json
from pathlib import Path
from typing import Any

from discogan.files import write_text

Record = dict[str, Any]
POSITION = ("step", "images_seen", "elapsed_seconds", "images_per_second")
"""What in a record says where it is, not how it goes."""


def losses(record: Record) -> dict[str, float]:
    """The losses of a metrics record by name."""
    return {name: value for name, value in record.items() if name not in POSITION}


class MetricsLog:
    """Appends records to a JSON-lines file. Opening it at a step drops what a killed run wrote beyond that step."""

    def __init__(self, path: Path, step: int = 0) -> None:
        self.path = path
        kept = [record for record in read_metrics(path) if record["step"] <= step]
        write_text(path, "".join(json.dumps(record) + "\n" for record in kept))

    def append(self, record: Record) -> None:
        """Write one record and hand it to the operating system at once."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def read_metrics(path: Path) -> list[Record]:
    """All whole records of a metrics file, none where there is no file; a torn last line is left out."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text("utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return records
