"""A grid that continues where it stopped, and the tables of its rows."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from filelock import FileLock

from discogan.errors import ConfigError, DivergedError, RunError
from discogan.experiments import Column, Experiment, Job, grid
from discogan.experiments.tables import make_markdown, summarise_rows
from discogan.records import read_json_lines

JOB = Job("fake", "data", "modern", 0, 32, 1.0, 1)


@dataclass(frozen=True)
class Fake(Experiment):
    """An experiment whose scores depend on objective and seed. Each run leaves a file."""

    counter: str
    minutes: float = 1.0
    summary: ClassVar[str] = "a fake"
    own_data: ClassVar[str] = "nothing"
    columns: ClassVar[tuple[Column, ...]] = (Column("score", "score"), Column("error", "error", 1, False))

    def prepare(self, folder, data, image_size):
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def check(self, job):
        if job.settings:
            raise ConfigError("no settings here")

    def run(self, job, data, folder):
        if job.seed == 9:
            raise DivergedError(7, "adversarial_b", "no checkpoint")
        if job.seed == 8 and not (Path(self.counter) / "disk-freed").exists():
            raise OSError("disk full")
        (Path(self.counter) / f"{job.name}-{len(list(Path(self.counter).iterdir()))}").touch()
        score = {"score": job.seed / 10 + (job.objective == "modern") / 2, "error": 10.0 * job.seed}
        directions = ["a_to_b"] if job.objective == "gan" else ["a_to_b", "b_to_a"]
        return {**dict.fromkeys(directions, score), "directions": directions, "steps": 100}

    def found(self, row):
        return row["a_to_b"]["score"] > 0.55

    def figures(self, rows, folder):
        return []


@pytest.fixture
def fake(tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    experiment = Fake(str(tmp_path / "runs"))
    monkeypatch.setattr(grid, "get_experiment", lambda _: experiment)
    return experiment


def reproduce(tmp_path, seeds=3, **options):
    said = []
    rows = grid.reproduce(
        "fake", tmp_path / "out", seeds=seeds, objectives=["gan", "modern"], say=said.append, **options
    )
    return rows, said


@pytest.mark.usefixtures("fake")
def test_finished_runs_are_not_run_again(tmp_path):
    rows, _ = reproduce(tmp_path, seeds=2, parallel=2)
    assert len(rows) == 4
    assert {row["git_revision"] is not None and row["versions"]["torch"] is not None for row in rows} == {True}
    rows, said = reproduce(tmp_path)
    assert len(rows) == 6
    assert said[0].startswith("6 runs, 4 of them finished earlier")
    assert len(list((tmp_path / "runs").iterdir())) == 6
    reproduce(tmp_path, minutes=2)
    assert len(list((tmp_path / "runs").iterdir())) == 12


@pytest.mark.usefixtures("fake")
def test_the_run_of_an_incomplete_line_is_run_again(tmp_path):
    reproduce(tmp_path, seeds=1)
    file = tmp_path / "out" / grid.RESULTS
    lines = file.read_text().splitlines()
    file.write_text(lines[0] + "\n" + lines[1][:40])
    rows, _ = reproduce(tmp_path, seeds=1)
    assert len(rows) == 2
    assert sorted(row["objective"] for row in read_json_lines(file)) == ["gan", "modern"]


def test_the_table_is_median_worst_and_best(fake, tmp_path):
    rows, _ = reproduce(tmp_path)
    assert (tmp_path / "out" / "table.md").read_text() == make_markdown(fake, rows)
    assert json.loads((tmp_path / "out" / "table.json").read_text()) == summarise_rows(fake, rows)
    lines = make_markdown(fake, rows).splitlines()
    assert lines[0].startswith("**fake, nothing, 32 px, 1 min, ")
    assert "| gan | 0 of 3 | 0.10 [0.00, 0.20] / - | 10.0 [20.0, 0.0] / - | 100 |" in lines
    assert (
        "| modern | 2 of 3 | 0.60 [0.50, 0.70] / 0.60 [0.50, 0.70] | 10.0 [20.0, 0.0] / 10.0 [20.0, 0.0] | 100 |"
        in lines
    )


def test_a_diverged_run_is_a_result_and_the_others_continue(fake, tmp_path):
    (tmp_path / "runs" / "disk-freed").touch()
    rows, said = reproduce(tmp_path, seeds=10, parallel=2)
    assert len(rows) == 20
    assert sum("failed" in row for row in rows) == 2
    assert any("adversarial_b became NaN" in line for line in said)
    assert "| gan | 3 of 10 (1 diverged) | 0.40 [0.00, 0.80] / - |" in make_markdown(fake, rows)
    _, said = reproduce(tmp_path, seeds=10)
    assert said[0].startswith("20 runs, 20 of them finished earlier")


@pytest.mark.usefixtures("fake")
def test_a_run_that_fails_does_not_stop_the_others(tmp_path):
    with pytest.raises(RunError, match=r"2 of 18 runs failed; the first was .*-seed8-.* \(disk full\)"):
        reproduce(tmp_path, seeds=9, parallel=2)
    assert len(read_json_lines(tmp_path / "out" / grid.RESULTS)) == 16
    (tmp_path / "runs" / "disk-freed").touch()
    assert len(reproduce(tmp_path, seeds=9)[0]) == 18


@pytest.mark.usefixtures("fake")
def test_two_grids_cannot_share_a_folder(tmp_path):
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".lock"), pytest.raises(RunError, match="Another grid is running in"):
        reproduce(tmp_path)


@pytest.mark.usefixtures("fake")
def test_mistakes_are_refused_before_any_run(tmp_path):
    for options in ({"settings": ("x",)}, {"minutes": 0}, {"parallel": -1}, {"seeds": 0}):
        with pytest.raises(ConfigError):
            reproduce(tmp_path, **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("fake")
def test_an_unknown_objective_is_explained(tmp_path):
    with pytest.raises(ConfigError, match="Choose one of: cyclegan, discogan, gan"):
        grid.reproduce("fake", tmp_path / "out", objectives=["wgan"], say=print)


def test_equal_jobs_are_the_same_run(tmp_path):
    file = tmp_path / "results.jsonl"
    row = {**vars(JOB), "settings": []}
    file.write_text(json.dumps(row) + "\n")
    assert grid.finished_jobs(file) == {JOB}
    assert Job("fake", "data", "modern", 0, 32, 1.0, 1, ("data.flip=true",)) not in grid.finished_jobs(file)
