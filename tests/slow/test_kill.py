"""A run that is killed many times ends with exactly the weights of an uninterrupted run."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from discogan import api
from discogan.run_folder import RunFolder, read_progress
from tests.conftest import SMALL
from tests.test_training import assert_equal_weights

STEPS = 1500
KILLS = 12
SETTINGS = (
    *SMALL,
    "objective.name=cyclegan",
    "objective.buffer_size=9",
    "training.checkpoint_every_steps=7",
    "data.flip=true",
)


def start(killed, domains):
    """Start a training process that begins the run, or resumes it if it exists."""
    flags = [word for setting in SETTINGS for word in ("--set", setting)]
    new_run = [*domains, "--out", killed, "--image-size", 32, "--steps", STEPS, *flags]
    words = ["--resume", killed] if RunFolder(killed).exists else new_run
    command = [sys.executable, "-m", "discogan", "train", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ)


def step_reached(run):
    newest = RunFolder(run).last_checkpoint()
    return read_progress(newest).step if newest else 0


def wait_for_random_moment(process, run, rng):
    """Wait for a random moment of the start-up, or for a random time after the next checkpoint."""
    if rng.random() < 0.25:
        time.sleep(rng.uniform(0, 2.5))
        return
    step_before = step_reached(run)
    while step_reached(run) == step_before and process.poll() is None:
        time.sleep(0.005)
    time.sleep(rng.uniform(0, 0.4))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sigkill_at_random_moments(domains, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    api.train(*domains, out=whole, image_size=32, steps=STEPS, settings=SETTINGS)
    rng, reached = random.Random(0), []
    for _ in range(KILLS):
        process = start(killed, domains)
        wait_for_random_moment(process, killed, rng)
        assert process.poll() is None, process.communicate()[0].decode()
        process.send_signal(signal.SIGKILL)
        process.wait()
        reached.append(step_reached(killed))
    assert reached == sorted(reached), "a kill lost work"
    assert len(set(reached)) > KILLS // 2, f"too few kills fell into the training: {reached}"
    process = start(killed, domains)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output.decode()
    assert_equal_weights(killed, whole)
