"""What ``discogan train`` prints during training and at its end, and how it reads its flags."""

import dataclasses
from pathlib import Path

import pytest

from discogan import api
from discogan.cli import main
from discogan.cli.console import errors
from discogan.cli.train import NewRunOptions, SessionOptions, losses_line, print_outcome
from discogan.cli.training_display import TrainingDisplay, duration_text, progress_text
from discogan.config import load_config
from discogan.labels import verdict_name
from discogan.run_records import Progress
from discogan.run_summary import read_summary
from discogan.training import Alarm, Outcome, StepReport
from tests.cli.test_commands import FLAGS, discogan
from tests.conftest import SMALL

RECORD = {"step": 25, "images_seen": 400, "elapsed_seconds": 2.0, "images_per_second": 200.0, "adversarial_a": 0.7}


def report(step, seconds, record=None, score=None):
    return StepReport(step, 16 * step, seconds, step / 100, record, Path("run"), score)


def test_losses_leave_out_the_other_values_of_a_record():
    assert losses_line(RECORD) == "adversarial_a 0.700"


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (61.4, "1:01"), (3599.6, "1:00:00"), (7325, "2:02:05")])
def test_durations(seconds, shown):
    assert duration_text(seconds) == shown


def test_progress_has_step_speed_time_left_and_score():
    assert progress_text(report(25, 2.0)) == "step 25  200 images/s  0:06 left"
    assert progress_text(report(25, 2.0, score=0.5)) == "step 25  200 images/s  0:06 left  score 0.50"


def show_training():
    with TrainingDisplay() as display:
        display.on_start(Path("runs/x"), load_config("modern", image_size=32), Progress(7, 1.0))
        display.on_skipped("b", ["x.png is not a readable image (cut). Repair or remove it."])
        display.on_alarm(Alarm("stall", "No progress."))
        for step, seconds in ((25, 2.0), (50, 31.0), (75, 40.0), (90, 61.0)):
            display.on_step(report(step, seconds, RECORD, score=0.25))
        display.on_step(report(91, 62.0))
        display.on_round({"0": 0.25, "1": 0.5})


def test_without_a_terminal_a_line_is_printed_every_30_seconds(capsys):
    show_training()
    shown = capsys.readouterr().err.splitlines()
    assert shown[0] == "Training modern at 32 px into runs/x from step 7"
    assert shown[1].startswith("Skipped in B: x.png")
    assert shown[2] == "Warning: No progress."
    steps = [line for line in shown if line.startswith("step")]
    assert steps == ["step 50  26 images/s  0:31 left  score 0.25", "step 90  24 images/s  0:07 left  score 0.25"]
    assert shown[-1] == "Scores of 2 seeds: seed 1 0.50, seed 0 0.25"


def test_verbose_adds_the_losses(capsys, monkeypatch):
    monkeypatch.setattr(errors, "verbose", True)
    show_training()
    steps = [line for line in capsys.readouterr().err.splitlines() if line.startswith("step")]
    assert len(steps) == 2
    assert all(line.endswith("score 0.25  adversarial_a 0.700") for line in steps)


def test_the_result_has_at_most_8_lines(small_run, capsys):
    outcome = Outcome(small_run, 7, "budget", verdict=None)
    assert print_outcome(outcome) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Trained 7 steps of modern at 32 px in 0:0")
    assert str(small_run / "report.html") in lines[1]
    assert f"discogan translate {small_run} INPUT" in lines[2]
    assert f"discogan evaluate {small_run} --pairs-a DIR" in lines[3]


def test_the_result_has_the_verdict_and_its_reason(domains, tmp_path, capsys):
    outcome = api.train(*domains, out=tmp_path / "run", image_size=32, steps=2, settings=SMALL)
    verdict = dataclasses.replace(outcome.verdict, held_out_anchors=3, anchors_found={"a_to_b": 1.0, "b_to_a": 0.0})
    assert print_outcome(dataclasses.replace(outcome, ended="stalled", verdict=verdict)) == 0
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) <= 8
    assert f"Verdict: {verdict_name(verdict.to_dict())} (score {verdict.score:.2f} of 1)" in shown
    assert "It stopped early" in shown
    assert verdict.reason in shown
    assert "Share of 3 held-out anchors whose partner is nearest: 1.00 / 0.00" in shown


def test_an_interrupted_training_says_how_to_continue(capsys):
    assert print_outcome(Outcome(Path("r"), 3, "interrupted", 15)) == 143
    assert "discogan train --resume r" in capsys.readouterr().out


def test_starts_is_an_older_spelling_of_seeds_tried():
    assert NewRunOptions(starts=3).given() == NewRunOptions(seeds_tried=3).given() == {"seeds_tried": 3}
    help_text = discogan("train", "--help").stdout
    assert "--seeds-tried" in help_text
    assert "--starts" not in help_text


def test_the_older_spelling_is_accepted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["train", "A", "B", "--out", "R", "--starts", "0"])
    assert end.value.code == 2
    assert "training.seeds_tried must be at least 1" in capsys.readouterr().err


def test_device_and_threads_become_training_options():
    given = SessionOptions(device="cpu", threads=2, stop_when_stalled=True, settings=["data.flip=true"]).given()
    assert given["settings"] == [
        "data.flip=true",
        "training.stop_when_stalled=true",
        "training.device=cpu",
        "training.threads=2",
    ]


def test_device_and_threads_are_recorded_and_can_change(domains, tmp_path):
    run = tmp_path / "run"
    flags = [*FLAGS, "--device", "cpu", "--threads", "1"]
    discogan("train", *domains, "--out", run, "--image-size", 32, "--steps", 1, *flags)
    discogan("train", "--resume", run, "--steps", 2, "--threads", 2)
    options = read_summary(run).config.training
    assert (options.device, options.threads) == ("cpu", 2)


def test_an_unknown_tracker_is_explained(domains, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["train", *map(str, domains), "--out", str(tmp_path / "run"), "--track", "tensorbord"])
    assert end.value.code == 2
    assert "tensorboard" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
