"""Cars, chairs and heads at known azimuths: does the translation keep the azimuth? (DiscoGAN sections 4.2, 4.4)"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from discogan.checkpoints import load_model
from discogan.config import Config
from discogan.csv_files import write_csv
from discogan.data import folder_records
from discogan.data.decoding import Decoding
from discogan.data.labels import labelled_images
from discogan.devices import pick_device
from discogan.errors import DataError
from discogan.evaluation import evaluate_azimuth, load_regressor
from discogan.evaluation.azimuth_regressor import FittedRegressor
from discogan.experiments import Column, Experiment, Job, Row
from discogan.experiments.figures import draw_azimuths, draw_sheets
from discogan.experiments.images import job_config, read_tests, score_tests, train_job, write_sheet
from discogan.experiments.renders.folder import FRONT, FULL, LABELS, render_folder
from discogan.files import atomic_path
from discogan.training import check_config

IDENTITIES = {"train_0": (0, 120), "train_1": (120, 120), "test": (240, 40)}
"""First identity and number of identities of each part. No identity is in two parts."""
PRESETS = {"official": "official_azimuth"}
SETTINGS = dict.fromkeys(("gan", "recon_gan", "discogan"), ("generator.stages=5",))
"""The official code's generator for all azimuth tasks: its code has no spatial dimensions."""
MAX_ERROR_DEGREES = 15.0
"""Median error up to which a relation counts as found: the step between the paper's azimuths."""
MIN_AZIMUTH_SHARE = 0.75
"""Share of the azimuths that must be reached and followed.

If fewer are reached, the mapping has collapsed. If fewer are followed, it is correct for some azimuths only.
"""


@dataclass(frozen=True)
class Azimuth(Experiment):
    """``kind_a`` and ``kind_b`` (car, chair, head) at known azimuths; A, B and the test have different identities.

    If the user has renders, DATA contains folders named cars_train_0, cars_train_1, cars_test and so on, with azimuths
    (``discogan.data.labels``). A is the ``_train_0`` folder of its kind and B the ``_train_1`` folder.
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
        """A line for the list of experiments."""
        turn = "the full turn" if self.full_turn else "the front half"
        return f"{self.kind_a}s to {self.kind_b}s of other identities, 15 degrees apart over {turn}"

    def prepare(self, folder: Path, data: Path | None, image_size: int) -> Path:
        azimuths = FULL if self.full_turn else FRONT
        parts = (
            ("train_a", self.kind_a, "train_0"),
            ("train_b", self.kind_b, "train_1"),
            ("test_a", self.kind_a, "test"),
            ("test_b", self.kind_b, "test"),
        )
        for part, kind, source in parts:
            target = folder / part
            if (target / LABELS).exists():
                continue
            shutil.rmtree(target, ignore_errors=True)
            if data is None:
                first, count = IDENTITIES[source]
                render_folder(kind, target, count, azimuths, first=first)
            else:
                _copy_labelled(data / f"{kind}s_{source}", target, azimuths)
        # Fitted here once, so that the runs, which are separate processes, only load them.
        _load_regressor(folder, image_size, "a")
        _load_regressor(folder, image_size, "b")
        return folder

    def check(self, job: Job) -> None:
        check_config(self._config(job, Path()))

    def run(self, job: Job, data: Path, folder: Path) -> Row:
        run, steps = train_job(job, self._config(job, data), folder)
        regressors = _load_regressor(data, job.image_size, "a"), _load_regressor(data, job.image_size, "b")
        folders = data / "test_a", data / "test_b"
        scores = evaluate_azimuth(run, *folders, regressors=regressors, device="cpu")
        model, config = load_model(run, pick_device("cpu"))
        tests = read_tests((folder_records(folders[0]), folder_records(folders[1])), config)
        for direction, unpaired_scores in score_tests(model, tests, paired=False).items():
            scores[direction] |= unpaired_scores
        title = f"{job.experiment} on {job.data}, {job.objective}, seed {job.seed}, {job.minutes:g} min"
        write_sheet(model, tests, folder / "sheets" / f"{job.name}.png", title, times=1)
        return {**scores, "directions": list(model.directions), "steps": steps}

    def found(self, row: Row) -> bool:
        for direction in row["directions"]:
            scores = row[direction]
            if scores["median_error"] > MAX_ERROR_DEGREES:
                return False
            if min(scores["reached"], scores["followed"]) < MIN_AZIMUTH_SHARE:
                return False
        return True

    def figures(self, rows: Sequence[Row], folder: Path) -> list[Path]:
        return [*draw_azimuths(self.objectives, rows, folder), *draw_sheets(self.objectives, folder)]

    def _config(self, job: Job, data: Path) -> Config:
        source = {"name": "folders", "a": str(data / "train_a"), "b": str(data / "train_b")}
        preset = PRESETS.get(job.objective, job.objective)
        return job_config(job, source, preset, SETTINGS.get(job.objective, ()))


def _load_regressor(data: Path, image_size: int, domain: str) -> FittedRegressor:
    folders = [data / f"train_{domain}", data / f"test_{domain}"]
    return load_regressor(data / f"azimuth-{domain}-{image_size}px.safetensors", folders, Decoding(image_size, 3))


def _copy_labelled(source: Path, target: Path, azimuths: Sequence[float]) -> None:
    """Copy the images of a user's labelled folder that have one of the azimuths, and write their labels."""
    wanted = {azimuth % 360 for azimuth in azimuths}
    chosen = [image for image in labelled_images(source) if image.azimuth % 360 in wanted]
    if not chosen:
        degrees = ", ".join(f"{azimuth:g}" for azimuth in azimuths)
        raise DataError(f"{source} has no image at {degrees} degrees. Add images at these azimuths.")
    target.mkdir(parents=True)
    rows = []
    for image in chosen:
        name = image.record.name.replace("/", "-")
        with atomic_path(target / name, durable=False) as temporary:
            shutil.copyfile(image.record.path, temporary)
        rows.append((name, image.identity, (image.azimuth + 180) % 360 - 180))
    write_csv(target / LABELS, ("name", "identity", "azimuth"), rows)
