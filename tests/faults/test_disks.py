"""A full disk or a read-only one at each place that writes: one message, and everything that was there stays."""

import re

import pytest

from tests.faults.command import Result
from tests.faults.disks import FILLER, fill, free, read_only, small_disk
from tests.faults.folders import contents, newest_step
from tests.faults.places import (
    BUILD_STORE,
    COMMANDS,
    MATCH,
    PLACES,
    RESUME,
    TRANSLATE,
    Place,
    Site,
)
from tests.faults.rows import Tally, scenario, times
from tests.faults.test_kills import check_folder, check_next_command, check_run

DISK_BYTES = 48 * 2**20
ROOM = re.compile(r"room|space|full", re.IGNORECASE)
"""Words of the right advice for a full disk."""
ADVICE_FOR_READ_ONLY = re.compile(r"read-only|can be written|permission", re.IGNORECASE)


def written_bytes(site: Site, place: Place) -> int:
    """Return about how many bytes a command of this place adds to the trial folder."""
    reference = site.reference(place)
    changed = [path for path, value in reference.after.items() if reference.before.get(path) != value]
    place.prepare(site, site.trial)
    site.run(site.trial, *place.words(site, site.trial))
    return sum((site.trial / path).stat().st_size for path in changed)


def in_default_suite(places, *chosen: Place):
    return [place if place in chosen else pytest.param(place, marks=pytest.mark.faults) for place in places]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("place", in_default_suite(PLACES, TRANSLATE, BUILD_STORE), ids=str)
def test_a_full_disk_is_one_message_and_harms_nothing(site: Site, trial, place: Place):
    reference, size = site.reference(place), written_bytes(site, place)
    with small_disk(trial, DISK_BYTES), scenario("full disk", place.name) as tally:
        count = times(2, 6)
        for number in range(count):
            left = int(size * number / count)
            place.prepare(site, trial)
            fill(trial, left)
            instant = f"{left:,} bytes left of {size:,}"
            result = site.run(trial, *place.words(site, trial))
            tally.tried += 1
            if tally.check_end(result, [0, 2], instant) and result.code == 2 and not ROOM.search(result.err):
                tally.wrong.append(f"{instant}: the message does not say that the disk is full: {result.err.strip()}")
            free(trial)
            check_folder(tally, trial, reference, instant)
            check_next_command(tally, site, place, instant)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("place", in_default_suite((RESUME, *COMMANDS), MATCH), ids=str)
def test_a_read_only_run_and_output_folder_is_one_message(site: Site, trial, place: Place):
    reference = site.reference(place)
    with scenario("read-only disk", place.name) as tally:
        place.prepare(site, trial)
        with read_only(trial):
            result = site.run(trial, *place.words(site, trial))
        check_read_only_end(tally, result)
        check_folder(tally, trial, reference, "read-only")
        check_next_command(tally, site, place, "read-only")


@pytest.mark.timeout(600)
@pytest.mark.faults
@pytest.mark.parametrize("place", [BUILD_STORE, MATCH, RESUME], ids=str)
def test_a_read_only_cache_is_one_message(site: Site, trial, place: Place):
    site.reference(place)
    with scenario("read-only cache", place.name) as tally:
        place.prepare(site, trial)
        (trial / "cache").mkdir(exist_ok=True)
        with read_only(trial / "cache"):
            result = site.run(trial, *place.words(site, trial))
        check_read_only_end(tally, result)
        if result.code == 2 and "DISCOGAN_CACHE" not in result.err:
            tally.wrong.append(f"the message does not name DISCOGAN_CACHE: {result.err.strip()}")
        check_next_command(tally, site, place, "read-only cache")


def check_read_only_end(tally: Tally, result: Result) -> None:
    tally.tried += 1
    if not tally.check_end(result, [0, 2], "read-only"):
        return
    if result.code == 2 and (ROOM.search(result.err) or not ADVICE_FOR_READ_ONLY.search(result.err)):
        tally.wrong.append(f"the message does not say that the disk is read-only: {result.err.strip()}")


WRITINGS = {
    "checkpoint": ("training.checkpoint_every_steps=1",),
    "sample sheet": ("training.sample_every_steps=1", "training.checkpoint_every_steps=3"),
    "metrics": ("training.log_every_steps=1", "training.checkpoint_every_steps=3"),
    "scores and best/": ("training.score_every_steps=1", "training.checkpoint_every_steps=3"),
}
RARELY = (
    "training.log_every_steps=1000",
    "training.checkpoint_every_steps=1000",
    "training.sample_every_steps=1000",
    "training.score_every_steps=1000",
)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "writing", [name if name == "checkpoint" else pytest.param(name, marks=pytest.mark.faults) for name in WRITINGS]
)
def test_a_disk_that_fills_during_training_loses_no_checkpoint(site: Site, trial, writing):
    settings = (*RARELY, *WRITINGS[writing])
    result = site.run(trial, *site.train_words(trial / "run", 40, *settings))
    assert result.code == 0, str(result)
    expected = contents(trial / "run" / "checkpoints" / "step-000040")
    with scenario("full disk", f"training, {writing}") as tally, small_disk(trial, DISK_BYTES):
        for number in range(times(1, 6)):
            site.prepare(trial)
            words = site.train_words(trial / "new", 40, *settings)
            command = site.start(trial, *words)
            wanted = 3 + 4 * number
            command.wait_until(lambda step=wanted: newest_step(trial / "new") >= step)
            fill(trial, 4096 * number)
            step_before = newest_step(trial / "new")
            result, instant = command.wait(), f"disk filled at step {step_before}"
            tally.tried += 1
            if tally.check_end(result, [0, 2], instant) and result.code == 2 and not ROOM.search(result.err):
                tally.wrong.append(f"{instant}: the message does not say that the disk is full: {result.err.strip()}")
            free(trial)
            check_run(tally, trial / "new", step_before, instant)
            resumed = site.run(trial, "train", "--resume", trial / "new")
            if not tally.check_end(resumed, [0], f"{instant}, then resumed"):
                continue
            if contents(trial / "new" / "checkpoints" / "step-000040") != expected:
                tally.wrong.append(f"{instant}: the resumed run has other weights than an undisturbed one")
            tally.left_behind += [
                f"{instant}: {path.relative_to(trial)}"
                for path in (trial / "new").rglob(".*")
                if path.name not in (".lock", FILLER)
            ]


@pytest.mark.timeout(300)
@pytest.mark.faults
def test_a_full_disk_at_the_end_of_a_training_keeps_its_verdict(site: Site, trial):
    site.prepare(trial)
    with small_disk(trial, DISK_BYTES), scenario("full disk", "verdict") as tally:
        for number in range(6):
            site.prepare(trial)
            before = contents(trial)
            fill(trial, 4096 * number)
            result = site.run(trial, "train", "--resume", trial / "run")
            instant = f"{4096 * number} bytes left"
            tally.tried += 1
            tally.check_end(result, [0, 2], instant)
            free(trial)
            now = contents(trial)
            tally.lost += [f"{instant}: {path}" for path in before if path not in now]
            tally.check_end(site.run(trial, "train", "--resume", trial / "run"), [0], f"{instant}, then resumed")
            tally.left_behind += [f"{instant}: {path}" for path in contents(trial) if path not in before]


def test_the_disk_is_full_for_a_command_that_writes(trial):
    """Check the fault itself: without room a file cannot be written, and with room it can."""
    with small_disk(trial, DISK_BYTES):
        fill(trial)
        with pytest.raises(OSError, match="No space"):
            (trial / "file").write_bytes(b"x" * 8192)
        free(trial)
        (trial / "file").write_bytes(b"x" * 8192)
    with read_only(trial), pytest.raises(OSError, match="Read-only"):
        (trial / "file").write_bytes(b"x")
