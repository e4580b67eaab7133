"""The verdict, the metrics and the settings of a run as rows of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from discogan.directions import LABELS
from discogan.labels import AZIMUTHS, NO_VALUE, VERDICT_METRICS, format_value, value_label, verdict_name
from discogan.metrics import describe_values, metric_kinds
from discogan.run_summary import RunSummary

Row = list[str]
TONES = {"found": "good", "found up to a symmetry": "fair", "unconfirmed": "fair", "unstable": "fair"}


def describe_verdict(summary: RunSummary) -> dict[str, str]:
    """Return the verdict's ``tone`` (good, fair, bad or open), ``label`` and ``reason``."""
    verdict = summary.verdict
    if verdict is None:
        reason = "Training writes the verdict when the budget is used up. This page shows the results so far."
        return {"tone": "open", "label": "still training, or stopped before its end", "reason": reason}
    return {"tone": TONES.get(verdict["label"], "bad"), "label": verdict_name(verdict), "reason": verdict["reason"]}


def verdict_metric_rows(verdict: Mapping[str, Any] | None) -> list[Row]:
    """Return a header and a row for each metric behind the verdict, with a cell for each direction."""
    if not verdict:
        return []
    metrics = verdict["metrics"]
    directions = [direction for direction in LABELS if direction in metrics]
    rows = [["", *(LABELS[direction] for direction in directions)]]
    for label, key in VERDICT_METRICS:
        rows.append([label, *(format_value(metrics[direction][key], 2) for direction in directions)])
    anchors = verdict.get("held_out_anchors")
    if anchors:
        shares = [format_value(verdict["anchors_found"][direction], 2) for direction in directions]
        rows.append([f"held-out anchors whose partner is the nearest image (share of {anchors})", *shares])
    return rows


def score_rows(evaluation: Mapping[str, Any] | None) -> list[Row]:
    """Return a header and a row for each value and direction of an evaluation; no rows without an evaluation.

    The columns identity and chance are left out if no value has these baselines.
    """
    if not evaluation:
        return []
    rows = []
    for value in evaluation_values([evaluation]):
        for direction, arrow in LABELS.items():
            scores = evaluation.get(direction, {})
            if value["key"] in scores:
                rows.append([value_label(value), arrow, *_with_baselines(scores, value["key"])])
    for label, key in AZIMUTHS:
        for direction, scores in evaluation.get("azimuth", {}).items():
            rows.append([label, LABELS[direction], *_with_baselines(scores, key)])
    header = ["", "direction", "run", "identity", "chance"]
    if all(row[3:] == [NO_VALUE, NO_VALUE] for row in rows):
        header, rows = header[:3], [row[:3] for row in rows]
    return [header, *rows] if rows else []


def _with_baselines(scores: Mapping[str, float], key: str) -> Row:
    """Return the cells of a value: the run's, the untranslated input's and that of chance."""
    return [format_value(scores.get(prefix + key)) for prefix in ("", "identity_", "chance_")]


def evaluation_values(evaluations: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return how to read the values of some evaluations, each key once, in the order of display.

    An evaluation by version 0.1.0 does not describe its values, so the registered metrics do.
    """
    described: dict[str, dict[str, Any]] = {}
    for evaluation in evaluations:
        for value in evaluation.get("values") or describe_values(metric_kinds()):
            described.setdefault(value["key"], value)
    return list(described.values())


def setting_rows(summary: RunSummary) -> list[Row]:
    """Return every setting by its ``GROUP.OPTION`` name, then the versions and the machine that trained the run."""
    rows = [[name, str(value)] for name, value in summary.config.flat().items()]
    provenance = {**summary.description.versions, **summary.description.machine}
    provenance["git revision"] = summary.description.git_revision
    for name, value in provenance.items():
        rows.append([f"trained with {name}", str(value)])
    return rows
