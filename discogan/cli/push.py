"""``discogan push``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from discogan.cli.console import say
from discogan.cli.parameters import RunFolderPath
from discogan.errors import ConfigError


def push(
    run: RunFolderPath,
    name: str | None = None,
    *,
    folder: Path | None = None,
    private: Annotated[bool, Parameter(negative="")] = False,
    licence: str = "",
    samples: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Share a run on the Hugging Face Hub, or write what would be shared into a folder.

    The weights, the settings without the paths of this machine, the scores, and a model card made from the run.
    discogan.load("user/name") takes it from there.

    Parameters
    ----------
    name
        user/name on the Hub.
    folder
        Write it here instead.
    private
        Only for those who may see it.
    samples
        Add a sheet of images that it trained on, with their translations: everyone will see them.
    licence
        For the model card, as mit or cc-by-4.0.
    """
    from discogan import hub

    if (name is None) == (folder is None):
        raise ConfigError("Give a name on the Hub or a --folder: discogan push RUN user/name.")
    if folder is not None:
        say(f"{hub.package(run, folder, licence, samples=samples)} holds what would be shared; look at its README.md")
    elif name is not None:
        say(f"Look at {hub.push(run, name, private=private, licence=licence, samples=samples)}")
