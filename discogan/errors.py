"""Every error a user can cause.

    DiscoGANError
    ├── ConfigError          an option, preset or component that does not exist or does not fit
    ├── DataError            images that cannot be found, read or used
    │   └── TooLargeError    an image with more pixels than the limit
    ├── CacheError           the folder of decoded images cannot be used
    ├── RunError             a run folder or checkpoint that cannot be used
    │   ├── RecordError      a damaged JSON file of a run or of the cache
    │   └── DamagedCheckpointError   a checkpoint whose files have changed or do not fit
    └── DivergedError        a loss became NaN or infinite during training

Each message says what happened, gives the offending value, and says what to do. The command line prints it
and exits with 2. Any other exception that escapes is a bug.
"""

from collections.abc import Iterable
from typing import Any


class DiscoGANError(Exception):
    """Base of all errors that a user can cause; ``str(error)`` says what happened and what to do."""


class ConfigError(DiscoGANError):
    """An option, preset or component that does not exist or does not fit."""


class DataError(DiscoGANError):
    """Images that cannot be found, read or used."""


class TooLargeError(DataError):
    """An image with more pixels than the limit. ``pixels`` and ``max_pixels`` are the two numbers."""

    def __init__(self, source: object, pixels: int, max_pixels: int) -> None:
        self.pixels = pixels
        self.max_pixels = max_pixels
        super().__init__(
            f"{source} has {pixels / 1e6:,.1f} megapixels, more than the limit of {max_pixels / 1e6:g}. "
            "Reduce the image, or train with a larger --set data.max_megapixels."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # An error that a decoding process raises is copied to this process without its arguments.
        return _restore, (type(self), self.args, vars(self))


def _restore(kind: type[Exception], arguments: tuple[Any, ...], attributes: dict[str, Any]) -> Exception:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(attributes)
    return error


class CacheError(DiscoGANError):
    """The folder of decoded images cannot be read or written."""


class RunError(DiscoGANError):
    """A run folder or checkpoint that cannot be used."""


class RecordError(RunError):
    """A JSON file that is missing, damaged or not valid. ``source`` names it and ``problem`` the field."""

    def __init__(self, source: object, problem: str) -> None:
        self.source = source
        self.problem = problem
        super().__init__(f"{source} is damaged or missing ({problem}). Restore or delete the file.")


class DamagedCheckpointError(RunError):
    """A checkpoint whose files are missing, changed since they were written, or do not fit the run."""

    def __init__(self, checkpoint: object, problem: str) -> None:
        self.checkpoint = checkpoint
        self.problem = problem
        super().__init__(f"The checkpoint {checkpoint} is damaged: {problem}. Use another checkpoint of the run.")


class DiscoGANWarning(UserWarning):
    """Something that the user should know, although the command continues."""


class DamagedCheckpointWarning(DiscoGANWarning):
    """A damaged checkpoint was skipped, and an older or newer one is used instead."""


class DivergedError(DiscoGANError):
    """A loss or a weight became NaN or infinite.

    ``step`` (counted from 1) and ``term`` (the name of the loss, or of the network) say where.
    """

    def __init__(self, step: int, term: str, last_good: str) -> None:
        self.step = step
        self.term = term
        self.summary = f"{term} became NaN or infinite at step {step}. {last_good}"
        super().__init__(
            f"{self.summary} Continue with --resume and a lower --set training.learning_rate=..., or with "
            "--set training.precision=float32."
        )


MAX_SHOWN_CHARACTERS = 120
"""Characters of a value that a message shows."""


def shown(value: object) -> str:
    """Return a value as a message shows it: its ``repr``, shortened in the middle if it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write whole numbers of more than 4300 digits.
        return "a number of thousands of digits"
    if len(text) <= MAX_SHOWN_CHARACTERS:
        return text
    half = MAX_SHOWN_CHARACTERS // 2
    return f"{text[:half]} ... {text[-half:]}"


def unknown_choice(what: str, given: str, choices: Iterable[str]) -> ConfigError:
    """Return the error for an unknown name; it suggests the closest known one and lists all."""
    from difflib import get_close_matches  # Its import takes time, and most commands need no suggestion.

    known = sorted(choices)
    close = get_close_matches(given[:MAX_SHOWN_CHARACTERS], known, 1)
    suggestion = f" (did you mean {close[0]}?)" if close else ""
    return ConfigError(f"There is no {what} named {shown(given)}{suggestion}. Choose one of: {', '.join(known)}.")


OUT_OF_MEMORY_TEXTS = (
    "can't allocate memory",
    "cannot allocate memory",
    "failed to allocate memory",
    "out of memory",
    "bad_alloc",
    "bad allocation",
    "can't start new thread",
    "failed to map segment from shared object",
    "could not create a primitive",
    "could not create a memory object",
    "encoding error 1",
    "lost sys.stderr",
    "returned null without setting an exception",
)
"""What PyTorch, oneDNN, ONNX Runtime, Pillow, the C++ library and the loader say if memory is short, in lower case."""
MEMORY_ERROR_KINDS = (RuntimeError, ImportError, OSError, ValueError, SystemError)
"""Kinds of errors that libraries raise if memory is short."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that memory is short; libraries raise many kinds of errors then."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, DiscoGANError):
        text = str(seen).lower()
        if isinstance(seen, MemoryError):
            return True
        if isinstance(seen, MEMORY_ERROR_KINDS) and any(part in text for part in OUT_OF_MEMORY_TEXTS):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
