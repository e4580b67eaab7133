"""Training: exact to resume, clean to stop, never losing work."""

from discogan.training.observer import Observer, Outcome, StepReport
from discogan.training.run import made_with, resume, train

__all__ = ["Observer", "Outcome", "StepReport", "made_with", "resume", "train"]
