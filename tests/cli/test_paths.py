"""Paths given to commands: ``~`` anywhere, and links to themselves."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from discogan import files
from discogan.cli import main
from discogan.run_folder import RunFolder
from tests.cli.test_commands import FLAGS


def run_main(*words):
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    return end.value.code


@pytest.fixture
def home(tmp_path, monkeypatch, domains, small_run):
    """A home folder with both domains and a run; the current folder is another one."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    for name, folder in {"a": domains[0], "b": domains[1], "run": small_run}.items():
        shutil.copytree(folder, home / name)
    elsewhere.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.chdir(elsewhere)
    yield home
    assert not list(elsewhere.rglob("~*")), "a folder named ~ was written"


@pytest.mark.parametrize("form", ["word", "flag"])
def test_the_home_folder_can_be_named_in_every_way(home, form):
    """A shell replaces ~ in a word of its own, but not in --flag=~/x, and not in quotes."""

    def flag(name, value):
        return [name, value] if form == "word" else [f"{name}={value}"]

    assert run_main("translate", "~/run", "~/a", "--direction", "a_to_b", *flag("--out", "~/out")) == 0
    assert len(list((home / "out").iterdir())) == 13
    assert run_main("evaluate", "~/run", *flag("--pairs-a", "~/a"), *flag("--pairs-b", "~/b")) == 0
    assert run_main("match", "~/run", "~/a", "~/b", *flag("--out", "~/matches/m.csv")) == 0
    assert (home / "matches" / "m.csv").exists()
    (home / "anchors.csv").write_text("path_a,path_b\n000.png,000.png\n001.png,001.png\n")
    words = [*flag("--out", "~/new"), *flag("--anchors", "~/anchors.csv"), "--image-size", 32, "--steps", 2, *FLAGS]
    assert run_main("train", "~/a", "~/b", *words) == 0
    config = RunFolder(home / "new").describe().config
    assert config.source["a"] == str(home / "a")
    assert config.anchors.file == str(home / "anchors.csv")


def test_a_name_with_a_tilde_inside_stays(home, domains):
    shutil.copytree(domains[0], home / "a~1")
    assert run_main("translate", "~/run", home / "a~1", "--direction", "a_to_b", f"--out={home / 'out~'}") == 0
    assert len(list((home / "out~").iterdir())) == 13


@pytest.mark.parametrize(
    "words",
    [
        ["train", "LOOP", "B", "--out", "new", "--steps", "2"],
        ["train", "A", "LOOP", "--out", "new", "--steps", "2"],
        ["train", "A", "B", "--out", "LOOP", "--steps", "2"],
        ["train", "A", "B", "--out", "LOOP/new", "--steps", "2"],
        ["train", "A", "B", "--out", "new", "--steps", "2", "--anchors", "LOOP"],
        ["train", "A", "B", "--out", "new", "--steps", "2", "--import", "LOOP"],
        ["train", "--resume", "LOOP"],
        ["translate", "LOOP", "A", "--direction", "a_to_b", "--out", "new"],
        ["translate", "RUN", "A", "--direction", "a_to_b", "--out", "LOOP"],
        ["evaluate", "RUN", "--against", "LOOP"],
        ["evaluate", "RUN", "--pairs-a", "LOOP", "--pairs-b", "B"],
        ["match", "RUN", "LOOP", "B", "--out", "new.csv"],
        ["match", "RUN", "A", "B", "--out", "LOOP/new.csv"],
        ["export", "LOOP", "--direction", "a_to_b", "--out", "new.onnx"],
        ["export", "RUN", "--direction", "a_to_b", "--out", "LOOP/new.onnx"],
        ["info", "LOOP"],
        ["verify", "LOOP"],
        ["trust", "LOOP"],
        ["report", "LOOP"],
        ["push", "RUN", "--folder", "LOOP"],
    ],
    ids=" ".join,
)
def test_a_link_to_itself_is_one_message_that_names_it(words, home, tmp_path, capsys):
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    names = {"A": home / "a", "B": home / "b", "RUN": home / "run", "new": tmp_path / "new"}
    paths = [str(names.get(word, word)).replace("LOOP", str(loop)) for word in words]
    assert run_main(*paths) == 2
    message = capsys.readouterr().err
    assert str(loop) in message.replace("\n", "")
    assert "Traceback" not in message
    assert loop.is_symlink()
    assert not (tmp_path / "new").exists()


@pytest.mark.timeout(120)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
@pytest.mark.parametrize("name", ["last", "report.html", "verdict.json", "metrics.jsonl", "scores.jsonl", ".lock"])
def test_a_pipe_in_a_run_never_blocks(home, name, capsys, monkeypatch):
    """Opening a pipe to read or to write waits for the other side, and a signal does not end the wait."""
    monkeypatch.setattr(files, "READER_SECONDS", 0.1)
    pipe = home / "run" / name
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    for words in (
        ["train", "--resume", home / "run", "--steps", 8],
        ["report", home / "run"],
        ["evaluate", home / "run"],
        ["info", home / "run"],
        ["translate", home / "run", home / "a", "--direction", "a_to_b", "--out", home / "out"],
        ["verify", home / "run"],
    ):
        code = run_main(*words)
        message = capsys.readouterr().err
        assert code in (0, 1, 2)
        assert "Traceback" not in message
        assert code == 0 or words[0] == "verify" or name in message


def test_a_link_to_itself_among_images_has_the_right_cure(home, capsys):
    (home / "a" / "loop.png").symlink_to("loop.png")
    assert (
        run_main("train", home / "a", home / "b", "--out", home / "new", "--image-size", 32, "--steps", 2, *FLAGS) == 2
    )
    assert "loop.png is a link that leads to itself. Correct or remove it." in capsys.readouterr().err.replace(
        "\n", " "
    )


def test_warnings_of_a_command_are_one_line_without_source(home, capsys):
    pattern = np.random.default_rng(0).random((40, 40), dtype=np.float32)
    (home / "odd").mkdir()
    Image.fromarray(pattern).save(home / "odd" / "float.tiff")
    assert run_main("translate", home / "run", home / "odd", "--direction", "a_to_b", "--out", home / "out") == 0
    message = capsys.readouterr().err
    assert "The inputs have floating-point values" in message
    assert "UserWarning" not in message
    assert ".py" not in message
