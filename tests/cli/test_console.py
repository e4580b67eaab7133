"""What the terminal shows after an evaluation."""

from typing import get_args

import pytest

from discogan.cli.console import print_evaluation, print_table, print_verdict, say
from discogan.metrics import describe_values, metric_kinds
from discogan.run_records import Label

NAMES = ("diversity", "distribution", "change", "discriminator_accuracy")
VERDICT = {
    "label": "found",
    "reason": "95% of the images are translated in the same way by a run with another seed.",
    "score": 0.71,
    "metrics": {
        "a_to_b": {"round_trip": 0.1, **dict(zip(NAMES, (0.9, 0.2, 0.4, 0.5), strict=True))},
        "b_to_a": {"round_trip": None, **dict(zip(NAMES, (0.8, 0.3, 0.4, 0.6), strict=True))},
    },
    "agreement": None,
    "held_out_anchors": None,
    "anchors_found": None,
}


VALUES = describe_values({name: kind for name, kind in metric_kinds().items() if not kind.on_demand})


def direction(top_1):
    names = ("top_1", "top_5", "l1", "ssim")
    paired = {prefix + name: top_1 for prefix in ("", "identity_", "chance_") for name in names}
    paired["identity_top_1"] = paired["chance_top_1"] = 0.25
    return paired | {"round_trip_l1": 0.125, "diversity": 0.91, "sliced_wasserstein": 0.033}


def evaluation(a_to_b=0.75, b_to_a=0.5, **changes):
    scores = {"run": "runs/one", "step": 1200, "paired": True, "images_a": 306, "values": VALUES, "verdict": VERDICT}
    return {**scores, "a_to_b": direction(a_to_b), "b_to_a": direction(b_to_a), **changes}


def printed(capsys, *arguments):
    print_evaluation(*arguments)
    return capsys.readouterr().out.splitlines()


def test_an_evaluation_has_at_most_15_lines_with_the_verdict_first(capsys):
    requested = describe_values(metric_kinds())
    further = dict.fromkeys(("precision", "recall", "density", "coverage", "fid", "kid", "lpips"), 0.5)
    azimuth = {"median_error": 12.25, "identity_median_error": 40.0, "chance_median_error": 80.0}
    scores = evaluation(values=requested, azimuth={"a_to_b": azimuth, "b_to_a": azimuth})
    for name in ("a_to_b", "b_to_a"):
        scores[name] |= further
    lines = printed(capsys, scores, ["Also uses the true pairs given before."])
    assert len(lines) == 14  # The command adds one.
    assert lines[0] == "runs/one at step 1,200. Verdict: relation found (score 0.71 of 1)"
    assert lines[1] == VERDICT["reason"]
    shown = "\n".join(lines)
    assert all(word in shown for word in ("top-1", "FID", "KID", "LPIPS", "azimuth error", "12.2", "0.750", "0.500"))
    assert "SSIM" not in shown, "requested metrics come before those that are always computed"
    assert max(len(line) for line in lines[4:12]) <= 80


def test_scores_are_compared_with_identity_and_chance(capsys):
    lines = printed(capsys, evaluation())
    header = "306 true pairs      better  A to B  identity  chance  B to A  identity  chance"
    assert header in lines
    assert "top-1               higher   0.750     0.250   0.250   0.500     0.250   0.250" in lines
    assert "in both directions" in lines[-2]
    assert lines[-1] == "Next: discogan translate runs/one INPUT --direction a_to_b --out DIR"
    assert "in A to B only" in printed(capsys, evaluation(b_to_a=0.25))[-2]
    assert "do not confirm the relation" in printed(capsys, evaluation(0.2, 0.1))[-2]


def test_without_pairs_there_are_no_columns_for_baselines(capsys):
    unpaired = {key: value for key, value in direction(0).items() if key in ("round_trip_l1", "diversity")}
    values = [value for value in VALUES if value["key"] in unpaired]
    scores = {**evaluation(paired=False), "values": values, "a_to_b": unpaired, "b_to_a": unpaired}
    lines = printed(capsys, scores)
    assert lines[3:6] == [
        "without pairs  better  A to B  B to A",
        "diversity      near 1   0.910   0.910",
        "round trip L1  lower    0.125   0.125",
    ]
    assert "can reveal a failure" in lines[-2]
    del scores["b_to_a"]
    assert "the training images are missing" in printed(capsys, {**scores, "verdict": None})[0]


@pytest.mark.parametrize("label", get_args(Label))
def test_every_verdict_has_a_next_step(capsys, label):
    for paired in (True, False):
        lines = printed(capsys, evaluation(paired=paired, verdict={**VERDICT, "label": label}))
        assert lines[-1].startswith("Next: ")
        assert lines[-1].count("--") >= 1


def test_a_verdict_has_at_most_four_lines(capsys):
    print_verdict({**VERDICT, "held_out_anchors": 5, "anchors_found": {"a_to_b": 0.8, "b_to_a": 1.0}})
    assert capsys.readouterr().out.splitlines() == [
        "Verdict: relation found (score 0.71 of 1)",
        VERDICT["reason"],
        "A to B / B to A: round trip 0.10 / -, diversity 0.90 / 0.80, distribution 0.20 / 0.30, "
        "change 0.40 / 0.40, discriminator accuracy 0.50 / 0.60",
        "Share of 5 held-out anchors whose partner is nearest: 0.80 / 1.00",
    ]


def test_brackets_in_names_are_not_markup(capsys):
    say("[bold]x[/bold] [3]")
    print_table("t", ["name"], [["[red]photo[/red].png"]])
    shown = capsys.readouterr().out
    assert "[bold]x[/bold] [3]" in shown
    assert "[red]photo[/red].png" in shown
