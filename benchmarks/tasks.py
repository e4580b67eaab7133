"""The tasks of discovery.py: a data set, a size, a time, a target score, and the folders for training and test."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from discogan.data import Record
from discogan.data.labels import Labelled, labelled_images
from discogan.data.synthetic import draw_domains
from discogan.evaluation.scores import pair_records
from discogan.experiments.azimuth import Azimuth


@dataclass(frozen=True)
class Task:
    """A data set, an image size, a time, and the score that a run must reach in both directions."""

    data: str
    """Its folder; empty for the synthetic images of ``discogan demo``, which are drawn."""
    image_size: int
    minutes: float
    """Training time on two cores."""
    kinds: tuple[str, str] | None = None
    """The rendered kinds of A and B, scored by azimuth; ``None`` for data that are scored by test pairs."""
    target: float | None = None
    """Top-1 to reach; ``None`` is that of the identity. With kinds, the highest median error in degrees."""
    reserve: int = 0
    """Test pairs that are used as anchors instead."""


TASKS = {
    "hands": Task("hands_edges_photo", 64, 4, target=0.8),
    "emoji": Task("emoji_fluent_lineart_color", 64, 4),
    "icons": Task("icons_phosphor_outline_fill", 64, 4),
    "demo": Task("", 64, 2.5, target=0.98),
    "fonts": Task("fonts_dotgothic_reggae", 64, 2),
    "trees": Task("tree_season", 64, 2),
    "car2car": Task("rot_cars_chairs", 32, 0.5, ("car", "car"), 15.0),
    "car2chair": Task("rot_cars_chairs", 32, 2, ("car", "chair"), 15.0),
    "hands_anchors": Task("hands_edges_photo", 32, 1, target=0.8, reserve=64),
    "chair2car_anchors": Task("rot_cars_chairs", 32, 1, ("chair", "car"), 15.0, reserve=64),
    "hands_small": Task("hands_edges_photo", 32, 1, target=0.8),
    "icons_small": Task("icons_phosphor_outline_fill", 32, 1),
    "emoji_small": Task("emoji_fluent_lineart_color", 32, 1),
}


def prepare(task: Task, data: Path, folder: Path) -> Path:
    """Return a folder with train_a, train_b, test_a and test_b; of renders it has the paper's azimuths only."""
    if not task.data:
        draw_domains(folder)
        return folder
    if task.kinds is None and not task.reserve:
        return data / task.data
    folder.mkdir()
    if task.kinds is None:
        return reserve_pairs(task, data / task.data, folder)
    Azimuth(*task.kinds).prepare(folder, data / task.data, task.image_size)
    if task.reserve:
        labelled_a, labelled_b = labelled_images(folder / "train_a"), labelled_images(folder / "train_b")
        write_anchors(folder, pair_by_azimuth(labelled_a, labelled_b, task.reserve))
    return folder


def reserve_pairs(task: Task, data: Path, folder: Path) -> Path:
    """Link the data set into a folder, with some evenly spaced test pairs moved from the test to the anchors."""
    pairs = pair_records(data / "test_a", data / "test_b")
    tests = list(zip(pairs.a, pairs.b, strict=True))
    # Not ``evenly_spaced``: another selection would not match the recorded rows.
    reserved = {index * len(tests) // task.reserve for index in range(task.reserve)}
    for part in ("train_a", "train_b"):
        (folder / part).symlink_to(data.resolve() / part)
    for part in ("test_a", "test_b"):
        (folder / part).mkdir()
    for index, (record_a, record_b) in enumerate(tests):
        if index not in reserved:
            (folder / "test_a" / record_a.path.name).symlink_to(record_a.path.resolve())
            (folder / "test_b" / record_b.path.name).symlink_to(record_b.path.resolve())
    write_anchors(folder, [tests[index] for index in sorted(reserved)])
    return folder


def pair_by_azimuth(a: list[Labelled], b: list[Labelled], count: int) -> list[tuple[Record, Record]]:
    """Pair ``count`` random training images of A with random ones of B at the same azimuth, as a user would."""
    rng = np.random.default_rng(0)
    pairs = []
    for index in rng.permutation(len(a))[:count]:
        azimuth = a[index].azimuth % 360
        partners = [image for image in b if image.azimuth % 360 == azimuth]
        pairs.append((a[index].record, partners[rng.integers(len(partners))].record))
    return pairs


def write_anchors(folder: Path, pairs: list[tuple[Record, Record]]) -> None:
    """Write anchors-N.csv for each N, with the first N pairs of a random order."""
    order = np.random.default_rng(1).permutation(len(pairs))
    for count in range(1, len(pairs) + 1):
        rows = []
        for record_a, record_b in (pairs[index] for index in order[:count]):
            rows.append(f"{record_a.path.resolve()},{record_b.path.resolve()}")
        (folder / f"anchors-{count}.csv").write_text("\n".join(["path_a,path_b", *rows]) + "\n")
