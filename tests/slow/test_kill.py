"""A run that is killed again and again ends in the weights of one that was never stopped, bit for bit."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from discogan import api
from discogan.checkpoint import RunFolder, read_progress
from tests.conftest import SMALL
from tests.test_training import assert_equal_weights

STEPS = 400
KILLS = 12
SETTINGS = (
    *SMALL,
    "objective.name=cyclegan",
    "objective.buffer_size=9",
    "training.checkpoint_every_steps=7",
    "data.flip=true",
)


def start(*words):
    command = [sys.executable, "-m", "discogan", "train", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_sigkill_at_random_instants(domains, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    api.train(*domains, out=whole, image_size=32, steps=STEPS, settings=SETTINGS)
    flags = [word for setting in SETTINGS for word in ("--set", setting)]
    process = start(*domains, "--out", killed, "--image-size", 32, "--steps", STEPS, *flags)
    rng, kills, reached = random.Random(0), 0, []
    while kills < KILLS:
        # Long enough to start and, most times, to train a little; short enough to fall anywhere.
        time.sleep(rng.uniform(1.0, 5.5))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
        newest = RunFolder(killed).last_checkpoint()
        reached.append(read_progress(newest).step if newest else 0)
        if reached[-1] == STEPS:
            break
        words = (
            ["--resume", killed]
            if RunFolder(killed).exists
            else [*domains, "--out", killed, "--image-size", 32, "--steps", STEPS, *flags]
        )
        process = start(*words)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output.decode()
    assert kills >= 10, f"only {kills} kills before the end: {reached}"
    assert reached == sorted(reached)
    assert reached[-1] > 0, "no kill fell into the training"
    assert_equal_weights(whole, killed)
