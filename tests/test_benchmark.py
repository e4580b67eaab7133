"""The grid, the tables and the tasks of benchmarks/discovery.py."""

import argparse
import csv
import json
import time
from pathlib import Path

import pytest

import discovery
import tasks
from discogan.data.labels import Labelled
from discogan.records import read_json_lines
from tests.conftest import write_images


def row(seed, top_1, preset="modern", task="hands", agreement=0.5, vectors="AVX2"):
    scores = {"top_1": top_1, "identity_top_1": 0.1}
    job = {"task": task, "preset": preset, "settings": [], "anchors": 0, "image_size": 64, "minutes": 4.0, "seed": seed}
    verdict = {
        "label": "found" if top_1 > 0.45 else "unstable",
        "score": top_1 / 2,
        "agreement": {"share": agreement},
    }
    provenance = {"machine": {"vectors": vectors, "bf16": False}}
    return {**job, "steps": 10 * seed, "a_to_b": scores, "b_to_a": scores, "verdict": verdict, **provenance}


def arguments(seeds):
    return argparse.Namespace(
        **{"data": Path("d"), "tasks": ["hands"], "presets": ["modern"], "settings": [], "anchors": [0]},
        **{"first_seed": 0, "seeds": seeds, "minutes": None, "parallel": 2},
    )


def test_an_interrupted_grid_continues_where_it_stopped(monkeypatch, tmp_path):
    measured, file = [], tmp_path / "results.jsonl"

    def measure(_data, job):
        measured.append(job["seed"])
        if job["seed"] == 3 and len(measured) < 5:
            raise SystemExit("killed")
        return row(job["seed"], 0.5)

    monkeypatch.setattr(discovery, "measure", measure)
    monkeypatch.setattr(discovery, "describe_machine", lambda: {"vectors": "AVX2", "bf16": False})
    discovery.run_grid(arguments(seeds=2), file)
    discovery.run_grid(arguments(seeds=2), file)
    assert sorted(measured) == [0, 1]
    with pytest.raises(SystemExit):
        discovery.run_grid(arguments(seeds=4), file)
    discovery.run_grid(arguments(seeds=4), file)
    assert sorted(saved["seed"] for saved in read_json_lines(file)) == [0, 1, 2, 3]


def test_a_job_that_fails_ends_the_grid_and_all_finished_rows_are_kept(monkeypatch, tmp_path):
    measured = []

    def measure(_data, job):
        measured.append(job["seed"])
        if job["seed"] == 2:
            raise SystemExit("failed")
        time.sleep(0.02)
        return row(job["seed"], 0.5)

    monkeypatch.setattr(discovery, "measure", measure)
    with pytest.raises(SystemExit):
        discovery.run_grid(arguments(seeds=60), tmp_path / "results.jsonl")
    assert len(measured) < 20
    assert len(read_json_lines(tmp_path / "results.jsonl")) == len(measured) - 1


def test_runs_of_another_kind_of_processor_are_repeated(monkeypatch, tmp_path):
    file = tmp_path / "results.jsonl"
    monkeypatch.setattr(discovery, "measure", lambda _data, job: row(job["seed"], 0.5, vectors="AVX512"))
    monkeypatch.setattr(discovery, "describe_machine", lambda: {"vectors": "AVX512", "bf16": False})
    file.write_text(json.dumps(row(0, 0.5)) + "\n")
    for _ in range(2):
        discovery.run_grid(arguments(seeds=1), file)
    assert [saved["machine"]["vectors"] for saved in read_json_lines(file)] == ["AVX2", "AVX512"]


def test_the_table_counts_the_seeds_that_reach_the_target():
    rows = [row(2, 0.9), row(0, 0.5), row(1, 0.8), row(0, 0.09, "official"), row(0, 0.2, task="icons")]
    lines = discovery.make_table(rows).splitlines()
    assert "| hands | modern | 64, 4 | AVX2 | 2 of 3 | 0.80 [0.50, 0.90] |" in lines[2]
    assert "| hands | official | 64, 4 | AVX2 | 0 of 1 |" in lines[3]
    assert "| icons | modern | 64, 4 | AVX2 | 1 of 1 |" in lines[4]


def test_different_processors_have_separate_lines():
    fast = {**row(1, 0.9), "machine": {"vectors": "AVX512", "bf16": True}}
    lines = discovery.make_table([row(0, 0.5), fast]).splitlines()
    assert "| AVX2 | 0 of 1 |" in lines[2]
    assert "| AVX512 bf16 | 1 of 1 |" in lines[3]


def test_tables_are_written_between_their_marks_only(monkeypatch, tmp_path):
    page, page_without_marks, results = tmp_path / "results-data.md", tmp_path / "faq.md", tmp_path / "results"
    results.mkdir()
    page.write_text("before\n<!-- study seeds_tried -->\nold\n<!-- end -->\nafter\n")
    page_without_marks.write_text("no marks\n")
    (results / "seeds_tried.jsonl").write_text(json.dumps(row(0, 0.5)) + "\n")
    monkeypatch.setattr(discovery, "DOCS", tmp_path)
    monkeypatch.setattr(discovery, "RESULTS", results)
    discovery.write_tables()
    text = page.read_text()
    assert page_without_marks.read_text() == "no marks\n"
    assert text.startswith("before\n<!-- study seeds_tried -->\n\n| task |")
    assert text.endswith("\n\n<!-- end -->\nafter\n")
    assert "0.50 [0.50, 0.50]" in text
    assert "old" not in text


def test_both_directions_must_reach_the_target():
    assert discovery.found(row(0, 0.8))
    assert not discovery.found({**row(0, 0.9), "b_to_a": {"top_1": 0.7, "identity_top_1": 0.1}})
    degrees = {"task": "car2car", "a_to_b": {"median_error": 3.0}, "b_to_a": {"median_error": 15.1}}
    assert not discovery.found(degrees)
    assert discovery.found({**degrees, "b_to_a": {"median_error": 15.0}})


def test_the_correlation_is_1_for_equal_ranks_and_low_for_unrelated_ones():
    rows = [row(seed, seed / 10, agreement=(seed * 7 % 10) / 10) for seed in range(10)]
    line = discovery.make_correlation_table(rows).splitlines()[2]
    assert line.startswith("| all | 10 | 1.00 |")
    assert abs(float(line.split("|")[5])) < 0.9


def test_agreement_needs_a_reference_run_and_each_label_has_a_line():
    rows = [row(seed, seed / 10, agreement=seed / 20) for seed in range(10)]
    for single in rows[:3]:
        single["verdict"]["agreement"] = None
    lines = discovery.make_correlation_table(rows).splitlines()
    assert lines[2].startswith("| all | 10 | 1.00 | 7 | 1.00 |")
    assert "| found | 5 | 0.70 [0.50, 0.90] |" in lines
    assert lines[-1] == "| unstable | 5 | 0.20 [0.00, 0.40] |"


def test_rows_with_the_earlier_names_give_the_same_tables():
    present = [row(seed, seed / 10, agreement=seed / 20) for seed in range(10)]
    present[0]["verdict"]["agreement"] = None
    earlier = [{**new, "verdict": earlier_names(new["verdict"])} for new in present]
    assert discovery.make_correlation_table(earlier) == discovery.make_correlation_table(present)
    before = {**row(0, 0.5), "settings": ["data.flip=true", "training.starts=4"]}
    after = {**row(0, 0.5), "settings": ["data.flip=true", "training.seeds_tried=4"]}
    assert discovery.key(before) == discovery.key(after)
    assert discovery.make_table([before]) == discovery.make_table([after])


def earlier_names(verdict):
    """A verdict as it was recorded before its keys were renamed."""
    share = verdict["agreement"] and {"agreement": verdict["agreement"]["share"]}
    return {"word": verdict["label"], "score": verdict["score"], "accord": share}


def test_the_headline_has_medians_and_successful_seeds_of_each_preset():
    rows = [row(0, 0.5), row(1, 0.8), row(2, 0.9), row(0, 0.3, "cyclegan"), row(0, 0.2, task="icons")]
    lines = discovery.make_headline(rows).splitlines()
    assert lines[0] == "| | hands, 4 min | icons, 4 min |"
    assert lines[2:] == [
        "| untranslated input | 0.10 / 0.10 | 0.10 / 0.10 |",
        "| `modern` | 0.80 / 0.80 (2 of 3) | 0.20 / 0.20 (1 of 1) |",
        "| `cyclegan` | 0.30 / 0.30 (0 of 1) | - |",
    ]


def test_a_job_becomes_the_flags_of_train():
    words = list(map(str, discovery.options({**row(4, 0.0), "settings": ["data.flip=true"]}, Path("d"))))
    assert words[:8] == ["--preset", "modern", "--image-size", "64", "--seed", "4", "--minutes", "8.0"]
    assert words[-2:] == ["--set", "data.flip=true"]
    assert "--anchors" not in words
    assert list(discovery.options({**row(4, 0.0), "anchors": 16}, Path("d")))[1] == Path("d/anchors-16.csv")


def test_reserved_pairs_become_anchors_and_are_not_tested(tmp_path):
    for part, seed in (("train_a", 0), ("train_b", 1), ("test_a", 2), ("test_b", 3)):
        write_images(tmp_path / "set" / part, 10, seed)
    (tmp_path / "out").mkdir()
    folder = tasks.reserve_pairs(tasks.Task("set", 32, 1, reserve=4), tmp_path / "set", tmp_path / "out")
    with (folder / "anchors-4.csv").open() as stream:
        anchors = [(Path(line["path_a"]).name, Path(line["path_b"]).name) for line in csv.DictReader(stream)]
    tested = {path.name for path in (folder / "test_a").iterdir()}
    assert len(tested) == 6
    assert len(anchors) == 4
    assert all(a == b and a not in tested for a, b in anchors)
    assert len((folder / "anchors-1.csv").read_text().splitlines()) == 2


def test_pairs_have_equal_azimuths():
    sides = [
        [Labelled((domain, number), f"{domain}{number}", 15.0 * (number % 5)) for number in range(20)]
        for domain in "ab"
    ]
    pairs = tasks.pair_by_azimuth(*sides, 8)
    assert len(pairs) == len({a for a, _ in pairs}) == 8
    assert all(a[1] % 5 == b[1] % 5 for a, b in pairs)


def test_every_study_consists_of_valid_runs():
    parser = discovery.make_parser()
    for study, lines in discovery.STUDIES.items():
        for line in lines:
            assert parser.parse_args(["run", "data", *line.split()]).tasks, study


def test_the_picture_table_has_medians_of_both_directions():
    scores = {"l1": 0.1, "ssim": 0.7, "grain": 1.25, "colour_distance": 2.0, "feature_distance": 0.5}
    rows = [row(seed, top_1) for seed, top_1 in enumerate((0.5, 0.8, 0.9))] + [row(0, 0.3, "cyclegan")]
    for each in rows:
        each["a_to_b"], each["b_to_a"] = {**each["a_to_b"], **scores}, {**each["b_to_a"], **scores, "ssim": 0.6}
    lines = discovery.make_picture_table(rows).splitlines()
    assert lines[0].startswith("| task, minutes | preset | processor | seeds | top-1 | L1 | SSIM | grain |")
    cells = "0.100 / 0.100 | 0.700 / 0.600 | 1.25 / 1.25 | 2.00 / 2.00 | 0.500 / 0.500 |"
    assert lines[2] == f"| hands, 4 | `modern` | AVX2 | 3 | 0.80 / 0.80 | {cells}"
    assert lines[3] == f"| hands, 4 | `cyclegan` | AVX2 | 1 | 0.30 / 0.30 | {cells}"
    assert len(lines) == 4


def test_the_images_of_the_demo_are_drawn(monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(tasks, "draw_domains", drawn.append)
    assert tasks.prepare(tasks.TASKS["demo"], tmp_path, tmp_path / "demo") == tmp_path / "demo"
    assert drawn == [tmp_path / "demo"]
