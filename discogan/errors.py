"""Every error a user can cause.

    DiscoGANError
    ├── ConfigError          an option, preset or part that does not exist or does not fit
    ├── DataError            images that cannot be found, read or used
    ├── RunError             a run folder or checkpoint that cannot be used
    └── DivergedError        a loss became NaN or infinite during training

Each message is one sentence that says what is wrong, where, and the cure. The command line prints it
and exits with 2; anything else that escapes is a bug.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class DiscoGANError(Exception):
    """Base of all errors a user can cause; ``str(error)`` is one sentence with the cure."""


class ConfigError(DiscoGANError):
    """An option, preset or part that does not exist or does not fit."""


class DataError(DiscoGANError):
    """Images that cannot be found, read or used."""


class RunError(DiscoGANError):
    """A run folder or checkpoint that cannot be used."""


class DivergedError(DiscoGANError):
    """A loss became NaN or infinite.

    ``step`` (the training step, counted from 1) and ``term`` (the name of the loss, or of the network) say where.
    """

    def __init__(self, step: int, term: str, last_good: str) -> None:
        super().__init__(
            f"{term} became NaN or infinite at step {step} ({last_good}); go on from there with --resume and "
            "a lower --set training.learning_rate=..., or with --set training.precision=float32."
        )
        self.step = step
        self.term = term


def unknown_choice(what: str, given: str, choices: Iterable[str]) -> ConfigError:
    """The error for a name that is not among the known ones; it says which one may be meant, and lists them."""
    known = sorted(choices)
    close = get_close_matches(given, known, 1)
    meant = f" (did you mean {close[0]}?)" if close else ""
    return ConfigError(f"There is no {what} named {given!r}{meant}; choose one of: {', '.join(known)}.")
