"""Starting a run and going on with one."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

import discogan
from discogan.checkpoint import RunFolder
from discogan.config import Config, change_training
from discogan.data import build_source
from discogan.data.store import Decoding, ImageStore, open_store
from discogan.devices import own_state, pick_device
from discogan.errors import ConfigError, RunError
from discogan.files import write_json
from discogan.model import build_model
from discogan.objectives import build_objective
from discogan.training.observer import Observer, Outcome
from discogan.training.trainer import Trainer


def train(config: Config, out: str | Path, observer: Observer | None = None) -> Outcome:
    """Start a run in the folder ``out`` and train it to its budget.

    Raises ``ConfigError``, ``DataError``, ``RunError`` where ``out`` holds a run, and ``DivergedError``.
    """
    observer = observer or Observer()
    check_config(config)
    run = RunFolder(out)
    run.require_new()
    _check_place(config, run.path)
    stores = prepare_data(config, observer)
    run.create(_describe(config, stores))
    with run.locked(), own_state(config.training.threads):
        return Trainer(config, run, stores, observer).fit()


def resume(
    out: str | Path,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    settings: Sequence[str] = (),
    observer: Observer | None = None,
) -> Outcome:
    """Go on with a run from its newest checkpoint, exactly as if it had never stopped.

    ``steps`` or ``minutes`` replace the run's budget (in total, not in addition) and ``settings``
    its training options, or ``source.a=...`` where images were moved; both are kept in its config.json. Raises
    ``RunError`` where there is no run or its images have changed.
    """
    observer = observer or Observer()
    run = RunFolder(out)
    with run.locked():
        description = run.describe()
        config = change_training(Config.from_dict(description["config"]), steps, minutes, settings)
        check_config(config)
        stores = prepare_data(config, observer)
        for domain, store in zip("ab", stores, strict=True):
            if store.key != description["data"][domain]["key"]:
                raise RunError(
                    f"The images of domain {domain.upper()} have changed since {out} was started; "
                    "restore them, or start a new run."
                )
        write_json(run.path / "config.json", {**description, "config": config.to_dict()})
        with own_state(config.training.threads or description["threads"]):
            return Trainer(config, run, stores, observer).fit()


def prepare_data(config: Config, observer: Observer) -> tuple[ImageStore, ImageStore]:
    """Both domains decoded, or found decoded in the cache."""
    data = config.data
    records = build_source(config.source).records()
    stores = []
    for domain, listed, channels in zip("ab", records, (data.channels_a, data.channels_b), strict=True):
        decoding = Decoding(data.image_size, channels, data.fit, data.background)

        def report(done: int, total: int, domain: str = domain) -> None:
            observer.on_prepare(domain, done, total)

        store = open_store(listed, decoding, workers=data.workers, progress=report)
        if store.skipped:
            observer.on_skipped(domain, store.skipped)
        stores.append(store)
    return stores[0], stores[1]


def check_config(config: Config) -> None:
    """Find mistakes in the settings before any image is decoded; raises ``ConfigError``."""
    if config.training.steps is None and config.training.minutes is None:
        raise ConfigError("There is no budget; give --steps N or --minutes M.")
    pick_device(config.training.device)
    build_objective(config.objective)
    with torch.device("meta"):
        build_model(config)


def _check_place(config: Config, out: Path) -> None:
    """A run below its own images would train on its samples, and could not be resumed."""
    for key in ("a", "b"):
        folder = config.source.get(key)
        if folder and out.resolve().is_relative_to(Path(folder).resolve()):
            raise ConfigError(f"{out} lies among the images of {folder}; give an --out outside of it.")


def _describe(config: Config, stores: tuple[ImageStore, ImageStore]) -> dict[str, Any]:
    data = {
        domain: {"key": store.key, "count": len(store), "skipped": store.skipped}
        for domain, store in zip("ab", stores, strict=True)
    }
    return {
        "config": config.to_dict(),
        "data": data,
        **made_with(),
        "threads": config.training.threads or torch.get_num_threads(),
    }


def made_with() -> dict[str, Any]:
    """The versions and the source revision that are running, for whoever asks later what made a result."""
    return {
        "versions": {"discogan": discogan.__version__, "torch": torch.__version__, "python": platform.python_version()},
        "git_revision": _git_revision(),
    }


def _git_revision() -> str | None:
    """The commit of the source tree that is running, where it is one."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
