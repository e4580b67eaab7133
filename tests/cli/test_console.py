"""What is shown while training and after scoring."""

from pathlib import Path

import pytest

from discogan.cli.console import print_scores, print_table, say
from discogan.cli.train import Display, _clock, losses_line, report_outcome
from discogan.config import load_config
from discogan.run_folder import Progress
from discogan.training import Outcome, StepReport

RECORD = {"step": 25, "images_seen": 400, "elapsed_seconds": 2.0, "images_per_second": 200.0, "adversarial_a": 0.7}


def report(step, seconds, record=None):
    return StepReport(step, 16 * step, seconds, step / 100, record, Path("run"))


def direction(top_1):
    names = ("top_1", "top_5", "l1", "ssim")
    paired = {prefix + name: top_1 for prefix in ("", "identity_", "chance_") for name in names}
    return paired | {"round_trip_l1": 0.125, "diversity": 0.91, "sliced_wasserstein": 0.033}


def test_losses_leave_out_what_is_shown_elsewhere():
    assert losses_line(RECORD) == "adversarial_a 0.700"


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (61.4, "1:01"), (3599.6, "1:00:00"), (7325, "2:02:05")])
def test_remaining_time(seconds, shown):
    assert _clock(seconds) == shown


def test_without_a_terminal_a_line_comes_now_and_then(capsys):
    with Display() as display:
        observer = display.observer()
        observer.on_start(Path("runs/x"), load_config("modern", image_size=32), Progress(7, 1.0))
        observer.on_skipped("b", ["x.png is not a readable image (cut); repair or remove it."])
        for step, seconds in ((25, 2.0), (50, 4.0), (75, 40.0)):
            observer.on_step(report(step, seconds, RECORD))
        observer.on_step(report(76, 41.0))
    shown = capsys.readouterr().err.splitlines()
    assert shown[0] == "Training modern at 32 px into runs/x from step 7"
    assert shown[1].startswith("Skipped in B: x.png")
    steps = [line for line in shown if line.startswith("step")]
    assert [line.split()[1] for line in steps] == ["25", "75"]
    assert "200 images/s  0:06 left  adversarial_a 0.700" in steps[0]


def test_the_end_says_how_to_go_on(capsys):
    assert report_outcome(Outcome(Path("r"), 1200, "budget")) == 0
    assert "discogan translate r INPUT" in capsys.readouterr().out
    assert report_outcome(Outcome(Path("r"), 3, "interrupted", 15)) == 143
    assert "discogan train --resume r" in capsys.readouterr().out


def test_scores_stand_beside_identity_and_chance(capsys):
    scores = {"paired": True, "images_a": 306, "a_to_b": direction(0.75), "b_to_a": direction(0.5)}
    print_scores(scores)
    shown = capsys.readouterr().out
    assert "a_to_b, 306 true pairs" in shown
    assert all(word in shown for word in ("identity", "chance", "0.750", "0.500", "0.91"))
    print_scores({**scores, "paired": False})
    shown = capsys.readouterr().out
    assert "top-1" not in shown
    assert shown.count("round trip") == 2


def test_brackets_in_names_are_not_markup(capsys):
    say("[bold]x[/bold] [3]")
    print_table("t", ["name"], [["[red]photo[/red].png"]])
    shown = capsys.readouterr().out
    assert "[bold]x[/bold] [3]" in shown
    assert "[red]photo[/red].png" in shown
