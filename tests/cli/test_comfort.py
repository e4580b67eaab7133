"""Completion, --quiet, JSON on standard output, no colours in pipes, one sentence for each mistake."""

import errno
import json
import os
import shutil
import subprocess
import sys

import pytest

import discogan as package
from discogan.cli import main
from discogan.files import cache_folder
from tests.cli.test_commands import FLAGS, discogan


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_commands_and_flags(shell, tmp_path):
    script = discogan("completion", shell).stdout
    for word in ("translate", "original-size", "stop-when-stalled", "a_to_b", "quiet", "import"):
        assert word in script
    assert "empty-" not in script
    if shutil.which(shell):
        (tmp_path / "script").write_text(script)
        subprocess.run([shell, "-n", tmp_path / "script"], check=True)


def test_bash_completes_a_command(tmp_path):
    (tmp_path / "script").write_text(discogan("completion", "bash").stdout)
    completed = (
        f"source {tmp_path / 'script'}; COMP_WORDS=(discogan tra); COMP_CWORD=1; _discogan; echo ${{COMPREPLY[@]}}"
    )
    done = subprocess.run(["bash", "-c", completed], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"train", "translate"}


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_it_runs_as_a_module_and_as_a_script(flag):
    shown = discogan(flag).stdout
    assert package.__version__ in shown or "translate" in shown


def test_json_is_the_only_output_on_standard_output(small_run, domains, tmp_path):
    run = tmp_path / "run"
    commands = {
        "train": ("train", *domains, "--out", run, "--image-size", 32, "--steps", 2, *FLAGS),
        "info": ("info", small_run),
        "evaluate": ("evaluate", small_run, "--pairs-a", domains[0], "--pairs-b", domains[1]),
        "match": ("match", small_run, *domains, "--out", tmp_path / "m.csv"),
        "export": ("export", small_run, "--direction", "a_to_b", "--out", tmp_path / "m.onnx"),
        "compare": ("compare", small_run, run, "--out", tmp_path / "c.html"),
    }
    results = {name: json.loads(discogan(*words, "--json", "-").stdout) for name, words in commands.items()}
    assert results["train"]["step"] == 2
    assert results["train"]["verdict"]["label"]
    assert results["info"]["steps"] == 7
    assert results["evaluate"]["paired"] is True
    assert len(results["match"]["matches"]) == 13 * 5
    assert results["export"]["largest_difference"] <= 1
    assert [run["steps"] for run in results["compare"]] == [7, 2]


def test_json_in_a_file_does_not_replace_the_table(small_run, tmp_path):
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


def test_verbose_shows_the_traceback_of_an_error():
    plain, verbose = discogan("info", "missing", check=False), discogan("-v", "info", "missing", check=False)
    assert "Traceback" not in plain.stderr
    assert "Traceback" in verbose.stderr
    assert verbose.stderr.strip().splitlines()[-1] == plain.stderr.strip()


def test_there_are_no_colours_in_a_pipe(small_run):
    command = [sys.executable, "-m", "discogan", "evaluate", str(small_run)]
    done = subprocess.run(command, capture_output=True)
    assert b"\x1b[" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("tarnslate", "discogan has no command 'tarnslate'. Did you mean translate?"),
        ("xyz", "discogan has no command 'xyz'. Choose one of: cache, chain, compare, completion, data, demo,"),
        ("-x info", "discogan has no flag -x. See discogan --help."),
        ("train A B --out R --sede 3", "discogan train has no flag --sede. Did you mean --seed?"),
        ("train A B --out R --quite", "discogan train has no flag --quite. Did you mean --quiet?"),
        ("report R --xyz 3", "discogan report has no flag --xyz. See discogan report --help."),
        ("report R S", "discogan report takes no further argument, but got 'S'. See discogan report --help."),
        ("train A B --out", "--out needs a value. See discogan train --help."),
        ("translate R x", "discogan translate needs --out. See discogan translate --help."),
        ("info", "discogan info needs RUN. See discogan info --help."),
        ("train A B --out R --steps 3 --steps 4", "--steps is given twice. Give it once."),
        ("train A B --out R --steps many", 'Invalid value for --steps: unable to convert "many" into int.'),
        ("export R --out x --direction up", 'Invalid value "up" for --direction. Choose from: "a_to_b", "b_to_a".'),
        ("data rendr", "discogan data has no command 'rendr'. Did you mean render?"),
        ("export R --direction a_to_b --out x.onnx --format xyz", "There is no run at R"),
    ],
)
def test_a_mistake_in_the_command_line_is_one_sentence(line, message, capsys):
    with pytest.raises(SystemExit) as end:
        main(line.split())
    assert end.value.code == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert len(shown.err.splitlines()) == 1
    assert shown.out == ""


def test_no_command_shows_the_help_and_succeeds():
    assert "translate" in discogan().stdout


def test_global_flags_are_documented_once_and_taken_by_every_command(small_run):
    assert "--import FILE.py" in discogan("--help").stdout
    for words in (["train"], ["info"], ["data"], ["data", "render"]):
        assert "--quiet" not in discogan(*words, "--help").stdout
    for words in (["-q", "info", small_run], ["info", "-q", small_run], ["info", small_run, "--quiet"]):
        assert discogan(*words).stdout == ""


def test_no_flag_has_a_generated_negative_form():
    text = "".join(discogan(*words, "--help").stdout for words in (["reproduce"], ["translate"], ["data", "render"]))
    assert "--empty-" not in text
    assert "--no-" not in text
    assert "--no-examples" in discogan("serve", "--help").stdout


def test_the_package_shows_its_public_names():
    assert dir(package) == sorted(package.__all__)
    assert {"train", "resume", "load", "evaluate", "match", "export", "register", "Observer"} <= set(dir(package))


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break otherwise there")
def test_a_reader_that_closes_the_pipe_is_no_failure():
    process = subprocess.Popen([sys.executable, "-m", "discogan", "list"], stdout=subprocess.PIPE)
    process.stdout.close()
    assert process.wait(60) == 0


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.ENOSPC, "Free some disk space"),
        (errno.EROFS, "on a disk that can be written"),
        (errno.ENAMETOOLONG, "Choose a shorter name"),
        (errno.EACCES, "Check the path and its permissions"),
        (errno.ENOTDIR, "A part of this path is a file"),
        (errno.EDQUOT, "Free some space in your quota"),
        (errno.EMFILE, "Raise the limit of open files"),
        (errno.EISDIR, "Give the name of a file"),
    ],
)
def test_an_error_of_the_system_names_the_file_and_the_right_cure(monkeypatch, capsys, number, cure):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number), "runs/one/config.json")

    monkeypatch.setattr("discogan.run_summary.read_summary", fail)
    with pytest.raises(SystemExit) as end:
        main(["info", "runs/one"])
    assert end.value.code == 2
    message = " ".join(capsys.readouterr().err.split())
    assert message.startswith(f"runs/one/config.json: {os.strerror(number)}. ")
    assert cure in message


def test_a_cache_that_cannot_be_used_names_its_variable(monkeypatch, capsys):
    file = str(cache_folder() / "stores" / "x")

    def fail(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", file)

    monkeypatch.setattr("discogan.run_summary.read_summary", fail)
    with pytest.raises(SystemExit):
        main(["info", "runs/one"])
    assert "Set DISCOGAN_CACHE" in " ".join(capsys.readouterr().err.split())
