import json

import pytest

from discogan.run_folder import (
    MetricsLog,
    RunDescription,
    RunFolder,
    losses,
    read_evaluation,
    read_records,
    read_summary,
    read_verdict,
)

DESCRIPTION = {"config": {"preset": "modern"}, "data": {}, "versions": {}, "threads": 1}


def test_an_incomplete_last_record_is_left_out(tmp_path):
    log = MetricsLog(tmp_path / "m.jsonl")
    log.append({"step": 1, "loss": 0.5})
    log.append({"step": 2, "loss": 0.25})
    with (tmp_path / "m.jsonl").open("a") as file:
        file.write('{"step": 3, "lo')
    assert read_records(tmp_path / "m.jsonl") == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]


def test_opening_a_log_at_a_step_removes_later_records(tmp_path):
    log = MetricsLog(tmp_path / "m.jsonl")
    for step in range(1, 6):
        log.append({"step": step})
    reopened = MetricsLog(tmp_path / "m.jsonl", step=3)
    reopened.append({"step": 4, "new": True})
    assert read_records(tmp_path / "m.jsonl") == [{"step": 1}, {"step": 2}, {"step": 3}, {"step": 4, "new": True}]


def test_a_missing_log_has_no_records(tmp_path):
    assert read_records(tmp_path / "none") == []


def test_losses_are_the_other_keys_of_a_record():
    record = {"step": 1, "images_seen": 4, "elapsed_seconds": 0.1, "images_per_second": 40.0, "adversarial_a": 0.7}
    assert losses(record) == {"adversarial_a": 0.7}


def test_a_description_survives_json(small_run):
    description = RunFolder(small_run).describe()
    assert RunDescription.from_dict(json.loads(json.dumps(description.to_dict()))) == description
    assert description.directions == description.round_trip_directions == ("a_to_b", "b_to_a")


def test_a_portable_description_names_no_path_of_this_machine(small_run):
    description = RunFolder(small_run).describe()
    assert str(small_run.parent.parent) in json.dumps(description.to_dict())
    assert str(small_run.parent.parent) not in json.dumps(description.portable().to_dict())


@pytest.mark.parametrize(
    ("objective", "directions", "round_trips"),
    [
        ("gan", ["a_to_b"], []),
        ("recon_gan", ["a_to_b"], ["a_to_b"]),
        ("official", ["a_to_b", "b_to_a"], ["a_to_b", "b_to_a"]),
    ],
)
def test_the_objective_decides_the_directions_if_none_are_recorded(objective, directions, round_trips):
    table = {**DESCRIPTION, "config": {"preset": "x", "objective": {"name": objective}}}
    description = RunDescription.from_dict(table).to_dict()
    assert (description["directions"], description["round_trip_directions"]) == (directions, round_trips)


def test_recorded_directions_override_the_objective():
    table = {**DESCRIPTION, "directions": ["b_to_a"], "round_trip_directions": []}
    assert RunDescription.from_dict(table).directions == ("b_to_a",)


def test_seeds_are_in_the_folder_of_version_0_1_0_if_it_exists(tmp_path):
    assert RunFolder(tmp_path).seed_run(3).path == tmp_path / "seeds" / "seed-3"
    (tmp_path / "starts").mkdir()
    assert RunFolder(tmp_path).seed_run(3).path == tmp_path / "starts" / "seed-3"


def test_an_evaluation_of_other_networks_is_ignored(small_run, tmp_path):
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    for name in ("config.json", "best", "checkpoints", "verdict.json"):
        (run.path / name).symlink_to(small_run / name)
    verdict = {"label": "found", "score": 0.9}
    run.evaluation.write_text(json.dumps({"step": 7, "verdict": verdict}))
    assert read_verdict(run) == verdict
    run.evaluation.write_text(json.dumps({"step": 6, "verdict": verdict}))
    assert read_evaluation(run) is None
    assert read_verdict(run) == json.loads((small_run / "verdict.json").read_text())


def test_the_summary_of_a_run_in_progress_uses_its_logs(small_run, tmp_path):
    for name in ("config.json", "metrics.jsonl", "scores.jsonl"):
        (tmp_path / name).symlink_to(small_run / name)
    summary = read_summary(tmp_path)
    assert (summary.progress, summary.verdict) == (None, None)
    assert summary.steps == 6
    assert summary.score == max(record["score"] for record in summary.scores)
