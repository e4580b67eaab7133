import json
import shutil

import pytest

from discogan.cli.info import _rows as info_rows
from discogan.errors import RunError
from discogan.records import read_json_lines
from discogan.report.tables import describe_verdict, score_rows, setting_rows, verdict_metric_rows
from discogan.run_folder import RunFolder
from discogan.run_records import RunDescription
from discogan.run_summary import MetricsLog, losses, read_evaluation, read_summary, read_verdict

DATA = {domain: {"key": domain * 32, "count": 3, "skipped": []} for domain in "ab"}
DESCRIPTION = {"config": {"preset": "modern"}, "data": DATA, "versions": {}, "threads": 1}


def test_an_incomplete_last_record_is_left_out(tmp_path):
    log = MetricsLog(tmp_path / "m.jsonl")
    log.append({"step": 1, "loss": 0.5})
    log.append({"step": 2, "loss": 0.25})
    with (tmp_path / "m.jsonl").open("a") as file:
        file.write('{"step": 3, "lo')
    assert read_json_lines(tmp_path / "m.jsonl") == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]


def test_opening_a_log_at_a_step_removes_later_records(tmp_path):
    log = MetricsLog(tmp_path / "m.jsonl")
    for step in range(1, 6):
        log.append({"step": step})
    reopened = MetricsLog(tmp_path / "m.jsonl", step=3)
    reopened.append({"step": 4, "new": True})
    assert read_json_lines(tmp_path / "m.jsonl") == [{"step": 1}, {"step": 2}, {"step": 3}, {"step": 4, "new": True}]


def test_a_missing_log_has_no_records(tmp_path):
    assert read_json_lines(tmp_path / "none") == []


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
    verdict = {**json.loads((small_run / "verdict.json").read_text()), "label": "found", "score": 0.9}
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


BROKEN = {
    "empty object": "{}",
    "list": "[]",
    "number": "7",
    "null": "null",
    "torn": '{"step": 3, "lab',
    "deep": "[" * 100_000,
    "deep object": '{"a":' * 5000 + "1" + "}" * 5000,
    "not UTF-8": "\udcff",
    "huge number": '{"step": 1e400}',
}
FILES = ("config.json", "verdict.json", "evaluation.json", "metrics.jsonl", "scores.jsonl")


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_record_is_one_message_that_names_the_file(small_run, tmp_path, name, fault):
    run = shutil.copytree(small_run, tmp_path / "run")
    (run / "evaluation.json").write_text(json.dumps({"step": 7}))
    (run / name).write_bytes((BROKEN[fault] + "\n").encode("utf-8", "surrogateescape"))
    if (name, fault) == ("evaluation.json", "empty object"):
        assert read_summary(run).evaluation is None
        return
    with pytest.raises(RunError, match=name.replace(".", r"\.")):
        read_summary(run)


WRONG_VALUES = [None, True, -1, 1.5, "text", [], {}, [{}], {"a": None}, 2**70, -1e300, "\x00"]


def paths_of(value, path=()):
    """Every key path in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from paths_of(item, (*path, key))


def replaced(value, path, new):
    copy = json.loads(json.dumps(value))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return copy


@pytest.mark.parametrize("name", ["config.json", "verdict.json", "evaluation.json"])
def test_a_wrong_value_anywhere_is_harmless_or_one_message(small_run, tmp_path, name):
    """Every value is replaced by values of other types; reading and showing the run must not raise anything else."""
    run = shutil.copytree(small_run, tmp_path / "run")
    verdict = json.loads((run / "verdict.json").read_text())
    scores = {"top_1": 0.5, "identity_top_1": None}
    evaluation = {
        "step": 7, "paired": True, "images_a": 3, "images_b": 3, "a_to_b": scores, "b_to_a": scores,
        "verdict": verdict, "given": {"pairs": ["/a", "/b"], "azimuth": [], "against": []},
        "values": [{"metric": "m", "key": "top_1", "label": "top-1", "better": "higher", "ideal": 1.0}],
        "azimuth": {"a_to_b": {"median_error": 1.0, "inputs": [1.0, 2.0]}},
    }  # fmt: skip
    (run / "evaluation.json").write_text(json.dumps(evaluation))
    intact = json.loads((run / name).read_text())
    outcomes = set()
    for path in paths_of(intact):
        for wrong in WRONG_VALUES:
            (run / name).write_text(json.dumps(replaced(intact, path, wrong)))
            try:
                summary = read_summary(run)
                json.dumps(summary.facts())
                describe_verdict(summary), verdict_metric_rows(summary.verdict), score_rows(summary.evaluation)
                setting_rows(summary), list(info_rows(summary))
                outcomes.add("harmless")
            except RunError as error:
                outcomes.add("message" if str(run) in str(error) else f"{path}: {error}")
    assert outcomes == {"harmless", "message"}


def test_two_runs_cannot_claim_one_folder(tmp_path):
    run = RunFolder(tmp_path / "run")
    with run.claimed(), pytest.raises(RunError, match="Another process is training"), RunFolder(run.path).claimed():
        pass
    assert not run.path.exists(), "a claim that wrote nothing leaves nothing"


def test_a_claim_that_failed_keeps_the_files_of_a_user(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")

    def fail():
        with RunFolder(tmp_path / "run").claimed():
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        fail()
    assert (tmp_path / "run" / "notes.txt").exists()


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("smal", "did you mean"),
        ("model.onnx", "is an exported model"),
        ("notes.txt", "is a file"),
        (".", "There is one"),
    ],
)
def test_a_path_that_is_no_run_is_explained(small_run, tmp_path, name, problem):
    shutil.copytree(small_run, tmp_path / "small")
    for file in ("model.onnx", "notes.txt"):
        (tmp_path / file).touch()
    with pytest.raises(RunError, match=problem):
        read_summary(tmp_path / name)
