import json

import pytest
from PIL import Image

from discogan.cli import main
from discogan.cli.demo import demo
from discogan.errors import RunError


@pytest.fixture(scope="module")
def demonstrated(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "demo"
    assert demo(out=out, minutes=0.05) == 0
    return out


def test_the_demo_draws_trains_scores_and_shows(demonstrated):
    scores = json.loads((demonstrated / "run" / "evaluation.json").read_text())
    assert scores["images_a"] == 200
    assert scores["a_to_b"]["chance_top_1"] < 0.01
    assert Image.open(demonstrated / "contact-sheet.png").width > 1000


def test_a_second_demo_loses_nothing_of_the_first(demonstrated, capsys):
    first = (demonstrated / "run" / "scores.jsonl").read_text()
    with pytest.raises(SystemExit) as end:
        main(["demo", "--out", str(demonstrated), "--minutes", "0.05"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert "Going on" in shown
    assert "true pairs" in shown
    assert (demonstrated / "run" / "scores.jsonl").read_text() == first
    assert (demonstrated / "contact-sheet.png").exists()


def test_a_demo_of_another_seed_is_not_gone_on_with(demonstrated):
    with pytest.raises(RunError, match="seed 0"):
        demo(out=demonstrated, seed=1)


def test_the_demo_spares_a_folder_that_is_not_its_own(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "letter.txt").touch()
    with pytest.raises(RunError, match="something other than a demo"):
        demo(out=tmp_path)
    assert (tmp_path / "data" / "letter.txt").exists()
