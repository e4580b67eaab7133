"""Print the results of the fault suite as a Markdown table: ``python -m tests.faults.table [FILE]``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROWS = Path(__file__).parents[2] / "docs" / "reliability" / "faults.jsonl"
COLUMNS = {
    "fault": "fault",
    "place": "place",
    "tried": "times tried",
    "lost": "lost",
    "wrong": "wrong",
    "tracebacks": "tracebacks",
    "left_behind": "left behind",
    "seconds": "seconds",
}
"""Keys of a row, and the heads of the columns."""
COUNTS = ("tried", "lost", "wrong", "tracebacks", "left_behind", "seconds")


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows by fault and place, with a total."""
    lines = ["| " + " | ".join(COLUMNS.values()) + " |"]
    lines.append("|" + "".join("---|" if key in ("fault", "place") else "--:|" for key in COLUMNS))
    total: dict[str, Any] = {"fault": "**total**", "place": ""}
    for key in COUNTS:
        total[key] = round(sum(row[key] for row in rows), 1)
    for row in [*sorted(rows, key=lambda row: (row["fault"], row["place"])), total]:
        cells = [f"{row[key]:,.0f}" if key in COUNTS else row[key] for key in COLUMNS]
        lines.append("| " + " | ".join(cells) + " |")
    machines = sorted({row["machine"] for row in rows})
    return "\n".join(lines) + f"\n\nMeasured on {' and on '.join(machines)}.\n"


def main() -> None:
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    sys.stdout.write(markdown_table([json.loads(line) for line in file.read_text("utf-8").splitlines()]))


if __name__ == "__main__":
    main()
