"""Print the tables of docs/reliability.md from the recorded results: ``python benchmarks/reliability.py``.

docs/reliability/faults.jsonl     rows of ``make test-faults``
docs/reliability/fuzz.jsonl       rows of ``make fuzz``
docs/reliability/mutation.jsonl   rows of ``make mutation``
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "docs" / "reliability"
Row = Mapping[str, Any]
FAULT_COUNTS = ("tried", "lost", "wrong", "tracebacks", "left_behind")


def read_rows(name: str) -> list[Row]:
    """Return the recorded rows of one suite."""
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text("utf-8").splitlines()]


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table whose first column is text."""
    lines = [f"| {' | '.join(header)} |", "|" + "---|" + "---:|" * (len(header) - 1)]
    for row in rows:
        cells = [f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def faults() -> str:
    """Return the injected faults by kind, over all places."""
    totals: dict[str, dict[str, int]] = {}
    for row in read_rows("faults"):
        counts = totals.setdefault(row["fault"], dict.fromkeys(("places", *FAULT_COUNTS), 0))
        counts["places"] += 1
        for key in FAULT_COUNTS:
            counts[key] += row[key]
    rows = [[fault, *counts.values()] for fault, counts in totals.items()]
    rows.append(["**all**", *(sum(int(row[column]) for row in rows) for column in range(1, 7))])
    return table(["fault", "places", "times tried", "lost", "wrong", "tracebacks", "left behind"], rows)


def generated_inputs() -> str:
    """Return the generated cases by target."""
    rows: list[list[object]] = []
    for row in read_rows("fuzz"):
        rows.append([row["target"].replace("_", " "), row["cases"], row["findings"], f"{row['peak_mib']:,.0f} MiB"])
    total_cases, total_findings = (sum(int(str(row[column])) for row in rows) for column in (1, 2))
    rows.append(["**all**", total_cases, total_findings, ""])
    return table(["input", "cases", "findings", "peak memory"], rows)


def mutants() -> str:
    """Return the killed mutants by module."""
    totals: dict[str, list[int]] = {}
    for row in read_rows("mutation"):
        counts = totals.setdefault(row["module"], [0, 0])
        counts[0] += 1
        counts[1] += row["outcome"] != "survived"
    rows = [[module, count, killed, f"{killed / count:.1%}"] for module, (count, killed) in sorted(totals.items())]
    count, killed = (sum(counts[column] for counts in totals.values()) for column in (0, 1))
    rows.append(["**all**", count, killed, f"{killed / count:.1%}"])
    return table(["module", "mutants", "killed", "share"], rows)


TABLES = {"make test-faults": faults, "make fuzz": generated_inputs, "make mutation": mutants}
"""Each table by the command that records its rows."""


def main() -> None:
    """Print all tables."""
    for command, make_table in TABLES.items():
        print(f"`{command}`:\n\n{make_table()}\n")


if __name__ == "__main__":
    main()
