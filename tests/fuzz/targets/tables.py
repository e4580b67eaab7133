"""CSV files: known pairs (anchors) and labels."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from hypothesis import strategies as st

from discogan.errors import DataError
from tests.fuzz.harness import Case, RuleError, Target
from tests.fuzz.mutations import HOSTILE_TEXTS, damaged_bytes

CELLS = (
    "000.png",
    "001.png",
    "x.png",
    "../run/report.html",
    ".",
    "",
    "a" * 300,
    "/dev/zero",
    "/dev/stdin",
    '"',
    '""',
    ",",
    ";",
    "1e400",
    "nan",
    "-inf",
    "720",
    "90.5",
    "१२",
    "1_0",
)


def csv_bytes(columns: Sequence[str]) -> st.SearchStrategy[bytes]:
    """Return CSV files with these columns, with hostile cells, other encodings and damage."""
    cell = st.one_of(st.sampled_from(CELLS), st.sampled_from(HOSTILE_TEXTS), st.text(max_size=8))
    header = st.one_of(
        st.just(list(columns)), st.just(list(columns)), st.lists(st.sampled_from((*columns, "", "x")), max_size=5)
    )
    rows = st.lists(st.lists(cell, max_size=4), max_size=6)
    separator = st.sampled_from((",", ",", ",", ";", "\t"))
    newline = st.sampled_from(("\n", "\r\n", "\r", "\x00"))
    encoding = st.sampled_from(("utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1", "utf-7"))

    def write(header: list[str], rows: list[list[str]], separator: str, newline: str, encoding: str) -> bytes:
        text = newline.join(separator.join(row) for row in [header, *rows])
        errors = "surrogatepass" if encoding.startswith("utf-8") else "replace"
        return text.encode(encoding, errors)

    files = st.builds(write, header, rows, separator, newline, encoding)
    return st.one_of(files, files.flatmap(damaged_bytes), st.binary(max_size=40))


class AnchorFiles(Target):
    """A CSV file of known pairs."""

    name = "anchor_files"
    by_coverage = True
    weight = 4
    allowed = (DataError,)
    is_bytes = True
    columns: tuple[str, ...] = ("path_a", "path_b")

    def strategy(self) -> st.SearchStrategy[Case]:
        return csv_bytes(self.columns)

    def starts(self) -> Sequence[bytes]:
        return [(self.material / "anchors.csv").read_bytes()]

    def prepare(self, case: Case) -> None:
        self.work.mkdir(parents=True, exist_ok=True)
        (self.work / "anchors.csv").write_bytes(case)

    def run(self, case: Case) -> None:
        from discogan.config import AnchorOptions
        from discogan.data.anchors import read_anchors
        from discogan.data.decoding import Decoding

        decoding = Decoding(32, 3)
        folders = (self.material / "a", self.material / "b")
        anchors = read_anchors(AnchorOptions(file=str(self.work / "anchors.csv")), folders, (decoding, decoding))
        if anchors is None or len(anchors.train_a) != len(anchors.train_b):
            raise RuleError("anchors without partners")


class LabelFiles(Target):
    """labels.csv in a folder of images."""

    name = "label_files"
    by_coverage = True
    weight = 5
    allowed = (DataError,)
    is_bytes = True
    columns = ("name", "azimuth", "identity")

    def strategy(self) -> st.SearchStrategy[Case]:
        return csv_bytes(self.columns)

    def starts(self) -> Sequence[bytes]:
        return [b"name,azimuth,identity\n000.png,90,x\n001.png,-12.5,y\n"]

    def prepare(self, case: Case) -> None:
        folder = self.work / "labelled"
        if not folder.exists():
            shutil.copytree(self.material / "a", folder)
        (folder / "labels.csv").write_bytes(case)

    def run(self, case: Case) -> None:
        import math

        from discogan.data.labels import labelled_images

        for labelled in labelled_images(self.work / "labelled"):
            if not math.isfinite(labelled.azimuth):
                raise RuleError(f"an azimuth of {labelled.azimuth}")
