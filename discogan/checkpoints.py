"""Checkpoints: the tensors of a run, written so that a crash never damages an earlier one, and loaded again.

Safetensors and JSON only: nothing is unpickled, so a run from a stranger cannot run code.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from discogan.config import Config
from discogan.devices import place
from discogan.errors import RunError
from discogan.files import sync, write_json, write_text
from discogan.model import TranslationModel, build_model
from discogan.run_folder import NETWORKS, Progress, RunFolder, is_complete_checkpoint

State = dict[str, Tensor]


def save_checkpoint(run: RunFolder, files: Mapping[str, State], progress: Progress, keep: int) -> Path:
    """Write named tensors, one file for each name, and delete all but the ``keep`` newest checkpoints."""
    final = run.checkpoints / f"step-{progress.step:06d}"
    if not is_complete_checkpoint(final):
        temporary = _write_temporary(run, final, files, progress)
        if final.exists():
            _delete(final)
        temporary.rename(final)
        sync(run.checkpoints)
    write_text(run.last, final.name)
    _prune(run, keep)
    return final


def save_best(run: RunFolder, files: Mapping[str, State], progress: Progress) -> None:
    """Replace RUN/best, which holds the networks alone and cannot be resumed."""
    former = _former_best(run)
    temporary = _write_temporary(run, run.best, {name: files[name] for name in NETWORKS}, progress)
    shutil.rmtree(former, ignore_errors=True)
    if run.best.exists():
        run.best.rename(former)
    temporary.rename(run.best)
    sync(run.path)
    shutil.rmtree(former, ignore_errors=True)


def restore_best(run: RunFolder) -> None:
    """Restore the former best/ if a kill came between the two renames that replace it."""
    if _former_best(run).exists() and not run.best.exists():
        _former_best(run).rename(run.best)


def _former_best(run: RunFolder) -> Path:
    return run.path / ".dropping-best"


def _write_temporary(run: RunFolder, final: Path, files: Mapping[str, State], progress: Progress) -> Path:
    """Write the checkpoint to a temporary folder next to ``final``.

    The caller renames it, so that a crash or a full disk never damages an existing checkpoint.
    """
    for left_over in final.parent.glob(".writing-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    temporary = final.with_name(f".writing-{final.name}")
    temporary.mkdir(parents=True)
    for name, tensors in files.items():
        write_tensors(temporary / f"{name}.safetensors", tensors)
    write_json(temporary / "config.json", run.describe().to_dict())
    write_json(temporary / "progress.json", vars(progress))
    return temporary


def _prune(run: RunFolder, keep: int) -> None:
    for path in run.complete_checkpoints()[:-keep]:
        _delete(path)
    for left_over in run.checkpoints.glob(".dropping-*"):
        shutil.rmtree(left_over, ignore_errors=True)


def _delete(checkpoint: Path) -> None:
    """Delete a checkpoint. It is renamed first, because a half-deleted folder must not look like a checkpoint."""
    doomed = checkpoint.with_name(f".dropping-{checkpoint.name}")
    shutil.rmtree(doomed, ignore_errors=True)
    checkpoint.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def write_tensors(file: Path, tensors: State) -> None:
    """Write a safetensors file and force it to disk; raise ``RunError`` if that fails."""
    try:
        save_file({key: value.contiguous() for key, value in tensors.items()}, file)
    except SafetensorError as error:
        raise RunError(f"{file} cannot be written ({error}). Check that the disk has room.") from error
    sync(file)


def read_tensors(checkpoint: Path, name: str) -> State:
    """Return the tensors of one file of a checkpoint; raise ``RunError`` if it is missing or damaged."""
    file = checkpoint / f"{name}.safetensors"
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise RunError(f"{file} cannot be read ({error}). Use another checkpoint of the run.") from error


def load_model(path: str | Path, device: torch.device) -> tuple[TranslationModel, Config]:
    """Load the networks of a run's best checkpoint, or of the checkpoint folder given, in evaluation mode.

    The newest checkpoint is used until the run has its first unsupervised score.
    """
    checkpoint = RunFolder(path).inference_checkpoint()
    description = RunFolder(checkpoint).describe()
    model = build_model(description.config)
    for name in NETWORKS:
        load_network(getattr(model, name), read_tensors(checkpoint, name), checkpoint)
    model.directions = description.directions
    model.round_trip_directions = description.round_trip_directions
    return place(model, device).eval(), description.config


def load_network(network: nn.Module, state: State, checkpoint: Path) -> None:
    """Fill a network from a checkpoint's tensors; raise ``RunError`` if they do not fit."""
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise RunError(
            f"The weights in {checkpoint} do not fit the networks that its config.json describes. Restore that file."
        ) from error


def optimiser_state(optimiser: Optimizer, prefix: str) -> State:
    """Return an optimiser's tensors by name; its settings are in the run's configuration."""
    tensors: State = {}
    for index, values in optimiser.state_dict()["state"].items():
        for name, value in values.items():
            tensors[f"{prefix}.{index}.{name}"] = value
    return tensors


def load_optimiser_state(optimiser: Optimizer, prefix: str, tensors: State) -> None:
    """Restore what ``optimiser_state`` returned."""
    state: dict[int, State] = {}
    for key, value in tensors.items():
        if key.startswith(prefix + "."):
            index, name = key.removeprefix(prefix + ".").split(".")
            state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    for parameter, values in optimiser.state.items():
        # Fused steps walk through memory in order, so moments need the memory layout of their parameter.
        moments = {name: value for name, value in values.items() if value.shape == parameter.shape}
        for name, value in moments.items():
            values[name] = torch.empty_like(parameter).copy_(value)
