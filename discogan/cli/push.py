"""``discogan push``."""

from __future__ import annotations

from pathlib import Path

from discogan.cli.console import say
from discogan.cli.parameters import RunFolderPath
from discogan.errors import ConfigError


def push(
    run: RunFolderPath,
    name: str | None = None,
    *,
    folder: Path | None = None,
    private: bool = False,
    licence: str = "",
    samples: bool = False,
) -> None:
    """Share a run on the Hugging Face Hub, or write the same files into a folder.

    The shared files are the weights, the scores, the settings without paths of this machine, and a model card.
    discogan.load("user/name") loads the shared run.

    Example: discogan push runs/one user/sketches-to-photos --private

    Parameters
    ----------
    name
        user/name on the Hub.
    folder
        Write the files into this folder instead of uploading them.
    private
        Create a private repository.
    licence
        Licence for the model card, such as mit or cc-by-4.0.
    samples
        Add a sheet of training images with their translations. Everyone with access will see them.
    """
    from discogan import hub

    if (name is None) == (folder is None):
        raise ConfigError("Give either a name on the Hub or a --folder: discogan push RUN user/name.")
    if folder is not None:
        packaged = hub.package(run, folder, licence, samples=samples)
        say(f"The files are in {packaged}. Check its README.md before you share it.")
    elif name is not None:
        say(f"Shared at {hub.push(run, name, private=private, licence=licence, samples=samples)}")
