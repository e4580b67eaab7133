import json

import pytest
from PIL import Image

from discogan.cli import main
from discogan.cli.demo import demo
from discogan.errors import RunError


@pytest.fixture(scope="module")
def finished_demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "demo"
    assert demo(out=out, minutes=0.05) == 0
    return out


def test_the_demo_trains_scores_and_draws_a_contact_sheet(finished_demo):
    scores = json.loads((finished_demo / "run" / "evaluation.json").read_text())
    assert scores["images_a"] == 200
    assert scores["a_to_b"]["chance_top_1"] < 0.01
    assert Image.open(finished_demo / "contact-sheet.png").width > 1000


def test_a_second_demo_keeps_the_first_run(finished_demo, capsys):
    first = (finished_demo / "run" / "scores.jsonl").read_text()
    with pytest.raises(SystemExit) as end:
        main(["demo", "--out", str(finished_demo), "--minutes", "0.05"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert "Continuing the demo" in shown
    assert "true pairs" in shown
    assert (finished_demo / "run" / "scores.jsonl").read_text() == first
    assert (finished_demo / "contact-sheet.png").exists()


def test_a_demo_of_another_seed_is_refused(finished_demo):
    with pytest.raises(RunError, match="seed 0"):
        demo(out=finished_demo, seed=1)


def test_the_demo_refuses_a_folder_with_other_files(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "letter.txt").touch()
    with pytest.raises(RunError, match="something other than a demo"):
        demo(out=tmp_path)
    assert (tmp_path / "data" / "letter.txt").exists()
