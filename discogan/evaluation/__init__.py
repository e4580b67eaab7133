"""Scores of a finished run: against true pairs, against known azimuths, and without either."""

from discogan.evaluation.azimuth import evaluate_azimuth, load_regressor
from discogan.evaluation.scores import evaluate

__all__ = ["evaluate", "evaluate_azimuth", "load_regressor"]
