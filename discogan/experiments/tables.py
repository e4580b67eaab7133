"""Medians, extremes and counts over seeds, as Markdown and JSON."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from discogan.directions import LABELS
from discogan.experiments import Column, Experiment, Row
from discogan.files import write_json, write_text

SETTING = ("experiment", "data", "image_size", "minutes", "threads", "settings")
"""What is the same for all runs of one table."""


def write_tables(experiment: Experiment, rows: Sequence[Row], out: Path) -> list[Path]:
    """table.md and table.json."""
    write_text(out / "table.md", markdown(experiment, rows))
    write_json(out / "table.json", summary(experiment, rows))
    return [out / "table.md", out / "table.json"]


def summary(experiment: Experiment, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """One entry for each setting and objective: runs, found, and for each direction the figures over seeds."""
    entries = []
    for group in groups(rows):
        first, good = group[0], [row for row in group if "failed" not in row]
        ways = good[0]["directions"] if good else []
        entries.append(
            {
                **{name: first[name] for name in SETTING},
                "objective": first["objective"],
                "runs": len(group),
                "failed": len(group) - len(good),
                "found": _found(experiment, good),
                "steps": {
                    "median": statistics.median(row["steps"] for row in group),
                    "min": min(row["steps"] for row in group),
                    "max": max(row["steps"] for row in group),
                },
                **{
                    way: {
                        c.key: _spread(good, way, c)
                        for c in experiment.columns
                        if all(c.key in row[way] for row in good)
                    }
                    for way in ways
                },
            }
        )
    return entries


def markdown(experiment: Experiment, rows: Sequence[Row]) -> str:
    """A table for each setting; cells are median [worst, best] over seeds."""
    entries, lines = summary(experiment, rows), []
    for setting in dict.fromkeys(_setting(entry) for entry in entries):
        lines += [f"**{setting}**", "", *_table(experiment, [e for e in entries if _setting(e) == setting]), ""]
    return "\n".join(lines)


def groups(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows that differ in the seed alone, in the order of the settings' first appearance and of the objectives."""
    made: dict[Any, list[Row]] = {}
    for row in rows:
        made.setdefault((*(str(row[name]) for name in SETTING), row["objective"]), []).append(row)
    return [sorted(group, key=lambda row: row["seed"]) for group in made.values()]


def _found(experiment: Experiment, group: Sequence[Row]) -> int | None:
    verdicts = [experiment.found(row) for row in group]
    return None if None in verdicts else sum(map(bool, verdicts))


def _spread(group: Sequence[Row], way: str, column: Column) -> dict[str, float]:
    values = [row[way][column.key] for row in group]
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def _setting(entry: dict[str, Any]) -> str:
    size = f", {entry['image_size']} px" if entry["image_size"] else ""
    minutes = f", {entry['minutes']:g} min" if entry["minutes"] else ""
    cores = f", {entry['threads']} core" + "s" * (entry["threads"] > 1)
    return f"{entry['experiment']}, {entry['data']}{size}{minutes}{cores}" + "".join(
        f", {setting}" for setting in entry["settings"]
    )


def _table(experiment: Experiment, entries: Sequence[dict[str, Any]]) -> list[str]:
    columns = [
        column for column in experiment.columns if any(column.key in entry.get("a_to_b", {}) for entry in entries)
    ]
    titles = [f"{column.title} (A to B / B to A)" for column in columns]
    lines = ["| objective | found | " + " | ".join(titles) + " | steps |", "|---" * (len(titles) + 3) + "|"]
    order = {name: place for place, name in enumerate(experiment.objectives)}
    for entry in sorted(entries, key=lambda entry: order.get(entry["objective"], len(order))):
        cells = [" / ".join(_cell(entry, way, column) for way in LABELS) for column in columns]
        found = "-" if entry["found"] is None else f"{entry['found']} of {entry['runs']}"
        found += f" ({entry['failed']} diverged)" if entry["failed"] else ""
        lines.append(f"| {entry['objective']} | {found} | " + " | ".join(cells) + f" | {_steps(entry['steps'])} |")
    return lines


def _steps(steps: dict[str, float]) -> str:
    if steps["min"] == steps["max"]:
        return f"{steps['median']:,.0f}"
    return f"{steps['median']:,.0f} [{steps['min']:,.0f}, {steps['max']:,.0f}]"


def _cell(entry: dict[str, Any], way: str, column: Column) -> str:
    if column.key not in entry.get(way, {}):
        return "-"
    values, digits = entry[way][column.key], column.digits
    worst, best = ("min", "max") if column.higher_is_better else ("max", "min")
    return f"{values['median']:.{digits}f} [{values[worst]:.{digits}f}, {values[best]:.{digits}f}]"
