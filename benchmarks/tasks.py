"""The tasks of discovery.py: a set, a size, a time and the bar; and the folders they train and test on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from discogan.data import Record
from discogan.data.labels import Labelled, labelled_images
from discogan.evaluation.scores import pair_records
from discogan.experiments.azimuth import Azimuth


@dataclass(frozen=True)
class Task:
    """A set, the size and time it is given, and the bar that a run must pass in both directions."""

    data: str
    image_size: int
    minutes: float
    """Of two cores."""
    kinds: tuple[str, str] | None = None
    """What is rendered, where azimuths are the truth; else test pairs are."""
    bar: float | None = None
    """Top-1 to reach; None is the identity's. With kinds, degrees of median error to stay below."""

    reserve: int = 0
    """Test pairs that are kept from the test, to be given as anchors."""


TASKS = {
    "hands": Task("hands_edges_photo", 64, 4, bar=0.8),
    "emoji": Task("emoji_fluent_lineart_color", 64, 4),
    "icons": Task("icons_phosphor_outline_fill", 64, 4),
    "car2car": Task("rot_cars_chairs", 32, 0.5, ("car", "car"), 15.0),
    "car2chair": Task("rot_cars_chairs", 32, 2, ("car", "chair"), 15.0),
    "hands_anchors": Task("hands_edges_photo", 32, 1, bar=0.8, reserve=64),
    "chair2car_anchors": Task("rot_cars_chairs", 32, 1, ("chair", "car"), 15.0, reserve=64),
    "hands_small": Task("hands_edges_photo", 32, 1, bar=0.8),
    "icons_small": Task("icons_phosphor_outline_fill", 32, 1),
    "emoji_small": Task("emoji_fluent_lineart_color", 32, 1),
}


def prepare(task: Task, data: Path, folder: Path) -> Path:
    """The folder with train_a, train_b, test_a and test_b; of renders the paper's azimuths alone."""
    if task.kinds is None and not task.reserve:
        return data / task.data
    folder.mkdir()
    if task.kinds is None:
        return reserve_pairs(task, data / task.data, folder)
    Azimuth(*task.kinds).prepare(folder, data / task.data, task.image_size)
    if task.reserve:
        sides = [labelled_images(folder / part) for part in ("train_a", "train_b")]
        write_anchors(folder, pairs_of_azimuth(*sides, task.reserve))
    return folder


def reserve_pairs(task: Task, data: Path, folder: Path) -> Path:
    """The set with some test pairs, evenly spread, taken out of the test to be anchors."""
    tests = list(zip(*pair_records(data / "test_a", data / "test_b"), strict=True))
    taken = {place * len(tests) // task.reserve for place in range(task.reserve)}
    for part in ("train_a", "train_b"):
        (folder / part).symlink_to(data.resolve() / part)
    for part in ("test_a", "test_b"):
        (folder / part).mkdir()
    for place, pair in enumerate(tests):
        if place not in taken:
            for part, record in zip(("test_a", "test_b"), pair, strict=True):
                (folder / part / record.path.name).symlink_to(record.path.resolve())
    write_anchors(folder, [tests[place] for place in sorted(taken)])
    return folder


def pairs_of_azimuth(a: list[Labelled], b: list[Labelled], count: int) -> list[tuple[Record, Record]]:
    """Training images of A with some of B at the same azimuth: what a user who looks at both would write down."""
    rng = np.random.default_rng(0)
    chosen = [a[place] for place in rng.permutation(len(a))[:count]]
    same = [[other for other in b if other.azimuth % 360 == image.azimuth % 360] for image in chosen]
    return [
        (image.record, others[rng.integers(len(others))].record) for image, others in zip(chosen, same, strict=True)
    ]


def write_anchors(folder: Path, pairs: list[tuple[Record, Record]]) -> None:
    """anchors-N.csv with the first N of the pairs, drawn in random order."""
    order = np.random.default_rng(1).permutation(len(pairs))
    for count in range(1, len(pairs) + 1):
        rows = [f"{pairs[place][0].path.resolve()},{pairs[place][1].path.resolve()}" for place in order[:count]]
        (folder / f"anchors-{count}.csv").write_text("\n".join(["path_a,path_b", *rows]) + "\n")
