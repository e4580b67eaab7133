"""Training: exact to resume, clean to stop, never losing work."""

from discogan.training.observer import Observer, Observers, Outcome, StepCallback, StepReport
from discogan.training.run import check_config, made_with, resume, train
from discogan.training.watch import Alarm

__all__ = [
    "Alarm",
    "Observer",
    "Observers",
    "Outcome",
    "StepCallback",
    "StepReport",
    "check_config",
    "made_with",
    "resume",
    "train",
]
