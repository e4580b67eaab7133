"""The JSON files of a run folder: as bytes, and at every key, through everything that reads them."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from hypothesis import strategies as st

from discogan.errors import ConfigError, DataError, RecordError, RunError
from tests.fuzz.harness import Case, Target, call_command, call_quietly, check_output
from tests.fuzz.mutations import damaged_bytes, damaged_json, damaged_text, to_text

LARGE_FILES = ("report.html", "samples")
"""Files of a run that no reader of records opens."""


def record_files(run: Path) -> dict[str, str]:
    """Return the text of every record of a run by its path in the folder; the records of eliminated seeds are few."""
    files = {}
    for file in sorted(run.rglob("*")):
        name = file.relative_to(run).as_posix()
        is_record = file.suffix in (".json", ".jsonl") or file.name == "last"
        if is_record and (not name.startswith("seeds/seed") or name.endswith("progress.json")):
            files[name] = file.read_text()
    return files


@st.composite
def damaged_record(draw: st.DrawFn, files: dict[str, str]) -> Case:
    """One file of a run and its new content: damaged JSON, a damaged line, damaged text, or a deleted file."""
    name = draw(st.sampled_from(sorted(files)))
    text = files[name]
    kind = draw(st.sampled_from(("json",) * 8 + ("text", "empty", "missing", "folder")))
    if kind in ("missing", "folder", "empty"):
        return {"file": name, "kind": kind, "text": ""}
    if kind == "text" or name == "last":
        return {"file": name, "kind": "text", "text": draw(damaged_text(text))}
    if name.endswith(".jsonl"):
        lines = text.splitlines()
        row = draw(st.integers(0, len(lines) - 1))
        lines[row] = to_text(draw(damaged_json(json.loads(lines[row]))))
        return {"file": name, "kind": "text", "text": "\n".join(lines) + draw(st.sampled_from(("\n", "")))}
    return {"file": name, "kind": "text", "text": to_text(draw(damaged_json(json.loads(text))))}


class JsonBytes(Target):
    """Bytes as JSON, and plain values as records."""

    name = "json_bytes"
    by_coverage = True
    weight = 12
    allowed = (RecordError,)
    is_bytes = True

    def strategy(self) -> st.SearchStrategy[Case]:
        valid = [text.encode() for text in record_files(self.material / "run").values()]
        return st.sampled_from(valid).flatmap(damaged_bytes) | st.binary(max_size=60)

    def starts(self) -> Sequence[bytes]:
        return [text.encode() for text in record_files(self.material / "run").values()]

    def run(self, case: Case) -> None:
        import msgspec

        from discogan.records import Count, Seconds, Sha256, Share, convert_record, parse_json

        value = parse_json(case, "x.json")
        fields = [("step", Count), ("elapsed_seconds", Seconds), ("share", Share, 0.0), ("digest", Sha256, "0" * 64)]
        convert_record(value, msgspec.defstruct("Any", fields), "x.json")


class LogBytes(Target):
    """Bytes as a JSON-lines log."""

    name = "log_bytes"
    by_coverage = True
    weight = 6
    allowed = (RunError,)
    is_bytes = True

    def strategy(self) -> st.SearchStrategy[Case]:
        return st.sampled_from(self.starts()).flatmap(damaged_bytes)

    def starts(self) -> Sequence[bytes]:
        return [(self.material / "run" / name).read_bytes() for name in ("metrics.jsonl", "scores.jsonl")]

    def prepare(self, case: Case) -> None:
        self.work.mkdir(parents=True, exist_ok=True)
        (self.work / "log.jsonl").write_bytes(case)

    def run(self, case: Case) -> None:
        from discogan.records import read_json_lines

        for record in read_json_lines(self.work / "log.jsonl"):
            record.items()


class RunRecords(Target):
    """A run folder with one damaged record, read by ``discogan info`` and by the readers behind it."""

    name = "run_records"
    by_coverage = True
    weight = 12
    allowed = (RunError, ConfigError)

    def __init__(self, material: Path, box: Path) -> None:
        super().__init__(material, box)
        self.folder = self.work / "run"

    def strategy(self) -> st.SearchStrategy[Case]:
        return damaged_record(record_files(self.material / "run"))

    def prepare(self, case: Case) -> None:
        if not self.folder.exists():
            shutil.copytree(self.material / "run", self.folder, ignore=shutil.ignore_patterns(*LARGE_FILES))
        self.changed = self.folder / case["file"]
        self.valid = self.changed.read_bytes()
        self.changed.unlink()
        if case["kind"] == "folder":
            self.changed.mkdir()
        elif case["kind"] != "missing":
            self.changed.write_bytes(case["text"].encode("utf-8", "surrogatepass"))
        self.writable = (self.box / "cache",)

    def run(self, case: Case) -> None:
        if len(case["text"]) % 10 == 0:  # Parsing the command line takes most of the time.
            check_output(*call_command(["info", str(self.folder), "--json", "-"]))
            check_output(*call_command(["info", str(self.folder)]))
        else:
            check_output(*call_quietly(self._info))
        self._readers()

    def _info(self) -> None:
        from discogan.cli.info import info

        info(self.folder)
        info(self.folder, json_file=Path("-"))

    def _readers(self) -> None:
        from discogan import run_folder

        run = run_folder.RunFolder(self.folder)
        run.complete_checkpoints()
        run.broken_checkpoints()
        with contextlib.suppress(RunError):
            run_folder.reference_checkpoints(self.folder, 0)
        with contextlib.suppress(RunError):
            run.load_imports()
        run.inference_checkpoint()
        run.describe().portable().to_dict()

    def tidy(self) -> None:
        if self.changed.is_dir():
            self.changed.rmdir()
        self.changed.write_bytes(self.valid)


class Reports(RunRecords):
    """A run folder with one damaged record, read by commands that load the networks."""

    name = "reports"
    by_coverage = False
    weight = 1.2
    memory_mib = 512
    allowed = (RunError, ConfigError, DataError)

    def strategy(self) -> st.SearchStrategy[Case]:
        commands = ("report", "compare", "resume", "translate", "push")
        return st.tuples(st.sampled_from(commands), super().strategy()).map(
            lambda given: {"command": given[0], **given[1]}
        )

    def prepare(self, case: Case) -> None:
        super().prepare(case)
        self.writable = (self.work, self.box / "cache")

    def run(self, case: Case) -> None:
        run, other = str(self.folder), str(self.material / "run")
        words = {
            "report": ["report", run],
            "compare": ["compare", run, other, "--out", str(self.work / "compare.html")],
            "resume": ["train", "--resume", run, "--steps", "10"],
            "translate": ["translate", run, str(self.material / "a" / "000.png"), "--direction", "a_to_b"],
            "push": ["push", run, "--folder", str(self.work / "pushed")],
        }[case["command"]]
        if case["command"] == "translate":
            words += ["--out", str(self.work / "translated")]
        check_output(*call_command(words))

    def tidy(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
