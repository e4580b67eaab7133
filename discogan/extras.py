"""Optional libraries: if one is missing, the message names the command that installs it. Their telemetry is off."""

import importlib
import os
from typing import Any

from discogan.errors import ConfigError

TELEMETRY_OFF = {
    "huggingface_hub": ("HF_HUB_DISABLE_TELEMETRY", "1"),
    "onnxruntime": ("ORT_DISABLE_TELEMETRY", "1"),
    "wandb": ("WANDB_ERROR_REPORTING", "false"),
}
"""For each library that reports its use to its makers: the environment variable and value that turn this off."""


def import_extra(module: str, extra: str, purpose: str) -> Any:
    """Return the module; raise ``ConfigError`` with the command that installs it if it is missing.

    The library's telemetry is turned off first, unless the user has set its environment variable.
    """
    if module in TELEMETRY_OFF:
        os.environ.setdefault(*TELEMETRY_OFF[module])
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(
            f'{purpose} needs {module}. Install it in a clone of discogan with: pip install ".[{extra}]"'
        ) from error
