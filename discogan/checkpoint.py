"""The run folder: what a run is made from, its checkpoints, and who may write to it.

    RUN/config.json                        settings, versions, data fingerprint; written first
    RUN/metrics.jsonl                      losses
    RUN/scores.jsonl                       what can be said without pairs
    RUN/samples/step-000500.png
    RUN/checkpoints/step-000500/           generator_ab.safetensors generator_ba.safetensors
                                           discriminator_a.safetensors discriminator_b.safetensors
                                           training_state.safetensors progress.json config.json
    RUN/last                               names the newest checkpoint
    RUN/starts/seed-3/                     runs of other seeds that were compared, where --starts asked for them
    RUN/best/                              the newest networks whose score without pairs is not far below the best
    RUN/verdict.json                       what can be said of the relation, once the budget is used
    RUN/evaluation.json                    what discogan evaluate found last
    RUN/report.html                        all of it on one page

Safetensors and JSON only: nothing is unpickled, so a run from a stranger cannot run code. Folders and
files appear under their names only when they are whole and on disk (temporary name, fsync, rename).
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from discogan.config import Config
from discogan.devices import place
from discogan.errors import RunError
from discogan.files import sync, write_json, write_text
from discogan.model import TranslationModel, build_model

NETWORKS = ("generator_ab", "generator_ba", "discriminator_a", "discriminator_b")
State = dict[str, Tensor]


@dataclass(frozen=True)
class Progress:
    """How far a run is: optimiser steps done and seconds spent training."""

    step: int = 0
    elapsed_seconds: float = 0.0


class RunFolder:
    """One run on disk."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.samples = self.path / "samples"
        self.metrics = self.path / "metrics.jsonl"
        self.scores = self.path / "scores.jsonl"
        self.verdict = self.path / "verdict.json"
        self.plan = self.path / "starts" / "plan.json"
        self.evaluation = self.path / "evaluation.json"
        self.report = self.path / "report.html"

    @property
    def exists(self) -> bool:
        """Whether a run was started here."""
        return (self.path / "config.json").exists()

    def require_new(self) -> None:
        """Raises ``RunError`` where a run is already here."""
        if self.exists or (self.path / "starts").exists():
            raise RunError(f"{self.path} already holds a run; go on with --resume {self.path} or give another --out.")

    def require_whole(self) -> None:
        """Raises ``RunError`` for a checkpoint alone, as RUN/best and what comes from the Hub are."""
        if (self.path / "progress.json").exists():
            raise RunError(
                f"{self.path} is a checkpoint to use, without what training needs to go on; "
                "resume the run that it is of, or start a new one."
            )

    def create(self, description: Mapping[str, Any]) -> None:
        """Start a run: write config.json, last, for it says that there is one."""
        self.samples.mkdir(parents=True, exist_ok=True)
        self.checkpoints.mkdir(exist_ok=True)
        write_json(self.path / "config.json", description)

    def describe(self) -> dict[str, Any]:
        """config.json; raises ``RunError`` where it is missing or unreadable."""
        return _read_description(self.path)

    def start(self, seed: int) -> "RunFolder":
        """Where the start of a seed trains, in a run that chooses among several."""
        return RunFolder(self.path / "starts" / f"seed-{seed}")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for writing; raises ``RunError`` while another process does."""
        if not self.path.is_dir():
            raise RunError(f"There is no run at {self.path}; start one with discogan train A B --out {self.path}.")
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(blocking=False)
        except Timeout as error:
            raise RunError(f"{self.path} is being trained by another process; wait for it or stop it.") from error
        with lock:
            yield

    def sheets(self) -> list[Path]:
        """The sheets of samples that training drew, oldest first."""
        return sorted(self.samples.glob("step-*.png"), key=step_of)

    def last_checkpoint(self) -> Path | None:
        """The newest whole checkpoint, or ``None``."""
        whole = [path for path in self.checkpoints.glob("step-*") if (path / "progress.json").exists()]
        return max(whole, key=step_of, default=None)

    def save_checkpoint(self, files: Mapping[str, State], progress: Progress, keep: int) -> Path:
        """Write a checkpoint from named tensors, one file a name, then drop all but the ``keep`` newest."""
        final = self.checkpoints / f"step-{progress.step:06d}"
        if not final.exists():
            self._write_unnamed(final, files, progress).rename(final)
            sync(self.checkpoints)
        write_text(self.path / "last", final.name)
        self._prune(keep)
        return final

    def save_best(self, files: Mapping[str, State], progress: Progress) -> None:
        """Replace RUN/best, a checkpoint to use but not to resume from."""
        best, before = self.path / "best", self.path / ".dropping-best"
        new = self._write_unnamed(best, {name: files[name] for name in NETWORKS}, progress)
        shutil.rmtree(before, ignore_errors=True)
        if best.exists():
            best.rename(before)
        new.rename(best)
        sync(self.path)
        shutil.rmtree(before, ignore_errors=True)

    def mend_best(self) -> None:
        """Take the former best back where a kill came between the two renames that replace it."""
        before = self.path / ".dropping-best"
        if before.exists() and not (self.path / "best").exists():
            before.rename(self.path / "best")

    def _write_unnamed(self, final: Path, files: Mapping[str, State], progress: Progress) -> Path:
        """A whole checkpoint beside ``final``, which a rename makes it: a full disk harms nothing that was there."""
        for left_over in final.parent.glob(".writing-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        temporary = final.with_name(f".writing-{final.name}")
        temporary.mkdir(parents=True)
        for name, tensors in files.items():
            write_tensors(temporary / f"{name}.safetensors", tensors)
        write_json(temporary / "config.json", self.describe())
        write_json(temporary / "progress.json", vars(progress))
        return temporary

    def _prune(self, keep: int) -> None:
        for path in sorted(self.checkpoints.glob("step-*"), key=step_of)[:-keep]:
            # Renamed first: a folder that is half deleted must not pass for a checkpoint.
            doomed = path.with_name(f".dropping-{path.name}")
            path.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)
        for left_over in self.checkpoints.glob(".dropping-*"):
            shutil.rmtree(left_over, ignore_errors=True)


def read_progress(checkpoint: Path) -> Progress:
    """The progress that a checkpoint was written at."""
    return Progress(**json.loads((checkpoint / "progress.json").read_text()))


def witnesses(run: Path, seed: int) -> list[Path]:
    """The newest checkpoints of a run's other starts than that of ``seed``, those that came furthest."""
    folders = [RunFolder(run).start(other).path for other in _scored_starts(run) if other != seed]
    found = [RunFolder(path).last_checkpoint() for path in folders]
    steps = {path: read_progress(path).step for path in found if path is not None}
    # One that lost early is too young to agree with anything.
    return [path for path, step in steps.items() if step >= 0.8 * max(steps.values())]


def _scored_starts(run: Path) -> list[int]:
    """The seeds of a run's starts that have a score; one that diverged in the first round has none."""
    plan = RunFolder(run).plan
    rounds = json.loads(plan.read_text("utf-8"))["rounds"] if plan.exists() else []
    return sorted(int(seed) for seed in rounds[0]) if rounds else []


def write_tensors(file: Path, tensors: State) -> None:
    """Write a safetensors file and force it to disk; raises ``RunError`` where that fails."""
    try:
        save_file({key: value.contiguous() for key, value in tensors.items()}, file)
    except SafetensorError as error:
        raise RunError(f"{file} cannot be written ({error}); check that the disk has room.") from error
    sync(file)


def read_tensors(checkpoint: Path, name: str) -> State:
    """The tensors of one file of a checkpoint; raises ``RunError`` where it is missing or damaged."""
    file = checkpoint / f"{name}.safetensors"
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise RunError(f"{file} cannot be read ({error}); use another checkpoint of the run.") from error


def best_checkpoint(run: RunFolder) -> Path:
    """The folder itself where it is a checkpoint, else the best of a run, else its newest; raises ``RunError``."""
    places = [place for place in (run.path, run.path / "best") if (place / "progress.json").exists()]
    checkpoint = places[0] if places else run.last_checkpoint()
    if checkpoint is None:
        run.describe()
        raise RunError(f"{run.path} has no checkpoint yet; train on with discogan train --resume {run.path}.")
    return checkpoint


def load_model(path: str | Path, device: torch.device) -> tuple[TranslationModel, Config]:
    """The networks of a run's best checkpoint, or of the checkpoint folder given, in evaluation mode.

    The newest where none was scored yet.
    """
    checkpoint = best_checkpoint(RunFolder(path))
    config = Config.from_dict(_read_description(checkpoint)["config"])
    model = build_model(config)
    for name in NETWORKS:
        load_network(getattr(model, name), read_tensors(checkpoint, name), checkpoint)
    return place(model, device).eval(), config


def load_network(network: nn.Module, state: State, checkpoint: Path) -> None:
    """Fill a network from a checkpoint's tensors; raises ``RunError`` where they do not fit."""
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise RunError(
            f"The weights in {checkpoint} do not fit the networks its config.json describes; restore that file."
        ) from error


def optimiser_state(optimiser: Optimizer, prefix: str) -> State:
    """An optimiser's tensors by name; its settings are the run's own and are not repeated."""
    state = optimiser.state_dict()["state"]
    return {f"{prefix}.{index}.{name}": value for index, values in state.items() for name, value in values.items()}


def load_optimiser_state(optimiser: Optimizer, prefix: str, tensors: State) -> None:
    """Give an optimiser back what ``optimiser_state`` took."""
    state: dict[int, State] = {}
    for key, value in tensors.items():
        if key.startswith(prefix + "."):
            index, name = key.removeprefix(prefix + ".").split(".")
            state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    for parameter, values in optimiser.state.items():
        # Fused steps walk through memory, so moments must be laid out as what they belong to is.
        same = {name: value for name, value in values.items() if value.shape == parameter.shape}
        values.update({name: torch.empty_like(parameter).copy_(value) for name, value in same.items()})


def step_of(path: Path) -> int:
    """The step that a checkpoint or a sheet of samples is called by."""
    return int(path.stem.rpartition("-")[2])


def _read_description(folder: Path) -> dict[str, Any]:
    try:
        description: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
    except FileNotFoundError as error:
        inner = next(folder.glob("*/config.json"), None)
        cure = f"there is one at {inner.parent}" if inner else f"start one with discogan train A B --out {folder}"
        raise RunError(f"There is no run at {folder} (no config.json); {cure}.") from error
    except (OSError, ValueError) as error:
        raise RunError(f"{folder / 'config.json'} cannot be read ({error}); restore it.") from error
    return description
