"""Devices, precision and the global state of PyTorch."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TypeVar

import torch

from discogan.errors import ConfigError

Network = TypeVar("Network", bound=torch.nn.Module)


def pick_device(name: str = "auto") -> torch.device:
    """Return the device called ``name``; ``auto`` is CUDA, then MPS, then the CPU.

    Raises ``ConfigError`` if the device is not available.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"The device {name!r} is not available here. Use auto or cpu.") from error


def has_bf16(device: torch.device) -> bool:
    """Return whether the device multiplies bfloat16 in hardware; emulation would be slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # ATEN_CPU_CAPABILITY=avx2 makes a newer processor compute as an older one does.
    is_limited = torch.backends.cpu.get_cpu_capability() == "AVX2"
    abilities = torch.cpu.get_capabilities()
    has_instructions = bool(abilities.get("avx512_bf16") or abilities.get("amx_bf16"))
    return device.type == "cpu" and has_instructions and not is_limited


def describe_machine() -> dict[str, int | str | bool]:
    """Return what the speed of a run depends on: cores, widest vectors, bfloat16 in hardware, and the device."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    vectors = torch.backends.cpu.get_cpu_capability()
    return {"cores": os.cpu_count() or 1, "vectors": vectors, "bf16": has_bf16(pick_device()), "device": device}


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[object]:
    """Return the context to compute in: ``precision`` is ``float32``, ``bf16`` or ``auto``.

    ``auto`` is bf16 if the device multiplies it in hardware, and float32 otherwise.
    """
    if precision == "bf16" or (precision == "auto" and has_bf16(device)):
        return torch.autocast(device.type, torch.bfloat16)
    return contextlib.nullcontext()


def memory_format(device: torch.device, name: str, network: torch.nn.Module) -> torch.memory_format:
    """Return the memory order of images (N, C, H, W): ``name`` is ``channels_last``, ``contiguous`` or ``auto``.

    ``auto`` is channels_last on a CPU and on CUDA, and contiguous elsewhere. On a CPU it is contiguous for a network
    with an instance norm, because PyTorch has no channels-last kernel for it and would copy every image twice.
    """
    if name != "auto":
        return torch.channels_last if name == "channels_last" else torch.contiguous_format
    has_instance_norm = any(isinstance(module, torch.nn.InstanceNorm2d) for module in network.modules())
    is_faster = device.type == "cuda" or (device.type == "cpu" and not has_instance_norm)
    return torch.channels_last if is_faster else torch.contiguous_format


def place(network: Network, device: torch.device, format_name: str = "auto") -> Network:
    """Move the network to the device, with its weights in the order that ``memory_format`` returns."""
    placed: Network = network.to(device, memory_format=memory_format(device, format_name, network))  # type: ignore[call-overload]
    return placed


_depth = 0
"""Number of nested ``own_state`` contexts."""


@contextlib.contextmanager
def own_state(threads: int = 0) -> Iterator[None]:
    """Compute with ``threads`` CPU threads (0 keeps the number) and without denormals, then restore PyTorch's state.

    Denormal numbers are close to zero and slow a CPU down by orders of magnitude. Flushing them, the random state and
    the number of threads are properties of the process, which belongs to the caller.
    """
    global _depth
    threads_before = torch.get_num_threads()
    with torch.random.fork_rng():
        torch.set_num_threads(threads or threads_before)
        torch.set_flush_denormal(True)
        _depth += 1
        try:
            yield
        finally:
            _depth -= 1
            # A callback of a training can enter a second context; denormals stay flushed until the outer one ends.
            torch.set_flush_denormal(_depth > 0)
            torch.set_num_threads(threads_before)


@contextlib.contextmanager
def memory_errors() -> Iterator[None]:
    """Raise ``MemoryError`` if an allocator reports that memory is used up."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise MemoryError(str(error).partition(".")[0]) from error
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):
            raise
        raise MemoryError("the CPU's memory is used up") from error


def seed_step(seed: int, step: int) -> None:
    """Make all of PyTorch's randomness in a step a function of (seed, step), so that no random state must be saved."""
    torch.manual_seed((seed * 0x9E3779B1 + step * 0x85EBCA77 + 1) % 2**63)
