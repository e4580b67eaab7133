"""Photographs: translations and round trips, scored with true pairs if there are any (DiscoGAN section 4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from discogan.checkpoints import load_model
from discogan.config import Config, Table, read_preset
from discogan.data import Record
from discogan.devices import pick_device
from discogan.errors import ConfigError
from discogan.evaluation.scores import pair_records
from discogan.experiments import Column, Experiment, Job, Row
from discogan.experiments.figures import draw_sheets
from discogan.experiments.images import job_config, read_tests, score_tests, train_job, write_sheet
from discogan.names import absolute
from discogan.registry import SOURCES
from discogan.training import check_config

TEST_SPLITS = {"side_by_side": "val", "handbags_shoes": "val"}
"""Sources whose test part is not named test."""
OFFICIAL_STEPS_PER_MINUTE = 1200
"""Approximate speed of `official` at 32 pixels on one core."""
MAX_TEST_IMAGES = 1024
"""Test images of each domain that are scored."""


@dataclass(frozen=True)
class Photographs(Experiment):
    """The data set of ``preset``, or any DATA with train_a, train_b, test_a, test_b (true pairs have equal names)."""

    preset: str = ""
    minutes: float = 2.0
    own_data: ClassVar[str] = ""
    columns: ClassVar[tuple[Column, ...]] = (
        Column("top-1", "top_1"),
        Column("identity's top-1", "identity_top_1"),
        Column("SSIM", "ssim"),
        Column("diversity", "diversity"),
        Column("sliced Wasserstein", "sliced_wasserstein", 3, higher_is_better=False),
        Column("round trip L1", "round_trip_l1", 3, higher_is_better=False),
    )

    @property
    def summary(self) -> str:  # type: ignore[override]
        """A line for the list of experiments."""
        about = read_preset(self.preset) if self.preset else {}
        layout = about.get("layout", "DATA/train_a, train_b, test_a and test_b")
        name = str(about.get("summary", "any two folders of images")).partition(",")[0]
        return f"{name}; --data ROOT with {layout}"

    def prepare(self, folder: Path, data: Path | None, image_size: int) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        if data is None:
            hint = f"Download {read_preset(self.preset)['download']}" if self.preset else "Create such folders"
            raise ConfigError(f"This experiment needs data: {self.summary}. {hint}.")
        SOURCES.build(self._source(data, "train"), "source").records()
        self._tests(data)
        return absolute(data)

    def check(self, job: Job) -> None:
        check_config(self._config(job, Path()))

    def run(self, job: Job, data: Path, folder: Path) -> Row:
        run, steps = train_job(job, self._config(job, data), folder)
        model, config = load_model(run, pick_device("cpu"))
        records, paired = self._tests(data)
        tests = read_tests((_limit_records(records[0]), _limit_records(records[1])), config)
        scores = score_tests(model, tests, paired)
        title = f"{job.data}, {job.objective}, seed {job.seed}, {job.minutes:g} min"
        write_sheet(model, tests, folder / "sheets" / f"{job.name}.png", title, times=3)
        return {**scores, "directions": list(model.directions), "steps": steps, "paired": paired}

    def found(self, row: Row) -> bool | None:
        """Return whether top-1 is at least halfway from that of the identity to 1; ``None`` without true pairs."""
        if not row["paired"]:
            return None
        scores_by_direction = [row[direction] for direction in row["directions"]]
        return all(scores["top_1"] >= (1 + scores["identity_top_1"]) / 2 for scores in scores_by_direction)

    def figures(self, rows: Sequence[Row], folder: Path) -> list[Path]:
        return draw_sheets(self.objectives, folder)

    def _config(self, job: Job, data: Path) -> Config:
        """Return the objective's preset; for `official` the preset of the data set, which has the official settings."""
        official = job.objective == "official"
        preset = self.preset if official and self.preset else job.objective
        # The official rate changes after a fifth of the steps, so here it changes after a fifth of the time.
        own = (f"objective.rate_steps={round(OFFICIAL_STEPS_PER_MINUTE * job.minutes / 5)}",) if official else ()
        return job_config(job, self._source(data, "train"), preset, own)

    def _source(self, data: Path, split: str) -> Table:
        if not self.preset:
            return {"name": "folders", "a": str(data / f"{split}_a"), "b": str(data / f"{split}_b")}
        source = read_preset(self.preset)["source"]
        test = TEST_SPLITS.get(source["name"], "test")
        return {**source, "root": str(data), "split": "train" if split == "train" else test}

    def _tests(self, data: Path) -> tuple[tuple[list[Record], list[Record]], bool]:
        """Return the test images of both domains, and whether row i of A belongs to row i of B."""
        if self.preset:
            source = self._source(data, "test")
            return SOURCES.build(source, "source").records(), source["name"] == "side_by_side"
        if (data / "test_a").is_dir() and (data / "test_b").is_dir():
            pairs = pair_records(data / "test_a", data / "test_b")
            return (pairs.a, pairs.b), True
        return SOURCES.build(self._source(data, "train"), "source").records(), False


def _limit_records(records: Sequence[Record]) -> Sequence[Record]:
    """Return at most ``MAX_TEST_IMAGES`` records."""
    # Not ``evenly_spaced``: another selection would change the scores, which must be comparable with earlier rows.
    return records[:: 1 + (len(records) - 1) // MAX_TEST_IMAGES]
