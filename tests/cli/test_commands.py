"""The commands, each run in its own process as a user would."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from discogan.cli import main
from discogan.run_folder import RunFolder
from tests.conftest import SMALL, write_images

FLAGS = [word for setting in SMALL for word in ("--set", setting)]


def discogan(*words, check=True):
    command = [sys.executable, "-m", "discogan", *map(str, words)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert not check or finished.returncode == 0, finished.stderr
    return finished


def test_help_is_fast_and_does_not_import_torch():
    started = time.monotonic()
    assert "translate" in discogan("--help").stdout
    seconds = [time.monotonic() - started]
    for _ in range(2):
        started = time.monotonic()
        discogan("--help")
        seconds.append(time.monotonic() - started)
    assert min(seconds) < 0.5
    probe = "import sys, discogan.cli, discogan; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe]).returncode == 0


def test_train_resume_translate_evaluate_and_info(domains, tmp_path):
    run = tmp_path / "run"
    done = discogan("train", *domains, "--out", run, "--image-size", 32, "--steps", 5, "--seed", 3, *FLAGS)
    assert "Trained 5 steps" in done.stdout
    assert "Trained 8 steps" in discogan("train", "--resume", run, "--steps", 8).stdout
    done = discogan("translate", run, domains[0], "--direction", "a_to_b", "--out", tmp_path / "out", "--round-trip")
    assert "13 images translated" in done.stdout
    assert len(list((tmp_path / "out").glob("*.png"))) == 13
    scores = tmp_path / "scores.json"
    done = discogan("evaluate", run, "--pairs-a", domains[0], "--pairs-b", domains[1], "--json", scores)
    assert "top-1" in done.stdout
    values = json.loads(scores.read_text())
    for direction in ("a_to_b", "b_to_a"):
        assert 0 <= values[direction]["top_1"] <= values[direction]["top_5"] <= 1
        assert values[direction]["chance_top_1"] == 0.1
    done = discogan("info", run)
    for expected in ("modern, 32 px, seed 3", "step 8", "A 13, B 10", "gamma"):
        assert expected in done.stdout


def test_serve_refuses_a_port_in_use(small_run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for refused_port in (port, 99_999):
            done = discogan("serve", small_run, "--port", refused_port, check=False)
            assert done.returncode == 2
            assert f"Cannot listen at 127.0.0.1:{refused_port}" in done.stderr
            assert "Traceback" not in done.stderr


def test_evaluate_without_pairs(small_run):
    assert "diversity" in discogan("evaluate", small_run).stdout


def test_two_seeds_with_anchors_end_in_a_verdict_with_a_reference_run(domains, tmp_path):
    run, pairs = tmp_path / "run", tmp_path / "pairs.csv"
    pairs.write_text("path_a,path_b\n" + "".join(f"{n:03d}.png,{n:03d}.png\n" for n in range(5)))
    options = ("--image-size", 32, "--steps", 12, "--seeds-tried", 2, "--anchors", pairs, "--stop-when-stalled")
    # After 12 steps, the scores of this preset are high enough for a reference run.
    done = discogan("train", *domains, "--out", run, "--preset", "earlier", *options, *FLAGS)
    assert "Scores of 2 seeds: seed" in done.stderr
    assert "Verdict: " in done.stdout
    assert "a run with another seed" in done.stdout or "collapsed" in done.stdout
    assert "of 1 held-out anchors" in done.stdout
    assert len(done.stdout.splitlines()) <= 8
    assert RunFolder(run).describe().config.training.stop_when_stalled
    refused = discogan("evaluate", run, "--against", run / "best", check=False)
    assert refused.returncode == 2
    assert "same seed" in refused.stderr
    assert discogan("info", run / "seeds" / "seed-0").returncode == 0
    shown = discogan("evaluate", run).stdout
    assert "Verdict: relation" in shown
    assert "Verdict: " in shown


def test_match_writes_a_table_and_a_sheet(small_run, domains, tmp_path):
    done = discogan("match", small_run, *domains, "--out", tmp_path / "many.csv", "--count", 2)
    assert "26 matches written" in done.stdout
    assert (tmp_path / "many.png").exists()
    done = discogan(
        "match", small_run, *domains, "--out", tmp_path / "one.csv", "--one-to-one", "--sheet", tmp_path / "s" / "x.png"
    )
    assert "3 images of A have no counterpart" in done.stdout
    assert len((tmp_path / "one.csv").read_text().splitlines()) == 11
    assert (tmp_path / "s" / "x.png").exists()


def test_list_names_every_component():
    shown = discogan("list").stdout
    for name in (
        "modern",
        "official",
        "recon_gan",
        "cyclegan",
        "resnet",
        "patch",
        "side_by_side",
        "celeba",
        "diversity",
    ):
        assert name in shown
    assert "reconstruction_weight" in shown


def test_train_ab_is_recognised_from_its_root(tmp_path):
    for name in ("trainA", "trainB"):
        write_images(tmp_path / "root" / name, 4, len(name))
    discogan("train", tmp_path / "root", "--out", tmp_path / "run", "--image-size", 32, "--steps", 1, *FLAGS)
    config = RunFolder(tmp_path / "run").describe().config
    assert config.source == {"name": "train_ab", "root": str(tmp_path / "root")}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_with_a_checkpoint(domains, tmp_path, number):
    run = tmp_path / "run"
    command = ["train", *domains, "--out", run, "--image-size", 32, "--steps", 100_000, *FLAGS]
    process = subprocess.Popen(
        [sys.executable, "-m", "discogan", *map(str, command)], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    while not RunFolder(run).last_checkpoint():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert f"Continue with: discogan train --resume {run}" in output.replace("\n", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "A", "--out", "R"], "has no trainA and trainB"),
        (["train", "A", "A", "--out", "R"], "There is no folder"),
        (["train"], "Give two folders and a run"),
        (["train", "--resume", "R", "--out", "Q"], "--resume keeps a run's folders and settings"),
        (["train", "--resume", "missing"], "There is no run at missing"),
        (["train", "A", "B", "--out", "R", "--preset", "best"], "no preset named 'best'"),
        (["train", "A", "B", "--out", "R", "--set", "gamma=3"], "--set needs"),
        (["train", "A", "B", "--out", "R", "--image-size", "100"], "32, 64, 128 or 256"),
        (["translate", "missing", "x.png", "--direction", "a_to_b", "--out", "o"], "There is no run at missing"),
        (["evaluate", "missing"], "There is no run at missing"),
        (["info", "missing"], "There is no run at missing"),
        (["match", "missing", "A", "B", "--out", "m.csv"], "There is no run at missing"),
        (["match", "missing", "A", "B", "--out", "m"], "Call it m.csv"),
        (["match", "missing", "A", "B", "--out", "m.csv", "--one-to-one", "--count", "3"], "Leave out --count"),
        (["train", "A", "B", "--out", "R", "--seeds-tried", "0"], "training.seeds_tried must be at least 1"),
    ],
)
def test_a_mistake_prints_one_line_and_exits_with_2(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert len(shown.strip().splitlines()) == 1


def test_wrong_flags_are_explained():
    done = discogan("train", "A", "B", "--out", "R", "--size", "3", check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr + done.stdout
    assert "--size" in done.stderr + done.stdout


def test_translate_needs_an_input_and_a_direction(small_run, domains, tmp_path, capsys):
    for words, message in (
        ([tmp_path / "missing.png", "--direction", "a_to_b"], "missing.png does not exist"),
        ([domains[0]], "Give --direction a_to_b"),
    ):
        with pytest.raises(SystemExit) as end:
            main(["translate", str(small_run), *map(str, words), "--out", str(tmp_path / "o")])
        assert end.value.code == 2
        assert message in capsys.readouterr().err.replace("\n", "")


def test_translate_uses_the_threads_given(small_run, domains, tmp_path, monkeypatch):
    workers = []

    class RecordingPool(ThreadPoolExecutor):
        def __init__(self, max_workers):
            workers.append(max_workers)
            super().__init__(max_workers)

    monkeypatch.setattr("discogan.translator.ThreadPoolExecutor", RecordingPool)
    words = ["translate", small_run, domains[0], "--direction", "a_to_b", "--out", tmp_path, "--batch-size", "4"]
    threads_before = torch.get_num_threads()
    for threads in (1, 3):
        with pytest.raises(SystemExit) as end:
            main([*map(str, words), "--threads", str(threads)])
        assert end.value.code == 0
    assert workers == [1, 3]
    assert torch.get_num_threads() == threads_before


def test_a_broken_input_is_named(small_run, tmp_path):
    (tmp_path / "x.png").write_bytes(b"broken")
    done = discogan(
        "translate", small_run, tmp_path / "x.png", "--direction", "b_to_a", "--out", tmp_path / "o", check=False
    )
    assert done.returncode == 2
    assert "x.png is not a readable image" in done.stderr.replace("\n", " ")


def test_translate_says_what_it_left_out(small_run, domains, tmp_path):
    folder = shutil.copytree(domains[0], tmp_path / "photos")
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden.png").write_bytes(b"no image")
    done = discogan("translate", small_run, folder, "--direction", "a_to_b", "--out", tmp_path / "o")
    assert re.search(r"Left out of .*photos: .*1 .*1 ", done.stdout + done.stderr), done
    assert "13 images translated" in done.stdout


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_special_files_among_the_words_are_skipped_results(small_run, domains, tmp_path):
    """A shell expands dir/* to all names. A pipe would block and a device has no end."""
    folder = shutil.copytree(domains[0], tmp_path / "photos")
    os.mkfifo(folder / "pipe.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "loop.png").symlink_to("loop.png")
    words = [path for path in sorted(folder.iterdir()) if path.name != "loop.png"]
    done = discogan("translate", small_run, *words, "--direction", "a_to_b", "--out", tmp_path / "o", check=False)
    assert "13 images translated" in done.stdout, done
    assert "pipe.png" in done.stderr
    assert "zero.png" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(list((tmp_path / "o").iterdir())) == 13


def test_an_evaluation_keeps_the_folders_of_an_earlier_one(small_run, domains, tmp_path):
    run, reference = shutil.copytree(small_run, tmp_path / "run"), tmp_path / "reference"
    discogan("train", *domains, "--out", reference, "--image-size", 32, "--steps", 2, "--seed", 5, *FLAGS)
    discogan("evaluate", run, "--pairs-a", domains[0], "--pairs-b", domains[1])
    second = discogan("evaluate", run, "--against", reference)
    assert "true pairs given before" in second.stdout
    assert "other runs given before" in discogan("evaluate", run).stdout
    scores = json.loads((run / "evaluation.json").read_text())
    assert scores["paired"]
    assert scores["given"]["against"] == [str(reference.resolve())]
    discogan("train", "--resume", run, "--steps", 30)
    assert "given before" not in discogan("evaluate", run).stdout


def test_resuming_a_finished_run_says_that_the_budget_is_used_up(small_run, tmp_path):
    run = shutil.copytree(small_run, tmp_path / "run")
    assert "already used up" in discogan("train", "--resume", run).stdout
