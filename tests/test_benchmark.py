"""The grid of benchmarks/discovery.py: resumable, and its table."""

import argparse
import importlib.util
import json
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "discovery.py"


@pytest.fixture
def discovery(tmp_path):
    specification = importlib.util.spec_from_file_location("discovery", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    module.RESULTS = tmp_path / "results.jsonl"
    return module


def row(seed, top_1, preset="modern"):
    scores = {"top_1": top_1, "identity_top_1": 0.1}
    job = {"data": "d", "preset": preset, "image_size": 32, "minutes": 3.0, "threads": 1, "seed": seed}
    return {**job, "steps": 10 * seed, "a_to_b": scores, "b_to_a": scores}


def arguments(seeds):
    return argparse.Namespace(
        data=Path("d"), presets=["modern"], sizes=[32], seeds=seeds, minutes=None, parallel=2, threads=1
    )


def test_an_interrupted_grid_goes_on_where_it_stopped(discovery, monkeypatch):
    measured = []

    def measure(_data, job):
        measured.append(job["seed"])
        if job["seed"] == 3 and len(measured) < 5:
            raise SystemExit("killed")
        return row(job["seed"], 0.5)

    monkeypatch.setattr(discovery, "measure", measure)
    discovery.grid(arguments(seeds=2))
    discovery.grid(arguments(seeds=2))
    assert sorted(measured) == [0, 1]
    with pytest.raises(SystemExit):
        discovery.grid(arguments(seeds=4))
    discovery.grid(arguments(seeds=4))
    assert sorted(saved["seed"] for saved in discovery.read_rows()) == [0, 1, 2, 3]


def test_the_table_has_every_seed_in_order_and_the_median(discovery):
    lines = discovery.table([row(2, 0.9), row(0, 0.5), row(1, 0.6), row(0, 0.0, "official")]).splitlines()
    assert "0.50 / 0.50, 0.60 / 0.60, 0.90 / 0.90 | 0.60 / 0.60 | 0.10 / 0.10 | 10 |" in lines[2]
    assert lines[3].startswith("| d | official | 32 | 3 | 1 | 0.00 / 0.00 |")


def test_a_job_is_the_flags_of_train(discovery):
    assert list(map(str, discovery.options(row(4, 0.0))))[-4:] == ["--seed", "4", "--set", "training.threads=1"]


def test_recorded_runs_say_what_made_them():
    for line in SCRIPT.with_suffix(".jsonl").read_text().splitlines():
        record = json.loads(line)
        assert record["git_revision"]
        assert record["versions"]["torch"]
