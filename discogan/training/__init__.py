"""Training: exact to resume, clean to stop, never losing work."""

from discogan.training.observer import Observer, Outcome, StepReport
from discogan.training.run import resume, train

__all__ = ["Observer", "Outcome", "StepReport", "resume", "train"]
