"""``discogan verify`` finds what has changed in a run folder, and changes nothing itself."""

import json
import shutil

import pytest

from discogan.cli import main
from discogan.errors import RunError
from discogan.run_folder import RunFolder
from discogan.verification import verify_run
from tests.conftest import refresh_digests


def run_main(*words):
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    return end.value.code


@pytest.fixture
def run(small_run, tmp_path):
    return shutil.copytree(small_run, tmp_path / "run")


def snapshot(folder):
    return {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.rglob("*") if file.is_file()}


def test_an_intact_run_has_no_damage(run, capsys):
    before = snapshot(run)
    assert {check.status for check in verify_run(run)} == {"intact"}
    assert run_main("verify", run) == 0
    assert "0 damaged" in capsys.readouterr().out
    assert snapshot(run) == before


def files_of(run):
    """Every file that verify covers, relative to the run."""
    return [
        file.relative_to(run)
        for file in sorted(run.rglob("*"))
        if file.is_file() and file.name not in (".lock", "last", "report.html")
    ]


def test_a_flipped_bit_is_found_in_every_file(run):
    missed = []
    for name in files_of(run):
        if name.suffix in (".png", ".jsonl") or (name.parent.name == "" and name.suffix == ".json"):
            continue  # They have no digest: the next test damages their structure.
        intact = (run / name).read_bytes()
        damaged = bytearray(intact)
        damaged[len(damaged) // 2] ^= 4
        (run / name).write_bytes(bytes(damaged))
        found = [check.path for check in verify_run(run) if check.status == "damaged"]
        if not any(name.as_posix().startswith(path) for path in found):
            missed.append(name.as_posix())
        (run / name).write_bytes(intact)
    assert missed == []


@pytest.mark.parametrize("fault", ["missing", "empty", "half", "noise"])
def test_a_truncated_or_missing_file_is_found(run, fault):
    missed = []
    for name in files_of(run):
        if fault == "missing" and "checkpoints" not in name.parts and "best" not in name.parts:
            continue  # A run in progress lacks some records.
        intact = (run / name).read_bytes()
        if fault == "missing":
            (run / name).unlink()
        else:
            content = {"empty": b"", "half": intact[: len(intact) // 2], "noise": b"\x00\xff[" * 50 + b"\n"}[fault]
            (run / name).write_bytes(content)
        try:
            found = [check.path for check in verify_run(run) if check.status == "damaged"]
        except RunError as error:
            found = [name.as_posix()] if str(run / name) in str(error) else []
        covered = any(name.as_posix().startswith(path) for path in found)
        is_log_cut_off_by_a_kill = name.suffix == ".jsonl" and fault in ("empty", "half")
        if not covered and not is_log_cut_off_by_a_kill:
            missed.append(name.as_posix())
        (run / name).write_bytes(intact)
    assert missed == []


def test_damage_is_named_and_the_exit_status_is_1(run, capsys):
    file = run / "best" / "generator_ab.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert run_main("verify", run, "--json", "-") == 1
    result = json.loads(capsys.readouterr().out)
    [damaged] = [check for check in result["checks"] if check["status"] == "damaged"]
    assert damaged["path"] == "best"
    assert "generator_ab.safetensors has changed since it was written" in damaged["problem"]


def test_checkpoints_without_digests_are_unverified(run):
    progress = run / "best" / "progress.json"
    table = json.loads(progress.read_text())
    del table["files"]
    progress.write_text(json.dumps(table))
    assert {check.path: check.status for check in verify_run(run)}["best"] == "unverified"


def test_a_missing_run_is_explained(tmp_path, capsys):
    assert run_main("verify", tmp_path) == 2
    assert "There is no run" in capsys.readouterr().err


# Runs of other people -----------------------------------------------------------------------------


@pytest.fixture
def foreign_run(run, tmp_path, monkeypatch):
    """A run as another user receives it: this user's cache knows nothing of it."""
    monkeypatch.setenv("DISCOGAN_CACHE", str(tmp_path / "own-cache"))
    return run


def test_the_image_folders_of_a_foreign_run_are_never_opened(foreign_run, domains, capsys):
    assert run_main("info", foreign_run) == 0
    assert f"discogantrust{foreign_run}" in "".join(capsys.readouterr().out.split())
    (foreign_run / "report.html").unlink()
    assert run_main("report", foreign_run) == 0
    page = (foreign_run / "report.html").read_text()
    assert str(domains[0]) not in page
    assert "discogan trust" in page
    assert run_main("evaluate", foreign_run) == 2
    assert "are not opened" in capsys.readouterr().err


def test_trusting_a_run_names_its_folders_and_opens_them(foreign_run, domains, capsys):
    assert run_main("trust", foreign_run) == 0
    assert str(domains[0]) in capsys.readouterr().out
    assert RunFolder(foreign_run).describe().config.knows_its_images
    assert run_main("evaluate", foreign_run) == 0


def test_trust_ends_when_the_folders_change(foreign_run, tmp_path):
    run_main("trust", foreign_run)
    for file in foreign_run.rglob("config.json"):
        table = json.loads(file.read_text())
        table["config"]["source"]["a"] = str(tmp_path)
        file.write_text(json.dumps(table))
    refresh_digests(foreign_run)
    assert not RunFolder(foreign_run).describe().config.knows_its_images


def test_paths_in_a_foreign_evaluation_are_not_opened(foreign_run, domains):
    run_main("trust", foreign_run)
    evaluation = {"step": 7, "given": {"pairs": [str(domains[0]), str(domains[1])]}}
    (foreign_run / "evaluation.json").write_text(json.dumps(evaluation))
    for file in foreign_run.rglob("config.json"):
        table = json.loads(file.read_text())
        table["data"]["a"]["key"] = "other"
        file.write_text(json.dumps(table))
    refresh_digests(foreign_run)
    assert run_main("evaluate", foreign_run) == 2
