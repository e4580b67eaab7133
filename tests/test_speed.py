"""Optimisations do not change the losses, and the counts of the benchmark are correct."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import speed
from discogan.api import resume, train
from discogan.config import load_config
from discogan.data import store
from discogan.devices import memory_format
from discogan.networks import norm_layer
from discogan.run_folder import RunFolder
from discogan.training.learner import Learner
from tests.conftest import SMALL


@pytest.mark.parametrize("preset", ["official", "modern"])
def test_losses_equal_those_of_a_plain_implementation_over_thirty_steps(preset):
    assert speed.loss_difference(preset, 32) < 1e-7


def test_the_comparison_detects_a_different_loss(monkeypatch):
    def different_loss(generated, real):
        return 1.001 * (generated - real).square().mean()

    monkeypatch.setattr("discogan.objectives.official.reconstruction", different_loss)
    assert speed.loss_difference("official", 32, steps=2) > 5e-4


def test_flops_are_two_for_each_multiplication():
    images, weights = torch.ones(2, 3, 8, 8), torch.ones(5, 3, 4, 4, requires_grad=True)
    forward = 2 * 2 * 5 * 4 * 4 * 3 * 16
    assert speed.count_gflop(lambda: torch.nn.functional.conv2d(images, weights, stride=2, padding=1)) == forward / 1e9
    both = speed.count_gflop(lambda: torch.nn.functional.conv2d(images, weights, stride=2, padding=1).sum().backward())
    assert both == 2 * forward / 1e9, "the images need no gradient"


def test_a_penalty_step_counts_the_gradients_of_gradients():
    learner = Learner(load_config("modern", image_size=32, settings=speed.NARROW))
    batch = speed.images(learner.config, 0)
    with_penalty, without = (speed.count_gflop(lambda n=n: learner.step(*batch, n)) for n in (0, 1))
    assert with_penalty > 1.1 * without


def weights_after(domains, out, **settings):
    given = [f"training.{name}={value}" for name, value in settings.items()]
    train(*domains, out=out, image_size=32, steps=3, settings=(*SMALL, *given))
    return RunFolder(out).last_checkpoint()


def test_the_memory_format_changes_only_rounding(domains, tmp_path):
    # Adam's first steps have the size of the rate, whatever the gradient, so that a large rate enlarges rounding.
    first = weights_after(domains, tmp_path / "last", memory_format="channels_last", learning_rate=1e-4)
    second = weights_after(domains, tmp_path / "contiguous", memory_format="contiguous", learning_rate=1e-4)
    for name in ("generator_ab", "discriminator_a"):
        last, contiguous = (load_file(checkpoint / f"{name}.safetensors") for checkpoint in (first, second))
        assert all(torch.allclose(last[key].float(), contiguous[key].float(), atol=5e-3) for key in last)


@pytest.mark.parametrize(
    ("device", "name", "norm", "expected"),
    [
        ("cpu", "auto", "batch", torch.channels_last),
        ("cpu", "auto", "instance", torch.contiguous_format),
        ("cpu", "channels_last", "instance", torch.channels_last),
        ("cpu", "contiguous", "batch", torch.contiguous_format),
        ("cuda", "auto", "instance", torch.channels_last),
        ("mps", "auto", "batch", torch.contiguous_format),
    ],
)
def test_the_memory_format_fits_the_device_and_the_norms(device, name, norm, expected):
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), norm_layer(norm, 4))
    assert memory_format(torch.device(device), name, network) is expected


def test_moments_have_the_memory_layout_of_their_weights_after_a_resume(domains, tmp_path):
    train(*domains, out=tmp_path / "run", image_size=32, steps=3, settings=SMALL)
    learner = Learner(load_config("modern", image_size=32, settings=SMALL))
    learner.restore(RunFolder(tmp_path / "run").last_checkpoint())
    for optimiser in (learner.generator_optimiser, learner.discriminator_optimiser):
        for parameter, moments in optimiser.state.items():
            assert moments["exp_avg"].stride() == parameter.stride()
    resume(tmp_path / "run", steps=4)


def test_a_store_larger_than_memory_is_not_read_ahead(tmp_path, monkeypatch):
    if not Path("/proc/self/smaps").exists():
        pytest.skip("this system does not show how memory is mapped")
    file = tmp_path / "pixels.npy"
    np.save(file, np.zeros((300, 32, 32, 3), np.uint8))

    def advised(pixels):
        entry = Path("/proc/self/smaps").read_text().partition(str(file))[2]
        assert pixels.shape == (300, 32, 32, 3)
        return " rr " in entry.partition("VmFlags:")[2].partition("\n")[0] + " "

    small = store.expect_random_access(np.load(file, mmap_mode="r"))
    assert not advised(small)
    del small
    monkeypatch.setattr(store, "LARGE_STORE_BYTES", 1)
    assert advised(store.expect_random_access(np.load(file, mmap_mode="r")))


def test_benchmark_results_record_their_machine():
    rows = speed.RESULTS.read_text().splitlines()
    assert rows
    for row in map(json.loads, rows):
        assert row["machine"]["cores"]
        assert row["versions"]["torch"]
    for row in speed.latest().values():
        assert speed.PARTS.keys() <= row.keys()


def test_the_tables_in_performance_md_show_the_latest_measurements():
    document = (Path(__file__).parents[1] / "docs" / "performance.md").read_text()
    for row in speed.latest().values():
        lines = speed.training_table(row)
        assert len(lines) == 5
        assert [line for line in lines if line not in document] == []


def test_missing_measurements_are_dashes():
    row = {"cyclegan": {"batch_size": 1, "gflop_a_step": 1.0, "ours bf16: images/s": 2.0}}
    assert speed.training_table(row) == ["| `cyclegan`, 64, 1 | - | - | - | - | 2.0 | - | - | |"]


def test_the_command_line_of_the_benchmark(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["speed.py", "--only", "nothing"])
    with pytest.raises(SystemExit):
        speed.main()
    assert "start-up" in capsys.readouterr().err
