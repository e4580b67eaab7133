"""The commands reproduce, chain, data render, and evaluate --metrics."""

import pytest
from PIL import Image

from discogan.cli import main


def run(*words):
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    return end.value.code


def test_the_list_names_every_experiment(capsys):
    assert run("reproduce", "--list") == 0
    shown = capsys.readouterr().out
    assert "toy" in shown
    assert "celeba_hair" in shown
    assert "ROOT/train/*.jpg" in " ".join(shown.split())


def test_mistakes_are_explained(tmp_path, capsys):
    assert run("reproduce") == 2
    assert "--list shows the names" in " ".join(capsys.readouterr().err.split())
    assert run("reproduce", "toy", "--out", tmp_path / "out", "--set", "objective.gama=1") == 2
    assert "gama" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_chain_draws_every_step(small_run, domains, tmp_path, capsys):
    steps = [f"{small_run}:a_to_b", f"{small_run}:b_to_a", f"{small_run}:a_to_b"]
    assert run("chain", domains[0], *steps, "--out", tmp_path / "chain.png", "--count", 5) == 0
    assert "5 images and 3 translation steps" in capsys.readouterr().out
    with Image.open(tmp_path / "chain.png") as sheet:
        assert sheet.height >= 4 * 96
    assert run("chain", domains[0], str(small_run), "--out", tmp_path / "chain.png") == 2
    assert "RUN:a_to_b or RUN:b_to_a" in " ".join(capsys.readouterr().err.split())
    assert run("chain", domains[0], "--out", tmp_path / "chain.png") == 2
    assert "Give at least one step" in " ".join(capsys.readouterr().err.split())


@pytest.mark.usefixtures("rendering")
def test_render_writes_labelled_images(tmp_path, capsys):
    assert run("data", "render", "head", "--out", tmp_path / "heads", "--count", 2, "--azimuths", "0,7.5,8") == 0
    assert "6 images" in capsys.readouterr().out
    assert len(list((tmp_path / "heads").glob("*.png"))) == 6
    assert len((tmp_path / "heads" / "labels.csv").read_text().splitlines()) == 7


def test_evaluate_takes_further_metrics(small_run, capsys):
    assert run("evaluate", small_run, "--metrics", "coverage") == 0
    assert "precision" in capsys.readouterr().out
    assert run("evaluate", small_run, "--metrics", "inception_score") == 2
    assert "Choose one of: colours, coverage, diversity, features, fid" in " ".join(capsys.readouterr().err.split())
    assert run("evaluate", small_run, "--azimuth-a", "x") == 2
