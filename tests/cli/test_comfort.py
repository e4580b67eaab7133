"""What a shell expects: completion, quiet, JSON alone on standard output, no colours in files, plain exit codes."""

import json
import shutil
import subprocess
import sys

import pytest

import discogan as package
from tests.cli.test_commands import FLAGS, discogan


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_commands_and_flags(shell, tmp_path):
    script = discogan("completion", shell).stdout
    for word in ("translate", "original-size", "stop-when-stalled", "a_to_b"):
        assert word in script
    if shutil.which(shell):
        (tmp_path / "script").write_text(script)
        subprocess.run([shell, "-n", tmp_path / "script"], check=True)


def test_bash_completes_a_command(tmp_path):
    (tmp_path / "script").write_text(discogan("completion", "bash").stdout)
    asked = f"source {tmp_path / 'script'}; COMP_WORDS=(discogan tra); COMP_CWORD=1; _discogan; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"train", "translate"}


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_it_runs_as_a_module_and_as_a_script(flag):
    shown = discogan(flag).stdout
    assert package.__version__ in shown or "translate" in shown


def test_json_stands_alone_on_standard_output(small_run, domains, tmp_path):
    run = tmp_path / "run"
    commands = {
        "train": ("train", *domains, "--out", run, "--image-size", 32, "--steps", 2, *FLAGS),
        "info": ("info", small_run),
        "evaluate": ("evaluate", small_run, "--pairs-a", domains[0], "--pairs-b", domains[1]),
        "match": ("match", small_run, *domains, "--out", tmp_path / "m.csv"),
        "export": ("export", small_run, "--direction", "a_to_b", "--out", tmp_path / "m.onnx"),
        "compare": ("compare", small_run, run, "--out", tmp_path / "c.html"),
    }
    told = {name: json.loads(discogan(*words, "--json", "-").stdout) for name, words in commands.items()}
    assert told["train"]["step"] == 2
    assert told["train"]["verdict"]["label"]
    assert told["info"]["steps"] == 7
    assert told["evaluate"]["paired"] is True
    assert len(told["match"]["matches"]) == 13 * 5
    assert told["export"]["largest_difference"] <= 1
    assert [run["steps"] for run in told["compare"]] == [7, 2]


def test_json_into_a_file_leaves_the_table_in_place(small_run, tmp_path):
    done = discogan("info", small_run, "--json", tmp_path / "deep" / "info.json")
    assert "modern, 32 px" in done.stdout
    assert json.loads((tmp_path / "deep" / "info.json").read_text())["config"]["preset"] == "modern"


def test_quiet_prints_nothing_but_errors(domains, tmp_path):
    run = tmp_path / "run"
    done = discogan("-q", "train", *domains, "--out", run, "--image-size", 32, "--steps", 2, *FLAGS)
    assert done.stdout == ""
    assert done.stderr == ""
    failed = discogan("--quiet", "info", "missing", check=False)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert "There is no run at missing" in failed.stderr


def test_verbose_says_where_an_error_came_from():
    plain, verbose = discogan("info", "missing", check=False), discogan("-v", "info", "missing", check=False)
    assert "Traceback" not in plain.stderr
    assert "Traceback" in verbose.stderr
    assert verbose.stderr.strip().splitlines()[-1] == plain.stderr.strip()


def test_there_are_no_colours_in_a_pipe(small_run):
    command = [sys.executable, "-m", "discogan", "evaluate", str(small_run)]
    done = subprocess.run(command, capture_output=True)
    assert b"\x1b[" not in done.stdout + done.stderr


def test_an_unknown_command_is_a_failure():
    assert discogan("tarnslate", check=False).returncode == 2
    assert discogan(check=False).returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break otherwise there")
def test_a_reader_that_has_seen_enough_is_no_failure():
    process = subprocess.Popen([sys.executable, "-m", "discogan", "list"], stdout=subprocess.PIPE)
    process.stdout.close()
    assert process.wait(60) == 0
