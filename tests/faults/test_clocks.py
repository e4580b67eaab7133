"""Pauses, two processes at once, and a wall clock that jumps."""

import json
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from discogan.run_folder import RunFolder
from tests.faults.folders import contents, newest_step
from tests.faults.places import OFTEN, Site
from tests.faults.rows import scenario, times
from tests.faults.test_kills import check_run

LIBFAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)
"""The library of Debian's package faketime."""


def final_weights(run: Path, steps: int) -> dict[str, str]:
    checkpoint = contents(run / "checkpoints" / f"step-{steps:06d}")
    return {name: value for name, value in checkpoint.items() if name.endswith(".safetensors")}


@pytest.mark.timeout(300)
def test_a_paused_training_ends_like_an_undisturbed_one(site: Site, trial):
    undisturbed = site.run(trial, *site.train_words(trial / "undisturbed", 40, *OFTEN))
    assert undisturbed.code == 0, str(undisturbed)
    pause_seconds = 2.0
    with scenario("SIGSTOP and SIGCONT", "training") as tally:
        rng = random.Random(8)
        for number in range(times(1, 8)):
            out = trial / f"paused-{number}"
            command = site.start(trial, *site.train_words(out, 40, *OFTEN))
            time.sleep(rng.uniform(0, undisturbed.seconds))
            instant = f"paused after {command.age_seconds:.3f} s"
            command.signal(signal.SIGSTOP)
            time.sleep(pause_seconds)
            command.signal(signal.SIGCONT)
            result = command.wait()
            tally.tried += 1
            if tally.check_end(result, [0], instant) and final_weights(out, 40) != final_weights(
                trial / "undisturbed", 40
            ):
                tally.wrong.append(f"{instant}: the weights differ from those of an undisturbed run")


@pytest.mark.timeout(300)
@pytest.mark.faults
def test_a_pause_does_not_extend_a_budget_of_time_by_more_than_a_step(site: Site, trial):
    with scenario("SIGSTOP and SIGCONT", "training for 3 s") as tally:
        words = [word for word in site.train_words(trial / "run", 1, *OFTEN) if word not in ("--steps", 1)]
        command = site.start(trial, *words, "--minutes", 0.05)
        command.wait_until(lambda: newest_step(trial / "run") > 0)
        command.signal(signal.SIGSTOP)
        time.sleep(2)
        command.signal(signal.SIGCONT)
        result = command.wait()
        tally.tried += 1
        tally.check_end(result, [0], "paused for 2 s")
        progress = json.loads((RunFolder(trial / "run").last_checkpoint() / "progress.json").read_text())
        if not 3 <= progress["elapsed_seconds"] <= 5:
            tally.wrong.append(f"a budget of 3 s ended after {progress['elapsed_seconds']} s")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["other images", pytest.param("equal", marks=pytest.mark.faults)])
def test_of_two_trainings_into_one_folder_one_wins(site: Site, trial, kind):
    second_a = site.a if kind == "equal" else site.root / "many"
    references = {}
    for name, images in (("first", site.a), ("second", second_a)):
        words = site.train_words(trial / name, 20, *OFTEN)
        words[1] = images
        result = site.run(trial, *words)
        assert result.code == 0, str(result)
        references[name] = final_weights(trial / name, 20)
    with scenario("two trainings into one folder", f"training, {kind}") as tally:
        rng = random.Random(kind)
        for _ in range(times(2, 20)):
            out = trial / "run"
            shutil.rmtree(out, ignore_errors=True)
            if rng.random() < 0.5:
                shutil.rmtree(trial / "cache", ignore_errors=True)
            words = site.train_words(out, 20, *OFTEN)
            second_words = [*words]
            second_words[1] = second_a
            first = site.start(trial, *words)
            delay = rng.choice([0, 0, 0.01, 0.05, 0.1, 0.3])
            time.sleep(delay)
            second = site.start(trial, *second_words)
            instant = f"started {delay} s apart"
            results = [first.wait(), second.wait()]
            tally.tried += 1
            ended = [tally.check_end(result, [0, 2], instant) for result in results]
            if sum(result.code == 0 for result in results) != 1:
                codes = [result.code for result in results]
                tally.wrong.append(f"{instant}: exit codes {codes}, where one training should win")
            elif all(ended):
                winner = "first" if results[0].code == 0 else "second"
                if final_weights(out, 20) != references[winner]:
                    tally.wrong.append(f"{instant}: the run is not that of the {winner} training")
            check_run(tally, out, -1, instant)


@pytest.mark.timeout(300)
def test_a_run_in_training_cannot_be_resumed_by_another_process(site: Site, trial):
    undisturbed = site.run(trial, *site.train_words(trial / "undisturbed", 60, *OFTEN))
    assert undisturbed.code == 0, str(undisturbed)
    out = trial / "run"
    with scenario("resume during training", "training") as tally:
        for number in range(times(1, 6)):
            shutil.rmtree(out, ignore_errors=True)
            command = site.start(trial, *site.train_words(out, 60, *OFTEN))
            command.wait_until(lambda step=7 * number: newest_step(out) >= step)
            command.wait_until((out / "config.json").exists)
            refused = site.run(trial, "train", "--resume", out, "--steps", 80)
            instant = f"at step {newest_step(out)}"
            tally.tried += 1
            tally.check_end(refused, [2], instant)
            tally.check_end(command.wait(), [0], instant)
            if final_weights(out, 60) != final_weights(trial / "undisturbed", 60):
                tally.wrong.append(f"{instant}: the weights differ from those of an undisturbed run")


@pytest.mark.timeout(600)
@pytest.mark.faults
@pytest.mark.parametrize("jump", ["-1d", "+1d", "+400d"])
def test_a_wall_clock_that_jumps_changes_nothing(site: Site, trial, jump):
    if LIBFAKETIME is None:
        pytest.skip("this machine has no libfaketime (on Debian: apt-get install faketime)")
    undisturbed = site.run(trial, *site.train_words(trial / "undisturbed", 40, *OFTEN))
    assert undisturbed.code == 0, str(undisturbed)
    clock = trial / "clock"
    clock.write_text("+0")
    environment = {
        "LD_PRELOAD": str(LIBFAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DISCOGAN_CACHE": str(trial / "cache"),
    }
    with scenario(f"wall clock {jump}", "training for 4 s") as tally:
        run = trial / "timed"
        words = [word for word in site.train_words(run, 1, *OFTEN) if word not in ("--steps", 1)]
        command = site.launcher.start_fresh(*words, "--minutes", 4 / 60, **environment)
        command.wait_until(lambda: newest_step(run) > 0)
        clock.write_text(jump)
        result = command.wait()
        tally.tried += 1
        if tally.check_end(result, [0], "during a training"):
            progress = json.loads((RunFolder(run).last_checkpoint() / "progress.json").read_text())
            if not 4 <= progress["elapsed_seconds"] <= 6:
                tally.wrong.append(f"a budget of 4 s ended after {progress['elapsed_seconds']} s")
    with scenario(f"wall clock {jump}", "between two sessions") as tally:
        run = trial / "run"
        clock.write_text("+0")
        first = site.launcher.start_fresh(*site.train_words(run, 20, *OFTEN), **environment)
        tally.check_end(first.wait(), [0], "the first session")
        clock.write_text(jump)
        step_before, stores = newest_step(run), store_times(trial)
        resumed = site.launcher.start_fresh("train", "--resume", run, "--steps", 40, **environment)
        tally.tried += 1
        tally.check_end(resumed.wait(), [0], "the second session")
        check_run(tally, run, step_before, "the second session")
        if final_weights(run, 40) != final_weights(trial / "undisturbed", 40):
            tally.wrong.append("the weights differ from those of an undisturbed run")
        if store_times(trial) != stores:
            tally.wrong.append("the images were decoded again, or their store was removed")


def store_times(trial: Path) -> dict[str, float]:
    return {path.name: (path / "pixels.npy").stat().st_mtime for path in (trial / "cache" / "stores").iterdir()}
