"""What is installed on request: a missing one is one sentence with the command that brings it."""

import importlib
from typing import Any

from discogan.errors import ConfigError


def import_extra(module: str, extra: str, purpose: str) -> Any:
    """The module; raises ``ConfigError`` saying what needs it and how to install it where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(
            f'{purpose} needs {module}; in a clone of discogan, pip install ".[{extra}]" brings it.'
        ) from error
