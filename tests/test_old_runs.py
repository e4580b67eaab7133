"""Runs of version 0.1.0 still work. The asset was made by commit 62cb7d7, with folders below /old/machine.

``modern`` was selected from seeds 0 and 1 (in its folder ``starts``) and evaluated; ``gan`` trains A to B only.
"""

import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import discogan
from discogan.checkpoints import load_model
from discogan.cli import main
from discogan.devices import pick_device
from discogan.errors import ConfigError
from discogan.records import read_json_lines
from discogan.run_folder import RunFolder, read_progress, reference_checkpoints
from discogan.run_summary import read_summary
from discogan.training import Observer
from tests.test_training import assert_equal_weights

ASSET = Path(__file__).parent / "assets" / "runs-of-0.1.0.tar.gz"
OLD_ROOT = "/old/machine"
DIRECTIONS = ("a_to_b", "b_to_a")


@pytest.fixture
def old(tmp_path):
    """A folder with data/, modern/ and gan/, whose configurations name the data in this folder."""
    with tarfile.open(ASSET) as archive:
        archive.extractall(tmp_path, filter="data")
    for file in tmp_path.rglob("*.json"):
        text = file.read_text()
        if OLD_ROOT in text:
            file.write_text(text.replace(OLD_ROOT, str(tmp_path)))
    for run in ("modern", "gan"):
        run_command("trust", tmp_path / run)
    return tmp_path


def run_command(*words):
    """Run a command in this process; raise if it fails."""
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    assert end.value.code == 0


def run_json(capsys, *words):
    """Run a command and return the JSON that it prints."""
    capsys.readouterr()
    run_command(*words, "--json", "-")
    return json.loads(capsys.readouterr().out)


def test_the_asset_has_the_keys_of_0_1_0(old):
    config = json.loads((old / "modern" / "config.json").read_text())
    assert config["config"]["training"]["starts"] == 1
    assert "directions" not in config
    assert {"word", "because", "figures", "accord"} <= json.loads((old / "modern" / "verdict.json").read_text()).keys()
    assert "a_to_b_judged" in (old / "modern" / "scores.jsonl").read_text()


def test_results_are_read_with_the_present_keys(old):
    summary = read_summary(old / "modern")
    assert (summary.steps, summary.progress.step, summary.config.seed) == (48, 48, 0)
    assert summary.config.training.seeds_tried == 1
    assert summary.verdict["label"] == "unstable"
    assert "other starts had learned too little" in summary.verdict["reason"]
    assert summary.verdict["metrics"]["a_to_b"]["discriminator_accuracy"] == 1.0
    assert summary.verdict["agreement"] is None
    assert summary.evaluation["verdict"]["label"] == "unstable"
    assert summary.scores[0]["a_to_b_discriminator_accuracy"] == pytest.approx(0.958, abs=1e-3)
    assert "judged" not in json.dumps(summary.scores)


def test_an_agreement_is_read_with_the_present_keys(old):
    file = old / "modern" / "verdict.json"
    verdict = json.loads(file.read_text())
    verdict["accord"] = {"runs": 2, "agreement": 0.6, "symmetry": "mirrored left to right", "under_symmetry": 0.9}
    file.write_text(json.dumps(verdict))
    (old / "modern" / "evaluation.json").unlink()
    assert read_summary(old / "modern").verdict["agreement"] == {
        "runs": 2,
        "share": 0.6,
        "symmetry": "mirrored left to right",
        "share_under_symmetry": 0.9,
    }


def test_a_run_is_resumed_for_more_steps(old):
    run = old / "modern"
    outcome = discogan.resume(run, steps=60)
    assert (outcome.ended, outcome.step) == ("budget", 60)
    assert RunFolder(run).describe().directions == DIRECTIONS
    config = json.loads((run / "config.json").read_text())
    assert config["config"]["training"]["seeds_tried"] == 1
    assert "starts" not in config["config"]["training"]
    assert {"label", "reason", "metrics", "agreement"} <= json.loads((run / "verdict.json").read_text()).keys()
    assert "judged" not in (run / "scores.jsonl").read_text()
    steps = [record["step"] for record in read_json_lines(run / "scores.jsonl")]
    assert steps == sorted(set(steps))
    assert steps[-1] == 60
    assert (run / "report.html").exists()


def test_resuming_is_exact_from_an_old_checkpoint(old):
    for name in ("whole", "parts"):
        shutil.copytree(old / "modern", old / name)
    discogan.resume(old / "whole", steps=56)
    discogan.resume(old / "parts", steps=51)
    discogan.resume(old / "parts", steps=56)
    assert_equal_weights(old / "parts", old / "whole")


def test_an_interrupted_search_is_resumed(old):
    run = old / "modern"
    for name in ("config.json", "last", "metrics.jsonl", "scores.jsonl", "verdict.json", "evaluation.json"):
        (run / name).unlink()
    for name in ("checkpoints", "best"):
        shutil.rmtree(run / name)
    plan = json.loads((run / "starts" / "plan.json").read_text())
    plan["rounds"] = []
    (run / "starts" / "plan.json").write_text(json.dumps(plan))
    rounds = []

    class RoundRecorder(Observer):
        def on_round(self, scores):
            rounds.append(set(scores))

    outcome = discogan.resume(run, observer=RoundRecorder())
    assert (outcome.ended, outcome.step, rounds) == ("budget", 48, [{"0", "1"}])
    config = RunFolder(run).describe().config
    assert config.training.seeds_tried == 1
    assert not (run / "seeds").exists()
    plan = json.loads((run / "starts" / "plan.json").read_text())
    assert plan["config"]["training"]["seeds_tried"] == 2
    references = reference_checkpoints(run, config.seed)
    assert [path.parents[1].name for path in references] == [f"seed-{1 - config.seed}"]
    assert {read_progress(path).step for path in references} == {12}


def test_the_report_and_info_show_the_old_results(old, capsys):
    run_command("report", old / "modern")
    assert "unstable" in (old / "modern" / "report.html").read_text()
    info = run_json(capsys, "info", old / "modern")
    assert info["steps"] == 48
    assert info["config"]["seed"] == 0
    run_command("info", old / "gan")
    assert "gan, 32 px" in capsys.readouterr().out


def test_it_is_evaluated_with_pairs_and_reference_runs(old, capsys):
    run, pairs = old / "modern", ("--pairs-a", old / "data" / "test_a", "--pairs-b", old / "data" / "test_b")
    before = json.loads((run / "evaluation.json").read_text())
    scores = run_json(capsys, "evaluate", run, *pairs, "--device", "cpu")
    assert scores["paired"]
    for direction in DIRECTIONS:
        assert scores[direction]["top_1"] == pytest.approx(before[direction]["top_1"])
        assert scores[direction]["l1"] == pytest.approx(before[direction]["l1"], abs=0.01)
    assert "1 of 1 reference runs had learned too little" in scores["verdict"]["reason"]


def test_it_is_evaluated_against_another_run(old, monkeypatch):
    monkeypatch.setattr("discogan.verdict.MIN_REFERENCE_SCORE", 0.0)
    reference = old / "reference"
    shutil.copytree(old / "modern" / "starts" / "seed-1", reference)
    shutil.rmtree(old / "modern" / "starts")
    scores = discogan.evaluate(old / "modern", against=[reference], device="cpu")
    assert scores["verdict"]["agreement"]["runs"] == 1


def test_it_matches_two_folders(old, capsys):
    matching = run_json(
        *(capsys, "match", old / "modern", old / "data" / "test_a", old / "data" / "test_b"),
        *("--out", old / "matches.csv", "--one-to-one", "--device", "cpu"),
    )
    assert len(matching["matches"]) == 6
    assert (old / "matches.png").exists()


def test_runs_are_compared(old, capsys):
    rows = run_json(capsys, "compare", old / "modern", old / "gan", "--out", old / "compare.html")
    assert [row["steps"] for row in rows] == [48, 20]
    page = (old / "compare.html").read_text()
    assert "unstable" in page
    assert "collapsed" in page


def test_it_is_exported_to_onnx(old):
    pytest.importorskip("onnxruntime")
    exported = discogan.export(old / "modern", "a_to_b", old / "model.onnx")
    assert exported.largest_difference <= 2
    translated = discogan.load(old / "model.onnx").translate(Image.new("RGB", (32, 32)), "a_to_b")
    assert translated.size == (32, 32)


def test_it_translates(old):
    out = old / "translated"
    run_command("translate", old / "modern", old / "data" / "test_a", "--direction", "a_to_b", "--out", out)
    assert len(list(out.glob("*.png"))) == 6
    image = Image.open(old / "data" / "test_b" / "test-0000.png")
    translated = discogan.load(old / "modern" / "checkpoints" / "step-000048").translate(image, "b_to_a")
    assert np.asarray(translated).std() > 0


def test_gan_offers_only_a_to_b(old):
    model, _ = load_model(old / "gan", pick_device("cpu"))
    assert (model.directions, model.round_trip_directions) == (("a_to_b",), ())
    assert RunFolder(old / "gan").describe().directions == ("a_to_b",)
    translator = discogan.load(old / "gan", device="cpu")
    assert translator.translate(Image.new("RGB", (32, 32)), "a_to_b").size == (32, 32)
    with pytest.raises(ConfigError, match="b_to_a"):
        translator.translate(Image.new("RGB", (32, 32)), "b_to_a")
    assert discogan.resume(old / "gan", steps=22).verdict.metrics.keys() == {"a_to_b"}
    scores = discogan.evaluate(old / "gan", device="cpu")
    assert "b_to_a" not in scores


def test_the_older_option_is_still_read(old):
    outcome = discogan.train(
        *(old / "data" / "train_a", old / "data" / "train_b"),
        out=old / "new",
        image_size=32,
        steps=10,
        settings=("training.starts=2", "generator.width=4", "discriminator.width=4", "training.batch_size=4"),
    )
    assert outcome.ended == "budget"
    assert sorted(path.name for path in (old / "new" / "seeds").glob("seed-*")) == ["seed-0", "seed-1"]
