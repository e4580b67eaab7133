import json

import pytest
from PIL import Image

from discogan.cli import main
from discogan.cli.demo import demo
from discogan.errors import RunError


def test_the_demo_draws_trains_scores_and_shows(tmp_path, capsys):
    for _ in range(2):
        with pytest.raises(SystemExit) as end:
            main(["demo", "--out", str(tmp_path / "demo"), "--minutes", "0.05"])
        assert end.value.code == 0
    assert "true pairs" in capsys.readouterr().out
    scores = json.loads((tmp_path / "demo" / "run" / "evaluation.json").read_text())
    assert scores["images_a"] == 200
    assert scores["a_to_b"]["chance_top_1"] < 0.01
    assert Image.open(tmp_path / "demo" / "contact-sheet.png").width > 1000


def test_the_demo_spares_a_folder_that_is_not_its_own(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "letter.txt").touch()
    with pytest.raises(RunError, match="something other than a demo"):
        demo(out=tmp_path)
    assert (tmp_path / "data" / "letter.txt").exists()
