"""File names of every kind, through the store, translation and matching."""

from __future__ import annotations

import shutil
from pathlib import Path

from hypothesis import strategies as st

from discogan.errors import DataError
from tests.fuzz.harness import Case, RuleError, Target, call_command, check_output
from tests.fuzz.mutations import file_names

SUFFIXES = (".png", ".png", ".png", ".PNG", ".jpg", ".Jpeg", ".webp", "", ".", ".png.png", ".txt")


class FileNames(Target):
    """A folder of images with hostile names: translated, matched, and used as arguments of a command."""

    name = "file_names"
    weight = 1.5
    memory_mib = 512
    allowed = (DataError,)

    def strategy(self) -> st.SearchStrategy[Case]:
        name = st.tuples(file_names(), st.sampled_from(SUFFIXES)).map("".join)
        path = st.one_of(name, name, name, st.tuples(file_names(), name).map("/".join))
        return st.fixed_dictionaries(
            {
                "names": st.lists(path, min_size=1, max_size=4),
                "mode": st.sampled_from(("folder", "file", "glob", "match")),
            }
        )

    def prepare(self, case: Case) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        folder = self.work / "in put"
        folder.mkdir(parents=True)
        content = [(self.material / "a" / f"{number:03d}.png").read_bytes() for number in range(2)]
        for number, name in enumerate(case["names"]):
            file = folder / name
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content[number % 2])
            except (OSError, ValueError):  # This system cannot hold the name.
                continue
        (self.work / "bystander").mkdir()
        self.writable = (self.work / "out", self.box / "cache")
        (self.work / "out").mkdir()

    def run(self, case: Case) -> None:
        folder, out = self.work / "in put", self.work / "out"
        run = str(self.material / "run")
        if case["mode"] == "match":
            words = ["match", run, str(folder), str(self.material / "b"), "--out", str(out / "matches.csv")]
            check_output(*call_command(words))
            return
        source = folder
        if case["mode"] == "file":
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            source = files[0] if files else folder / "missing.png"
        elif case["mode"] == "glob":
            source = folder / "**"
        code, output, errors = call_command(
            ["translate", run, str(source), "--direction", "a_to_b", "--out", str(out), "--threads", "1"]
        )
        check_output(code, output, errors)
        if case["mode"] == "folder" and code == 0:
            self._check_results(folder, out)

    def _check_results(self, folder: Path, out: Path) -> None:
        from discogan.images import image_files

        results = [path for path in out.rglob("*") if path.is_file()]
        if len(results) != len(image_files(folder)):
            raise RuleError(f"{len(image_files(folder))} inputs have {len(results)} results")
        empty = [path for path in results if path.stat().st_size == 0]
        if empty:
            raise RuleError("an empty result")
