"""Cars, chairs and heads seen from known sides: does the translation look the same way? (DiscoGAN sections 4.2, 4.4)"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from discogan.checkpoints import load_model
from discogan.config import Config
from discogan.data import folder_records
from discogan.data.labels import labelled_images
from discogan.data.store import Decoding
from discogan.devices import pick_device
from discogan.errors import DataError
from discogan.evaluation import evaluate_azimuth, load_regressor
from discogan.evaluation.azimuth_regressor import FittedRegressor
from discogan.experiments import Column, Experiment, Job, Row
from discogan.experiments.figures import draw_azimuths, draw_sheets
from discogan.experiments.images import job_config, read_tests, score_tests, train_job, write_sheet
from discogan.experiments.renders.folder import FRONT, FULL, LABELS, render_folder
from discogan.files import write_text
from discogan.training import check_config

IDENTITIES = {"train_0": (0, 120), "train_1": (120, 120), "test": (240, 40)}
"""First identity and how many of each part; no thing is in two parts."""
PRESETS = {"official": "official_azimuth"}
SETTINGS = dict.fromkeys(("gan", "recon_gan", "discogan"), ("generator.stages=5",))
"""The official code's generator for all azimuth tasks, in which no map of the image survives the code."""
FOUND_DEGREES = 15.0
"""The step between the paper's azimuths."""
FOUND_SHARE = 0.75
"""Azimuths that must be reached, else the map has collapsed, and followed, else it is right for some sides alone."""


@dataclass(frozen=True)
class Azimuth(Experiment):
    """``kind_a`` and ``kind_b`` (car, chair, head) from known azimuths, other identities in A, in B and in the test.

    DATA, where the user has renders: folders called cars_train_0, cars_train_1, cars_test and so on, with azimuths
    (``discogan.data.labels``). A is the ``_train_0`` of its kind and B the ``_train_1``.
    """

    kind_a: str
    kind_b: str
    full_turn: bool = False
    minutes: float = 1.0
    own_data: ClassVar[str] = "renders"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("median error in degrees", "median_error", 1, higher_is_better=False),
        Column("circular correlation", "circular_correlation"),
        Column("azimuths reached", "reached"),
        Column("azimuths followed", "followed"),
        Column("sliced Wasserstein", "sliced_wasserstein", 3, higher_is_better=False),
        Column("identity's error", "identity_median_error", 1, higher_is_better=False),
        Column("chance's error", "chance_median_error", 0, higher_is_better=False),
        Column("regressor's error", "regressor_error", 1, higher_is_better=False),
    )

    @property
    def summary(self) -> str:  # type: ignore[override]
        """A line for the list."""
        turn = "the full turn" if self.full_turn else "the front half"
        return f"{self.kind_a}s to {self.kind_b}s of other identities, 15 degrees apart over {turn}"

    def prepare(self, folder: Path, data: Path | None, image_size: int) -> Path:
        azimuths = FULL if self.full_turn else FRONT
        for part, kind, source in (
            ("train_a", self.kind_a, "train_0"),
            ("train_b", self.kind_b, "train_1"),
            ("test_a", self.kind_a, "test"),
            ("test_b", self.kind_b, "test"),
        ):
            target = folder / part
            if (target / LABELS).exists():
                continue
            shutil.rmtree(target, ignore_errors=True)
            if data is None:
                first, count = IDENTITIES[source]
                render_folder(kind, target, count, azimuths, first=first)
            else:
                _copy(data / f"{kind}s_{source}", target, azimuths)
        for domain in "ab":
            _regressor(folder, image_size, domain)
        return folder

    def check(self, job: Job) -> None:
        check_config(self._config(job, Path()))

    def run(self, job: Job, data: Path, folder: Path) -> Row:
        run, steps = train_job(job, self._config(job, data), folder)
        regressors = _regressor(data, job.image_size, "a"), _regressor(data, job.image_size, "b")
        folders = data / "test_a", data / "test_b"
        scores = evaluate_azimuth(run, *folders, regressors=regressors, directions=job.directions, device="cpu")
        model, config = load_model(run, pick_device("cpu"))
        tests = read_tests((folder_records(folders[0]), folder_records(folders[1])), config)
        for way, unpaired in score_tests(model, tests, job.directions, paired=False).items():
            scores[way] |= unpaired
        title = f"{job.experiment} on {job.data}, {job.objective}, seed {job.seed}, {job.minutes:g} min"
        write_sheet(model, tests, job.directions, folder / "sheets" / f"{job.name}.png", title, times=1)
        return {**scores, "directions": job.directions, "steps": steps}

    def found(self, row: Row) -> bool:
        ways = [row[way] for way in row["directions"]]
        return all(
            way["median_error"] <= FOUND_DEGREES and min(way["reached"], way["followed"]) >= FOUND_SHARE for way in ways
        )

    def figures(self, rows: Sequence[Row], folder: Path) -> list[Path]:
        return [*draw_azimuths(self.objectives, rows, folder), *draw_sheets(self.objectives, folder)]

    def _config(self, job: Job, data: Path) -> Config:
        source = {"name": "folders", "a": str(data / "train_a"), "b": str(data / "train_b")}
        preset = PRESETS.get(job.objective, job.objective)
        return job_config(job, source, preset, SETTINGS.get(job.objective, ()))


def _regressor(data: Path, image_size: int, domain: str) -> FittedRegressor:
    folders = [data / f"train_{domain}", data / f"test_{domain}"]
    return load_regressor(data / f"azimuth-{domain}-{image_size}px.safetensors", folders, Decoding(image_size, 3))


def _copy(source: Path, target: Path, azimuths: Sequence[float]) -> None:
    """The images of a user's labelled folder that have one of the azimuths, and their labels."""
    wanted = {azimuth % 360 for azimuth in azimuths}
    chosen = [image for image in labelled_images(source) if image.azimuth % 360 in wanted]
    if not chosen:
        raise DataError(f"{source} has no image at {', '.join(f'{azimuth:g}' for azimuth in azimuths)} degrees.")
    target.mkdir(parents=True)
    lines = ["name,identity,azimuth\n"]
    for image in chosen:
        name = image.record.name.replace("/", "-")
        shutil.copyfile(image.record.path, target / name)
        lines.append(f"{name},{image.identity},{(image.azimuth + 180) % 360 - 180:g}\n")
    write_text(target / LABELS, "".join(lines))
