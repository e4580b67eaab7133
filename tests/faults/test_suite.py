"""The suite detects what it looks for: losses, incomplete files, tracebacks and left-overs."""

import json

import pytest

from tests.faults import rows
from tests.faults.command import Result
from tests.faults.folders import FolderWatch, contents, half_written, is_temporary, missing
from tests.faults.rows import Tally, scenario
from tests.faults.table import markdown_table


def ended(code: int, err: str = "", orphans: int = 0) -> Result:
    return Result(("info",), code, "", err, 0.1, orphans)


def test_incomplete_and_missing_files_are_found(tmp_path):
    for name in ("a.png", "b.png", ".c.png.12"):
        (tmp_path / name).write_bytes(b"whole")
    before = contents(tmp_path)
    (tmp_path / "a.png").write_bytes(b"who")
    (tmp_path / "b.png").unlink()
    (tmp_path / ".c.png.12").write_bytes(b"wh")
    (tmp_path / "log.jsonl").write_text('{"step": 1}\n{"st')
    assert half_written(tmp_path, before) == ["a.png"]
    assert missing(tmp_path, before, before) == ["b.png"]
    (tmp_path / "log.jsonl").write_text('{"st\n{"step": 1}\n')
    assert half_written(tmp_path, before) == ["a.png", "log.jsonl"]


def test_times_of_a_clock_are_not_compared(tmp_path):
    (tmp_path / "progress.json").write_text('{"step": 1, "elapsed_seconds": 1.5}')
    before = contents(tmp_path)
    (tmp_path / "progress.json").write_text('{"step": 1, "elapsed_seconds": 2.5}')
    assert contents(tmp_path) == before
    (tmp_path / "progress.json").write_text('{"step": 2, "elapsed_seconds": 2.5}')
    assert contents(tmp_path) != before


def test_temporary_names_are_reported_when_they_appear(tmp_path):
    watch = FolderWatch([tmp_path])
    for name in ("final.json", ".lock", "building-1"):
        (tmp_path / name).mkdir()
    assert watch.wait_for_temporary(5) == "building-1"
    assert watch.wait_for_temporary(0.01) == ""
    watch.close()
    assert is_temporary("checkpoints/.writing-step-000001/config.json")
    assert not is_temporary("checkpoints/step-000001/config.json")


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        (ended(1, "Traceback (most recent call last):"), "tracebacks"),
        (ended(-7), "tracebacks"),
        (ended(2), "tracebacks"),
        (ended(0, orphans=1), "left_behind"),
    ],
)
def test_bad_ends_are_findings(result, kind):
    tally = Tally("full disk", "match")
    tally.check_end(result, [0, 2], "at once")
    assert tally.row(1.0)[kind] == 1
    assert not tally.check_end(result, [0, 2], "again") or kind == "left_behind"


def test_a_message_is_no_finding():
    tally = Tally("full disk", "match")
    assert tally.check_end(ended(2, "The disk is full. Free some space."), [0, 2], "at once")
    assert tally.findings == ""


def test_findings_fail_and_rows_without_findings_are_not_repeated(tmp_path, monkeypatch):
    monkeypatch.setenv("DISCOGAN_FAULT_ROWS", str(tmp_path / "rows.jsonl"))
    with pytest.raises(pytest.fail.Exception, match="lost: step 3"), scenario("full disk", "match") as tally:
        tally.lost.append("step 3")
    with scenario("full disk", "match") as tally:
        tally.tried = 5
    with pytest.raises(pytest.skip.Exception), scenario("full disk", "match"):
        pass
    [row] = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert (row["tried"], row["lost"], row["commit"]) == (5, 0, rows.commit())
    assert "| full disk | match | 5 | 0 |" in markdown_table([row])
