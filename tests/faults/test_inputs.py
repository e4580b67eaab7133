"""Images that change while they are read, and decoding processes that are killed."""

import io
import os
import random
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.faults.folders import FolderWatch, contents
from tests.faults.places import TINY, Site, flags
from tests.faults.rows import scenario, times

IMAGES = 200


def other_image(seed: int, format_name: str = "PNG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format_name)
    return buffer.getvalue()


OTHER_PNG, OTHER_JPEG = other_image(1), other_image(2, "JPEG")
CHANGES = {
    "replaced": lambda file: file.write_bytes(OTHER_PNG),
    "truncated": lambda file: os.truncate(file, file.stat().st_size // 2),
    "emptied": lambda file: os.truncate(file, 0),
    "deleted": lambda file: file.unlink(),
    "another format": lambda file: file.write_bytes(OTHER_JPEG),
    "a text": lambda file: file.write_text("not an image"),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
}
"""What happens to an image while it is read."""


def copy_images(site: Site, folder: Path) -> Path:
    """Copy images with their times into a new folder, so that a restored image looks as it did before."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(site.root / "many", folder)
    for number in range(150, IMAGES):
        shutil.copy2(folder / f"{number - 150:03d}.png", folder / f"{number:03d}.png")
    return folder


def restore(backup: Path, folder: Path) -> None:
    """Bring the images back with their content, sizes and times."""
    shutil.rmtree(folder)
    shutil.copytree(backup, folder)


def train_words(site: Site, images: Path, out: Path, workers: int) -> list[object]:
    settings = flags((*(each for each in TINY if "workers" not in each), f"data.workers={workers}"))
    return ["train", images, site.b, "--out", out, "--image-size", 32, "--steps", 2, *settings]


def weights(run: Path) -> dict[str, str]:
    return {name: value for name, value in contents(run / "best").items() if name.endswith(".safetensors")}


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "moment", ["between hashing and decoding", pytest.param("at any time", marks=pytest.mark.faults)]
)
@pytest.mark.parametrize(
    "change", [name if name == "replaced" else pytest.param(name, marks=pytest.mark.faults) for name in CHANGES]
)
def test_images_that_change_while_the_store_is_built_never_enter_it_unnoticed(site: Site, trial, change, moment):
    images, backup = trial / "images", copy_images(site, trial / "backup")
    restore_first = shutil.copytree(backup, images)
    undisturbed = site.run(trial, *train_words(site, restore_first, trial / "undisturbed", 1))
    assert undisturbed.code == 0, str(undisturbed)
    with scenario(f"images {change}", f"store building, {moment}") as tally:
        rng = random.Random(f"{change} {moment}")
        for number in range(times(1, 4)):
            restore(backup, images)
            shutil.rmtree(trial / "cache", ignore_errors=True)
            for name in ("changed", "restored"):
                shutil.rmtree(trial / name, ignore_errors=True)
            watch = FolderWatch([trial / "cache" / "stores"])
            command = site.start(trial, *train_words(site, images, trial / "changed", 1 + number % 2))
            if moment == "at any time":
                time.sleep(rng.uniform(0, 0.25))
            else:
                watch.wait_for_temporary(20)
            instant = f"{change} after {command.age_seconds:.3f} s"
            for name in rng.sample(range(IMAGES), 5) if moment == "at any time" else range(IMAGES - 5, IMAGES):
                CHANGES[change](images / f"{name:03d}.png")
            watch.close()
            result = command.wait()
            tally.tried += 1
            tally.check_end(result, [0, 2], instant)
            restore(backup, images)
            again = site.run(trial, *train_words(site, images, trial / "restored", 1))
            if not tally.check_end(again, [0], f"{instant}, then restored"):
                continue
            if weights(trial / "restored") != weights(trial / "undisturbed"):
                tally.wrong.append(f"{instant}: a training on the restored images used the changed pixels")
            left = list((trial / "cache").rglob("building-*"))
            tally.left_behind += [f"{instant}: {path.relative_to(trial)}" for path in left]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "change",
    [name if name == "truncated" else pytest.param(name, marks=pytest.mark.faults) for name in CHANGES],
)
def test_images_that_change_while_they_are_translated_are_skipped_or_complete(site: Site, trial, change):
    def words(images: Path, out: Path) -> list[object]:
        return ["translate", trial / "run", images, "--direction", "a_to_b", "--out", out, "--batch-size", 1]

    site.prepare(trial)
    images, backup = trial / "images", copy_images(site, trial / "backup")
    shutil.copytree(backup, images)
    result = site.run(trial, *words(images, trial / "before"))
    assert result.code == 0, str(result)
    before = contents(trial / "before")
    with scenario(f"images {change}", "translate") as tally:
        rng = random.Random(f"translate {change}")
        for number in range(times(1, 6)):
            restore(backup, images)
            shutil.rmtree(trial / "out", ignore_errors=True)
            command = site.start(trial, *words(images, trial / "out"))
            first = trial / "out" / f"{number * 10:03d}.png"
            command.wait_until(first.exists)
            changed = [f"{index:03d}.png" for index in rng.sample(range(IMAGES), 20)]
            for name in changed:
                CHANGES[change](images / name)
            instant = f"{change} after {command.age_seconds:.3f} s"
            result = command.wait()
            tally.tried += 1
            if not tally.check_end(result, [0, 2], instant):
                continue
            shutil.rmtree(trial / "after", ignore_errors=True)
            site.run(trial, *words(images, trial / "after"))
            got, after = contents(trial / "out"), contents(trial / "after")
            for name in sorted(before):
                if name in got and got[name] not in (before[name], after.get(name)):
                    tally.wrong.append(f"{instant}: {name} is the translation of neither image")
                if name not in got and name not in result.err:
                    tally.lost.append(f"{instant}: {name} has no translation and no message")
            tally.left_behind += [f"{instant}: {name}" for name in got if name not in before]


@pytest.mark.timeout(900)
def test_a_killed_decoding_process_is_one_message(site: Site, trial):
    images = copy_images(site, trial / "images")
    undisturbed = site.run(trial, *train_words(site, images, trial / "undisturbed", 2))
    assert undisturbed.code == 0, str(undisturbed)
    with scenario("killed decoding process", "store building") as tally:
        rng = random.Random(7)
        for number in range(times(2, 12)):
            shutil.rmtree(trial / "cache", ignore_errors=True)
            shutil.rmtree(trial / "out", ignore_errors=True)
            watch = FolderWatch([trial / "cache" / "stores"])
            command = site.start(trial, *train_words(site, images, trial / "out", 2))
            if number % 2:
                watch.wait_for_temporary(20)
            command.wait_until(command.children)
            time.sleep(rng.choice([0, 0, 0.01, 0.03]))
            children = command.children()
            for pid in rng.sample(children, min(1, len(children))):
                os.kill(pid, signal.SIGKILL)
            watch.close()
            instant = f"{'decoding' if number % 2 else 'hashing'}, after {command.age_seconds:.3f} s"
            result = command.wait()
            tally.tried += 1
            tally.check_end(result, [0, 2], instant)
            shutil.rmtree(trial / "out", ignore_errors=True)
            again = site.run(trial, *train_words(site, images, trial / "out", 2))
            if tally.check_end(again, [0], f"{instant}, then again"):
                if weights(trial / "out") != weights(trial / "undisturbed"):
                    tally.wrong.append(f"{instant}: the next training has other weights")
                left = list((trial / "cache").rglob("building-*"))
                tally.left_behind += [f"{instant}: {path.relative_to(trial)}" for path in left]
