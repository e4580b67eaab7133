"""Scores of a finished run: against true pairs, against known azimuths, and without either."""

from discogan.evaluation.azimuth import evaluate_azimuth, load_regressor
from discogan.evaluation.evidence import evaluate, is_writable_run
from discogan.evaluation.scores import score_run

__all__ = ["evaluate", "evaluate_azimuth", "is_writable_run", "load_regressor", "score_run"]
