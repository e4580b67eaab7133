"""``discogan completion``."""

import sys
from typing import Literal


def completion(shell: Literal["bash", "zsh", "fish"]) -> None:
    """Print a script that completes commands and flags: eval "$(discogan completion bash)".

    Example: discogan completion bash

    Parameters
    ----------
    shell
        bash, zsh or fish.
    """
    from discogan.cli import build_app

    sys.stdout.write(build_app(show_global_flags=True).generate_completion(shell=shell))
