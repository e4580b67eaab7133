"""The figures of a run as rows of text, and its verdict in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from discogan.directions import LABELS
from discogan.labels import FIGURES, SCORES, figure_text, verdict_name
from discogan.run_folder import RunSummary

Row = list[str]

AZIMUTH = ("median_error", "identity_median_error", "chance_median_error")
TONES = {"found": "good", "found up to a symmetry": "fair", "unconfirmed": "fair", "unstable": "fair"}


def verdict_words(summary: RunSummary) -> dict[str, str]:
    """``tone`` (good, fair, bad or open), ``word`` and ``because``."""
    if summary.verdict is None:
        because = "The verdict comes when the budget is used; what is here is how it stands."
        return {"tone": "open", "label": "still training, or stopped before its end", "reason": because}
    verdict = summary.verdict
    return {"tone": TONES.get(verdict["label"], "bad"), "label": verdict_name(verdict), "reason": verdict["reason"]}


def figure_rows(figures: Mapping[str, Mapping[str, float]]) -> list[Row]:
    """A header, then a row for each figure of the verdict, in each direction."""
    if not figures:
        return []
    ways = list(figures)
    header = ["", *(LABELS[way] for way in ways)]  # type: ignore[index]
    return [header, *([label, *(figure_text(figures[way][key]) for way in ways)] for label, key in FIGURES)]


def score_rows(evaluation: Mapping[str, Any] | None) -> list[Row]:
    """A header, then what was scored against the truth, beside the identity and chance; none where nothing was."""
    rows = list(_scores(evaluation)) if evaluation else []
    return [["", "direction", "run", "identity", "chance"], *rows] if rows else []


def _scores(evaluation: Mapping[str, Any]) -> Iterator[Row]:
    for way, arrow in LABELS.items():
        values = evaluation.get(way)
        if values is None:
            continue  # The run has not learned that direction.
        for label, key in SCORES if evaluation["paired"] else ():
            yield [label, arrow, *(f"{values[prefix + key]:.3f}" for prefix in ("", "identity_", "chance_"))]
        if "azimuth" in evaluation:
            degrees = (f"{evaluation['azimuth'][way][key]:.1f}°" for key in AZIMUTH)
            yield ["median azimuth error (lower is better)", arrow, *degrees]


def setting_rows(summary: RunSummary) -> list[Row]:
    """Every setting by its ``part.option`` name, then what the run was made with."""
    made = {**summary.description.versions, **summary.description.machine}
    made["git revision"] = summary.description.git_revision
    named = {**summary.config.flat(), **{f"made with {name}": value for name, value in made.items()}}
    return [[name, str(value)] for name, value in named.items()]
