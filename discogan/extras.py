"""Optional libraries: if one is missing, the message names the command that installs it."""

import importlib
from typing import Any

from discogan.errors import ConfigError


def import_extra(module: str, extra: str, purpose: str) -> Any:
    """Return the module; raise ``ConfigError`` with the command that installs it if it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(
            f'{purpose} needs {module}. Install it in a clone of discogan with: pip install ".[{extra}]"'
        ) from error
