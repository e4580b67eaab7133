"""Training: exact to resume, clean to stop, never losing work."""

from discogan.training.observer import Observer, Outcome, StepReport
from discogan.training.run import check_config, made_with, resume, train
from discogan.training.watch import Alarm

__all__ = ["Alarm", "Observer", "Outcome", "StepReport", "check_config", "made_with", "resume", "train"]
