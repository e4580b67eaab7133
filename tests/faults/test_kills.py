"""Signals at random instants: a run continues exactly, and an output is complete or absent."""

import json
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from discogan.run_folder import RunFolder
from tests.faults import folders
from tests.faults.folders import FolderWatch, contents, damaged_run_files, half_written, newest_step
from tests.faults.places import BUILD_STORE, COMMANDS, OFTEN, REPORT, TRANSLATE, Place, Site
from tests.faults.rows import Tally, scenario, times

STEPS = 200
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
MODES = {
    "default": (),
    "seeds tried": ("--seeds-tried", 3),
    "anchors": ("--anchors", "PAIRS"),
    "flip": ("--set", "data.flip=true"),
    "cyclegan": ("--set", "objective.name=cyclegan", "--set", "objective.buffer_size=9"),
    "official": ("--preset", "official"),
}
"""The options of each kind of training."""


def endings(number: int) -> set[int]:
    """Return the exit codes of a command that a signal stopped, or that ended before."""
    return {0, -number, 128 + number}


def mode_words(site: Site, out: Path, mode: str) -> list[object]:
    options = [site.root / "pairs.csv" if word == "PAIRS" else word for word in MODES[mode]]
    return site.train_words(out, STEPS, *OFTEN, options=options)


def undisturbed(site: Site, mode: str) -> dict[str, str]:
    """Return the contents of a run that nothing disturbed. It is trained once for each mode."""
    kept = site.root / f"undisturbed {mode}"
    if not kept.exists():
        result = site.start(kept, *mode_words(site, site.trial / "run", mode)).wait()
        assert result.code == 0, str(result)
        kept.mkdir(exist_ok=True)
        (site.trial / "run").rename(kept / "run")
    return contents(kept / "run")


def words_to_continue(site: Site, run: Path, mode: str) -> list[object]:
    is_begun = RunFolder(run).exists or RunFolder(run).plan.exists()
    return ["train", "--resume", run] if is_begun else mode_words(site, run, mode)


def progress_of(run: Path) -> int:
    """Return the steps in all metrics logs of a run and of its seeds."""
    logs = [run / "metrics.jsonl", *run.glob("seeds/seed-*/metrics.jsonl")]
    return sum(log.read_bytes().count(b"\n") for log in logs if log.exists())


def check_run(tally: Tally, run: Path, step_before: int, instant: str) -> None:
    """Note checkpoints that are older than before, and files that cannot be read."""
    step = newest_step(run)
    if step < step_before:
        tally.lost.append(f"{instant}: the newest checkpoint is of step {step}, it was of step {step_before}")
    tally.wrong += [f"{instant}: {file}" for file in damaged_run_files(run)]


def finish_and_compare(tally: Tally, site: Site, mode: str, only_last: bool) -> None:
    """Continue to the end, and compare all files with those of the undisturbed run.

    With ``only_last``, checkpoints and sheets of interrupted steps may be there too.
    """
    run = site.trial / "run"
    result = site.start(site.trial, *words_to_continue(site, run, mode)).wait()
    if not tally.check_end(result, [0], "the last session"):
        return
    expected, got = undisturbed(site, mode), contents(run)
    for path in sorted(expected.keys() | got.keys()):
        is_drawn_from_the_log = path == "report.html" and path in got
        if expected.get(path) == got.get(path) or is_drawn_from_the_log:
            continue
        if path not in expected and not (only_last and path.startswith(("checkpoints/", "samples/", "seeds/"))):
            tally.left_behind.append(f"{path} is not in an undisturbed run")
        elif path in expected and path not in got and not (only_last and "checkpoints/" in path):
            tally.lost.append(f"{path} is missing at the end")
        elif path in expected and path in got:
            tally.wrong.append(f"{path} differs from an undisturbed run{first_difference(site, mode, path)}")


def first_difference(site: Site, mode: str, path: str) -> str:
    if not path.endswith(".jsonl"):
        return ""
    expected = (site.root / f"undisturbed {mode}" / "run" / path).read_text().splitlines()
    got = (site.trial / "run" / path).read_text().splitlines()
    for line_expected, line_got in zip(expected, got, strict=False):
        record_expected, record_got = json.loads(line_expected), json.loads(line_got)
        keys = [key for key in record_expected if record_expected[key] != record_got.get(key)]
        keys = [key for key in keys if key not in folders.CLOCK_KEYS]
        if keys:
            return f" first at step {record_expected['step']} in {', '.join(keys)}"
    return f" in its length, {len(got)} lines where there were {len(expected)}"


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("mode", "number"),
    [
        ("default", signal.SIGKILL),
        *(pytest.param(mode, signal.SIGKILL, marks=pytest.mark.faults) for mode in MODES if mode != "default"),
        *(pytest.param("default", number, marks=pytest.mark.faults) for number in SIGNALS[1:]),
        *(pytest.param("seeds tried", number, marks=pytest.mark.faults) for number in SIGNALS[1:]),
    ],
)
def test_a_training_that_is_stopped_often_ends_like_an_undisturbed_one(site: Site, trial: Path, mode, number):
    undisturbed(site, mode)
    with scenario(signal.Signals(number).name, f"training, {mode}") as tally:
        rng, run = random.Random(f"{mode} {number}"), trial / "run"
        targets = sorted(rng.uniform(0, STEPS / 2) for _ in range(times(5, 20)))
        for target in targets:
            step_before = newest_step(run)
            command = site.start(trial, *words_to_continue(site, run, mode))
            command.wait_until(lambda line=target: progress_of(run) >= line)
            time.sleep(rng.uniform(0, 0.08))
            instant = f"stop {tally.tried + 1} after {command.age_seconds:.3f} s, at log line {progress_of(run)}"
            step_before = max(step_before, newest_step(run))
            command.signal(number)
            result = command.wait()
            tally.tried += 1
            tally.check_end(result, endings(number), instant)
            check_run(tally, run, step_before, instant)
            if number != signal.SIGKILL:
                check_that_a_checkpoint_was_saved(tally, run, instant)
        finish_and_compare(tally, site, mode, only_last=number != signal.SIGKILL)


def check_that_a_checkpoint_was_saved(tally: Tally, run: Path, instant: str) -> None:
    """Note steps that are logged and not in a checkpoint, after a signal that lets a training save its state."""
    for folder in (run, *run.glob("seeds/seed-*")):
        log = folder / "metrics.jsonl"
        lines = log.read_text().splitlines() if log.exists() else []
        logged = json.loads(lines[-1])["step"] if lines else 0
        newest = RunFolder(folder).last_checkpoint()
        saved = int(newest.name.removeprefix("step-")) if newest else 0
        if logged > saved:
            tally.lost.append(f"{instant}: steps {saved + 1} to {logged} of {folder.name} are not in a checkpoint")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.faults)])
def test_a_stop_while_a_checkpoint_is_written_loses_nothing(site: Site, trial: Path, number):
    undisturbed(site, "default")
    with scenario(signal.Signals(number).name, "checkpoint being written") as tally:
        rng, run = random.Random(5 + number), trial / "run"
        for stop in range(times(5, 60)):
            command = site.start(trial, *words_to_continue(site, run, "default"))
            command.wait_until((run / "metrics.jsonl").exists)
            watched = [[run / "checkpoints"], [run], [run, run / "checkpoints", run / "samples"]][stop % 3]
            watch = FolderWatch(watched)
            name = ""
            for _ in range(rng.randint(1, 3)):
                name = watch.wait_for_temporary(0 if command.has_ended else 20)
            watch.close()
            time.sleep(rng.choice([0, 0, 0.001, 0.003, 0.006, 0.012]))
            step_before = newest_step(run)
            instant = f"stop {stop + 1} after {command.age_seconds:.3f} s, while {name or 'nothing'} was written"
            command.signal(number)
            result = command.wait()
            tally.tried += 1
            tally.check_end(result, endings(number), instant)
            check_run(tally, run, step_before, instant)
            if result.code == 0:
                break
        finish_and_compare(tally, site, "default", only_last=number != signal.SIGKILL)


ONE_SHOT = (BUILD_STORE, *COMMANDS)


QUICK = ((TRANSLATE, signal.SIGKILL), (BUILD_STORE, signal.SIGKILL), (REPORT, signal.SIGTERM))
"""Places and signals of the default suite."""
CASES = [
    pytest.param(
        place,
        number,
        id=f"{place.name}-{signal.Signals(number).name}",
        marks=[] if (place, number) in QUICK else pytest.mark.faults,
    )
    for place in ONE_SHOT
    for number in SIGNALS
]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("place", "number"), CASES)
def test_a_command_that_is_stopped_leaves_complete_files_only(site: Site, trial: Path, place: Place, number):
    reference = site.reference(place)
    with scenario(signal.Signals(number).name, place.name) as tally:
        count, rng = times(2, 12), random.Random(f"{place.name} {number}")
        for stop in range(count):
            place.prepare(site, trial)
            command = site.start(trial, *place.words(site, trial))
            time.sleep(reference.seconds * (stop + rng.random()) / count)
            instant = f"stop {stop + 1} after {command.age_seconds:.3f} s"
            command.signal(number)
            tally.check_end(command.wait(), endings(number), instant)
            tally.tried += 1
            check_folder(tally, trial, reference, instant)
            check_next_command(tally, site, place, instant)


def check_folder(tally: Tally, trial: Path, reference, instant: str) -> None:
    """Note files that are gone, and files that are neither the old nor the new ones."""
    tally.lost += [f"{instant}: {path}" for path in folders.missing(trial, reference.before, reference.after)]
    tally.wrong += [
        f"{instant}: {path} is incomplete" for path in half_written(trial, reference.before, reference.after)
    ]


def check_next_command(tally: Tally, site: Site, place: Place, instant: str) -> None:
    """Run the command that continues, and note what differs from an undisturbed one."""
    result = site.run(site.trial, *place.words_again(site, site.trial))
    instant = f"{instant}, then the next command"
    if not tally.check_end(result, [0], instant):
        return
    expected, got = site.reference(place).after, contents(site.trial)
    for path in sorted(expected.keys() | got.keys()):
        if path not in got:
            tally.lost.append(f"{instant}: {path} is missing")
        elif path not in expected and "step-000000" not in path:
            tally.left_behind.append(f"{instant}: {path}")
        elif path in expected and expected[path] != got[path]:
            tally.wrong.append(f"{instant}: {path} differs from that of an undisturbed command")


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "number",
    [pytest.param(number, marks=pytest.mark.faults) for number in SIGNALS],
    ids=lambda number: signal.Signals(number).name,
)
def test_a_stop_during_the_start_up_prints_no_traceback(site: Site, trial: Path, number):
    place = TRANSLATE
    reference = site.reference(place)
    with scenario(signal.Signals(number).name, "start-up of the interpreter") as tally:
        rng, count = random.Random(number), times(0, 12)
        for stop in range(count):
            place.prepare(site, trial)
            command = site.launcher.start_fresh(*place.words(site, trial), DISCOGAN_CACHE=str(trial / "cache"))
            time.sleep(2.5 * (stop + rng.random()) / count)
            instant = f"stop {stop + 1} after {command.age_seconds:.3f} s"
            command.signal(number)
            tally.check_end(command.wait(), endings(number), instant)
            tally.tried += 1
            check_folder(tally, trial, reference, instant)
        shutil.rmtree(trial / "out", ignore_errors=True)
        check_next_command(tally, site, place, "after all stops")
