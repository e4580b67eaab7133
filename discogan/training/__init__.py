"""Training: exact resumption, clean interruption, and no lost work."""

from discogan.training.monitor import Alarm
from discogan.training.observer import Observer, Observers, Outcome, StepCallback, StepReport
from discogan.training.run import check_config, provenance, resume, train

__all__ = [
    "Alarm",
    "Observer",
    "Observers",
    "Outcome",
    "StepCallback",
    "StepReport",
    "check_config",
    "provenance",
    "resume",
    "train",
]
