"""Tables of medians, extremes and counts over seeds, as Markdown and JSON."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from discogan.directions import DIRECTIONS
from discogan.experiments import Column, Experiment, Row
from discogan.files import write_json, write_text

SETTING_KEYS = ("experiment", "data", "image_size", "minutes", "threads", "settings")
"""Keys of a row that are equal in all rows of one table."""


def write_tables(experiment: Experiment, rows: Sequence[Row], out: Path) -> list[Path]:
    """Write table.md and table.json, and return their paths."""
    write_text(out / "table.md", make_markdown(experiment, rows))
    write_json(out / "table.json", summarise_rows(experiment, rows))
    return [out / "table.md", out / "table.json"]


def summarise_rows(experiment: Experiment, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return an entry for each setting and objective: runs, found runs, and each direction's metrics over seeds."""
    entries = []
    for group in group_rows(rows):
        first, completed = group[0], [row for row in group if "failed" not in row]
        entry = {name: first[name] for name in SETTING_KEYS}
        entry["objective"] = first["objective"]
        entry["runs"] = len(group)
        entry["failed"] = len(group) - len(completed)
        entry["found"] = _count_found(experiment, completed)
        entry["steps"] = _summarise_values([row["steps"] for row in group])
        for direction in completed[0]["directions"] if completed else []:
            entry[direction] = {}
            for column in experiment.columns:
                if all(column.key in row[direction] for row in completed):
                    values = [row[direction][column.key] for row in completed]
                    entry[direction][column.key] = _summarise_values(values)
        entries.append(entry)
    return entries


def make_markdown(experiment: Experiment, rows: Sequence[Row]) -> str:
    """Return a table for each setting; a cell is the median [worst, best] over seeds."""
    by_setting: dict[str, list[dict[str, Any]]] = {}
    for entry in summarise_rows(experiment, rows):
        by_setting.setdefault(_describe_setting(entry), []).append(entry)
    lines = []
    for setting, entries in by_setting.items():
        lines += [f"**{setting}**", "", *_make_table(experiment, entries), ""]
    return "\n".join(lines)


def group_rows(rows: Sequence[Row]) -> list[list[Row]]:
    """Group the rows that differ only in the seed, in the order of the groups' first rows; sort each by seed."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        setting = [str(row[name]) for name in SETTING_KEYS]
        groups.setdefault((*setting, row["objective"]), []).append(row)
    return [sorted(group, key=lambda row: row["seed"]) for group in groups.values()]


def _count_found(experiment: Experiment, group: Sequence[Row]) -> int | None:
    """Return how many runs found the relation, or ``None`` without true pairs."""
    results = [experiment.found(row) for row in group]
    return None if None in results else sum(map(bool, results))


def _summarise_values(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def _describe_setting(entry: dict[str, Any]) -> str:
    size = f", {entry['image_size']} px" if entry["image_size"] else ""
    minutes = f", {entry['minutes']:g} min" if entry["minutes"] else ""
    cores = f", {entry['threads']} core" + "s" * (entry["threads"] > 1)
    settings = "".join(f", {setting}" for setting in entry["settings"])
    return f"{entry['experiment']}, {entry['data']}{size}{minutes}{cores}{settings}"


def _make_table(experiment: Experiment, entries: Sequence[dict[str, Any]]) -> list[str]:
    columns = [
        column for column in experiment.columns if any(column.key in entry.get("a_to_b", {}) for entry in entries)
    ]
    titles = [f"{column.title} (A to B / B to A)" for column in columns]
    lines = ["| objective | found | " + " | ".join(titles) + " | steps |", "|---" * (len(titles) + 3) + "|"]
    order = {name: position for position, name in enumerate(experiment.objectives)}
    for entry in sorted(entries, key=lambda entry: order.get(entry["objective"], len(order))):
        cells = []
        for column in columns:
            cells.append(" / ".join(_format_cell(entry, direction, column) for direction in DIRECTIONS))
        found = "-" if entry["found"] is None else f"{entry['found']} of {entry['runs']}"
        found += f" ({entry['failed']} diverged)" if entry["failed"] else ""
        cells = [entry["objective"], found, *cells, _format_steps(entry["steps"])]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _format_steps(steps: dict[str, float]) -> str:
    if steps["min"] == steps["max"]:
        return f"{steps['median']:,.0f}"
    return f"{steps['median']:,.0f} [{steps['min']:,.0f}, {steps['max']:,.0f}]"


def _format_cell(entry: dict[str, Any], direction: str, column: Column) -> str:
    if column.key not in entry.get(direction, {}):
        return "-"
    values, digits = entry[direction][column.key], column.digits
    worst, best = ("min", "max") if column.higher_is_better else ("max", "min")
    return f"{values['median']:.{digits}f} [{values[worst]:.{digits}f}, {values[best]:.{digits}f}]"
