"""Where and in which precision to compute."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TypeVar

import torch

from discogan.errors import ConfigError

Network = TypeVar("Network", bound=torch.nn.Module)


def pick_device(name: str = "auto") -> torch.device:
    """``auto`` is CUDA, then MPS, then the CPU; raises ``ConfigError`` for a device that is not here."""
    if name == "auto":
        cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"The device {name!r} is not available here; use auto or cpu.") from error


def has_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware (emulation would be slower than float32)."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    abilities = torch.cpu.get_capabilities()
    return device.type == "cpu" and bool(abilities.get("avx512_bf16") or abilities.get("amx_bf16"))


def describe_machine() -> dict[str, int | str | bool]:
    """What a run's speed rests on: cores, the widest vectors, bfloat16 in hardware, and the GPU where there is one."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    vectors = torch.backends.cpu.get_cpu_capability()
    return {"cores": os.cpu_count() or 1, "vectors": vectors, "bf16": has_bf16(pick_device()), "device": device}


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[object]:
    """The context to compute in: ``precision`` is ``float32``, ``bf16`` or ``auto`` (bf16 where the device has it)."""
    if precision == "bf16" or (precision == "auto" and has_bf16(device)):
        return torch.autocast(device.type, torch.bfloat16)
    return contextlib.nullcontext()


def memory_format(device: torch.device, name: str = "auto") -> torch.memory_format:
    """The order of images (N, C, H, W) in memory: ``channels_last``, ``contiguous`` or ``auto``, by the device."""
    last = name == "channels_last" or (name == "auto" and device.type in ("cpu", "cuda"))
    return torch.channels_last if last else torch.contiguous_format


def place(network: Network, device: torch.device, format_name: str = "auto") -> Network:
    """The network on the device, its weights in the order that ``memory_format`` names."""
    placed: Network = network.to(device, memory_format=memory_format(device, format_name))  # type: ignore[call-overload]
    return placed


_depth = 0
"""How many ``own_state`` are entered, one inside the other."""


@contextlib.contextmanager
def own_state(threads: int = 0) -> Iterator[None]:
    """Compute with ``threads`` CPU threads (0: as it is) and without denormals, then leave PyTorch as it was found.

    Denormals slow a CPU down by orders of magnitude and carry nothing; but flushing them is a property of
    the process, and so are the random state and the threads, which belong to the caller.
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
            # Inside of another, as in a callback of a training, the outer one's state goes on.
            torch.set_flush_denormal(_depth > 0)
            torch.set_num_threads(threads_before)


@contextlib.contextmanager
def memory_errors() -> Iterator[None]:
    """Turns every allocator's way of saying that memory is short into ``MemoryError``."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise MemoryError(str(error).partition(".")[0]) from error
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):
            raise
        raise MemoryError("the CPU's memory is used up") from error


def seed_step(seed: int, step: int) -> None:
    """Make all of PyTorch's randomness in this step a function of (seed, step), so that nothing needs saving."""
    torch.manual_seed((seed * 0x9E3779B1 + step * 0x85EBCA77 + 1) % 2**63)
