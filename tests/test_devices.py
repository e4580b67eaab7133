"""Devices, precision, and the state of PyTorch."""

import pytest
import torch

from discogan import devices
from discogan.errors import ConfigError


def test_the_cpu_is_always_available():
    assert devices.pick_device("cpu") == torch.device("cpu")
    assert devices.pick_device("auto").type in ("cpu", "cuda", "mps")


def test_a_missing_device_is_explained():
    with pytest.raises(ConfigError, match="not available here"):
        devices.pick_device("cuda:77")
    with pytest.raises(ConfigError, match="abacus"):
        devices.pick_device("abacus")


def test_autocast_computes_in_the_chosen_precision():
    product = torch.ones(2, 2)
    with devices.autocast(torch.device("cpu"), "bf16"):
        assert (product @ product).dtype == torch.bfloat16
    with devices.autocast(torch.device("cpu"), "float32"):
        assert (product @ product).dtype == torch.float32
    with devices.autocast(torch.device("cpu"), "auto"):
        expected = torch.bfloat16 if devices.has_bf16(torch.device("cpu")) else torch.float32
        assert (product @ product).dtype == expected


def test_own_state_restores_threads_randomness_and_denormals():
    torch.manual_seed(5)
    expected, threads = torch.rand(3), torch.get_num_threads()
    torch.manual_seed(5)
    tiny = torch.tensor(1e-40)
    with devices.own_state(threads + 1):
        devices.seed_step(1, 1)
        assert torch.get_num_threads() == threads + 1
        assert (tiny * 0.5).item() == 0
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads
    assert (tiny * 0.5).item() > 0


def test_random_numbers_depend_on_seed_and_step_only():
    def draw(seed, step):
        devices.seed_step(seed, step)
        return torch.rand(3).tolist()

    assert draw(1, 5) == draw(1, 5)
    assert len({tuple(draw(seed, step)) for seed in range(4) for step in range(-1, 20)}) == 84
