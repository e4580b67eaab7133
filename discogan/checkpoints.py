"""Checkpoints: the tensors of a run, written so that a crash never damages an earlier one, and loaded again.

Safetensors and JSON only: nothing is unpickled, so a run from a stranger cannot run code.
"""

from __future__ import annotations

import itertools
import shutil
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from discogan.config import Config
from discogan.devices import place
from discogan.errors import DamagedCheckpointError, DamagedCheckpointWarning, RecordError, RunError
from discogan.files import sync, write_json, write_text
from discogan.model import TranslationModel, build_model
from discogan.records import parse_json
from discogan.run_folder import (
    NETWORKS,
    RunFolder,
    is_complete_checkpoint,
    read_checkpoint_record,
    read_verified,
    write_checkpoint_record,
)
from discogan.run_records import CheckpointRecord, Progress, RunDescription

State = dict[str, Tensor]
LOAD_ATTEMPTS, LOAD_PAUSE_SECONDS = 50, 0.02
"""How often, and how far apart, loading is tried while training replaces the checkpoint."""
ADAM_STATE = ("step", "exp_avg", "exp_avg_sq")
"""What Adam keeps for each parameter."""


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
    former = run.former_best
    temporary = _write_temporary(run, run.best, {name: files[name] for name in NETWORKS}, progress)
    shutil.rmtree(former, ignore_errors=True)
    if run.best.exists():
        run.best.rename(former)
    temporary.rename(run.best)
    sync(run.path)
    shutil.rmtree(former, ignore_errors=True)


def restore_best(run: RunFolder) -> None:
    """Restore the former best/ if a kill came between the two renames that replace it."""
    if run.former_best.exists() and not run.best.exists():
        run.former_best.rename(run.best)


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
    write_json(temporary / "config.json", run.describe_for_training().to_dict())
    write_checkpoint_record(temporary, progress)
    return temporary


def _prune(run: RunFolder, keep: int) -> None:
    for path in run.complete_checkpoints()[:-keep]:
        _delete(path)
    for left_over in run.checkpoints.glob(".dropping-*"):
        shutil.rmtree(left_over, ignore_errors=True)


def set_aside(checkpoint: Path) -> Path:
    """Rename a damaged checkpoint, so that it is neither used, nor counted, nor taken for one of its step."""
    for number in itertools.count():
        target = checkpoint.with_name(f"damaged-{checkpoint.name}" + (f"-{number}" if number else ""))
        if not target.exists():
            return checkpoint.rename(target)
    raise AssertionError


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


def read_tensors(checkpoint: Path, name: str, record: CheckpointRecord) -> State:
    """Return the verified tensors of one file of a checkpoint.

    Raises ``DamagedCheckpointError`` if the file is missing, is not the one that ``record`` names, or holds a value
    that is not finite.
    """
    file = f"{name}.safetensors"
    tensors = parse_tensors(read_verified(checkpoint, file, record), checkpoint / file)
    for key, value in tensors.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise DamagedCheckpointError(checkpoint, f"{key} in {file} is not finite")
    return tensors


def parse_tensors(data: bytes, file: Path) -> State:
    """Return the tensors in the bytes of a safetensors file; raise ``DamagedCheckpointError`` if it is none."""
    try:
        return load(data)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError, RecursionError, MemoryError) as error:
        raise DamagedCheckpointError(file.parent, f"{file.name} is not a safetensors file ({error})") from error


def load_model(path: str | Path, device: torch.device) -> tuple[TranslationModel, Config]:
    """Load the networks of a run's best checkpoint, or of the checkpoint folder given, in evaluation mode.

    The newest checkpoint is used until the run has its first unsupervised score. If a checkpoint of a run is damaged,
    the next one is used and a ``DamagedCheckpointWarning`` names both. Training may replace checkpoints meanwhile: the
    networks are always those of one step. Raises ``RunError``, also if a single checkpoint is damaged.
    """
    folder = RunFolder(path)
    damaged: dict[Path, DamagedCheckpointError] = {}
    while True:
        try:
            checkpoint = folder.inference_checkpoint(skipped=damaged)
        except RunError as error:
            raise next(iter(damaged.values()), error) from None
        try:
            loaded = _load_unchanged(checkpoint, device)
        except DamagedCheckpointError as error:
            if checkpoint == folder.path:
                raise
            damaged[checkpoint] = error
            continue
        for damage in damaged.values():
            message = f"The checkpoint {damage.checkpoint} is damaged: {damage.problem}. {checkpoint} is used instead."
            warnings.warn(message, DamagedCheckpointWarning, stacklevel=2)
        return loaded


def load_references(paths: Sequence[Path], device: torch.device) -> list[tuple[TranslationModel, Config]]:
    """Load the checkpoints of reference runs; a ``DamagedCheckpointWarning`` names each that is left out."""
    loaded = []
    for path in paths:
        try:
            loaded.append(load_model(path, device))
        except DamagedCheckpointError as error:
            warnings.warn(f"A reference run does not count. {error}", DamagedCheckpointWarning, stacklevel=2)
    return loaded


def _load_unchanged(checkpoint: Path, device: torch.device) -> tuple[TranslationModel, Config]:
    """Load a checkpoint whose progress.json is the same before and after, so that its files belong together."""
    problem = "it is replaced all the time"
    for _ in range(LOAD_ATTEMPTS):
        before = _identity(checkpoint)
        try:
            loaded = _load_checkpoint(checkpoint, device)
        except DamagedCheckpointError as error:
            if before is not None and before == _identity(checkpoint):
                raise
            problem = error.problem
        else:
            if before == _identity(checkpoint):
                return loaded
        time.sleep(LOAD_PAUSE_SECONDS)
    raise DamagedCheckpointError(checkpoint, problem)


def _identity(checkpoint: Path) -> str | None:
    """Return the content of progress.json with the file's inode and time, or ``None`` if it is missing or damaged."""
    file = checkpoint / "progress.json"
    try:
        record = read_checkpoint_record(checkpoint)
        return f"{record} {file.stat().st_ino} {file.stat().st_mtime_ns}"
    except (OSError, RunError):
        return None


def require_fitting(run: RunFolder, config: Config) -> None:
    """Raise ``RunError`` if no complete checkpoint has the networks that config.json describes.

    Only the headers of the files are read, and the networks are built on the meta device. So a config.json with huge
    networks allocates nothing.
    """
    checkpoints = run.complete_checkpoints()
    if not checkpoints:
        return
    with torch.device("meta"):
        networks = build_model(config)
    problem = ""
    for checkpoint in reversed(checkpoints):
        try:
            for name in NETWORKS:
                with safe_open(checkpoint / f"{name}.safetensors", "pt") as file:
                    shapes = {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118
                expected = {key: list(value.shape) for key, value in getattr(networks, name).state_dict().items()}
                if shapes != expected:
                    raise RunError(f"the weights of {name} in {checkpoint.name} have other shapes")
            return
        except (RunError, SafetensorError, OSError) as error:
            problem = str(error)
    raise RunError(
        f"{run.config} describes other networks than those of its checkpoints ({problem}). "
        f"Copy {checkpoints[-1] / 'config.json'} to it."
    )


def _load_checkpoint(checkpoint: Path, device: torch.device) -> tuple[TranslationModel, Config]:
    record = read_checkpoint_record(checkpoint)
    description = read_description(checkpoint, record)
    states = {name: read_tensors(checkpoint, name, record) for name in NETWORKS}
    # On the meta device first, so that a config.json with huge networks allocates nothing.
    with torch.device("meta"):
        expected = build_model(description.config)
    for name in NETWORKS:
        check_state(getattr(expected, name), states[name], checkpoint, name)
    model = build_model(description.config)
    for name in NETWORKS:
        getattr(model, name).load_state_dict(states[name])
    model.directions = description.directions
    model.round_trip_directions = description.round_trip_directions
    model.step = record.step
    return place(model, device).eval(), description.config


def read_description(checkpoint: Path, record: CheckpointRecord) -> RunDescription:
    """Return the description in a checkpoint's config.json, after its digest is verified."""
    data = read_verified(checkpoint, "config.json", record)
    try:
        return RunFolder(checkpoint).describe(parse_json(data, checkpoint / "config.json"))
    except RecordError as error:
        raise DamagedCheckpointError(checkpoint, f"config.json: {error.problem}") from error


def check_state(network: nn.Module, state: State, checkpoint: Path, name: str) -> None:
    """Raise ``DamagedCheckpointError`` unless keys, shapes and dtypes are those of the network."""
    expected = network.state_dict()
    missing, unknown = expected.keys() - state.keys(), state.keys() - expected.keys()
    problem = ""
    if missing:
        problem = f"{min(missing)} is missing"
    elif unknown:
        problem = f"there is no parameter {min(unknown)}"
    for key in expected.keys() & state.keys():
        wanted, value = expected[key], state[key]
        if value.shape != wanted.shape:
            problem = f"{key} has shape {tuple(value.shape)} instead of {tuple(wanted.shape)}"
        elif value.dtype != wanted.dtype:
            problem = f"{key} has dtype {value.dtype} instead of {wanted.dtype}"
    if problem:
        raise DamagedCheckpointError(
            checkpoint, f"the weights of {name} do not fit the networks that config.json describes ({problem})"
        )


def load_network(network: nn.Module, state: State, checkpoint: Path, name: str) -> None:
    """Fill a network from a checkpoint's tensors; raise ``DamagedCheckpointError`` if they do not fit."""
    check_state(network, state, checkpoint, name)
    network.load_state_dict(state)


def optimiser_state(optimiser: Optimizer, prefix: str) -> State:
    """Return an optimiser's tensors by name; its settings are in the run's configuration."""
    tensors: State = {}
    state = optimiser.state_dict()["state"]
    for index, values in state.items():
        for name, value in values.items():
            tensors[f"{prefix}.{index}.{name}"] = value
    # A parameter that never had a gradient has no state, so loading must know which ones have.
    tensors[f"{prefix}.parameters"] = torch.tensor(sorted(state), dtype=torch.int64)
    return tensors


def load_optimiser_state(optimiser: Optimizer, prefix: str, tensors: State, checkpoint: Path) -> None:
    """Restore what ``optimiser_state`` returned.

    Raises ``DamagedCheckpointError`` unless each parameter has all of Adam's state, in its own shape and dtype, or none
    because it never had a gradient.
    """
    tensors = dict(tensors)
    stepped = tensors.pop(f"{prefix}.parameters", None)
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    state: dict[int, State] = {}
    for key, value in tensors.items():
        if key.startswith(prefix + "."):
            index, _, name = key.removeprefix(prefix + ".").partition(".")
            if not (index.isdecimal() and int(index) < len(parameters) and name in ADAM_STATE):
                raise DamagedCheckpointError(checkpoint, f"the optimiser has no state {key}")
            state.setdefault(int(index), {})[name] = value
    # Version 0.1.0 did not record it.
    if stepped is not None and sorted(state) != stepped.tolist():
        raise DamagedCheckpointError(checkpoint, f"the state of some parameters of {prefix} is missing")
    for number, values in state.items():
        _check_adam_state(f"{prefix}.{number}", values, parameters[number], checkpoint)
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    for parameter, values in optimiser.state.items():
        # Fused steps walk through memory in order, so moments need the memory layout of their parameter.
        moments = {name: value for name, value in values.items() if value.shape == parameter.shape}
        for name, value in moments.items():
            values[name] = torch.empty_like(parameter).copy_(value)


def _check_adam_state(name: str, values: State, parameter: Tensor, checkpoint: Path) -> None:
    for key in ADAM_STATE:
        shape = torch.Size() if key == "step" else parameter.shape
        if key not in values:
            raise DamagedCheckpointError(checkpoint, f"the optimiser's {name}.{key} is missing")
        if values[key].shape != shape or values[key].dtype != torch.float32:
            raise DamagedCheckpointError(checkpoint, f"the optimiser's {name}.{key} has another shape or dtype")
        if key != "exp_avg" and (values[key] < 0).any():
            raise DamagedCheckpointError(checkpoint, f"the optimiser's {name}.{key} is negative")
