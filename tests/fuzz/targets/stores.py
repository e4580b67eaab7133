"""The files of the image cache: listings, index and pixels, missing, damaged or exchanged."""

from __future__ import annotations

import json
import shutil

from hypothesis import strategies as st

from discogan.errors import DataError, RunError
from tests.fuzz.harness import Case, RuleError, Target
from tests.fuzz.mutations import HOSTILE_TEXTS, damaged_bytes, damaged_json, to_text

INDEX = {"names": [f"{number:03d}.png" for number in range(10)], "skipped": [], "key": "0" * 32}


class CacheFiles(Target):
    """A cache with one damaged file, opened again: the pixels must be those of the images."""

    name = "cache_files"
    weight = 2.5
    allowed = (DataError, RunError)

    def strategy(self) -> st.SearchStrategy[Case]:
        as_text = st.sampled_from(HOSTILE_TEXTS).map(lambda text: text.encode("utf-8", "surrogatepass"))
        listing = st.one_of(as_text, st.binary(max_size=40), st.sampled_from((b"0" * 32, b"f" * 32, b"a" * 31, b"")))
        header = b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (10, 32, 32, 3), }"
        pixels = damaged_bytes(header + b" " * 51 + b"\n" + b"\x00" * 200)
        index = damaged_json(INDEX).map(lambda value: to_text(value).encode())
        cases = st.one_of(
            st.tuples(st.just("listings/*"), listing),
            st.tuples(st.just("stores/*/index.json"), st.one_of(index, as_text, st.binary(max_size=20))),
            st.tuples(st.just("stores/*/pixels.npy"), pixels),
        )
        return cases.map(lambda case: {"file": case[0], "content": case[1].decode("latin-1")})

    def _open(self) -> object:
        from discogan.data import folder_records
        from discogan.data.decoding import Decoding
        from discogan.data.store import open_store

        return open_store(folder_records(self.material / "b"), Decoding(32, 3), cache=self.work / "cache", workers=1)

    def prepare(self, case: Case) -> None:
        shutil.rmtree(self.work / "cache", ignore_errors=True)
        (self.work / "bystander").mkdir(parents=True, exist_ok=True)
        (self.work / "bystander" / "file").write_text("kept")
        if not hasattr(self, "pixels"):
            self.pixels = self._open().pixels.copy()  # type: ignore[attr-defined]
            shutil.copytree(self.work / "cache", self.box / "valid-cache", dirs_exist_ok=True)
        shutil.rmtree(self.work / "cache", ignore_errors=True)
        shutil.copytree(self.box / "valid-cache", self.work / "cache")
        for file in (self.work / "cache").glob(case["file"]):
            file.write_bytes(case["content"].encode("latin-1"))

    def run(self, case: Case) -> None:
        self.writable = (self.work / "cache",)
        store = self._open()
        names, pixels = store.names, store.pixels  # type: ignore[attr-defined]
        if len(names) != len(pixels) or not (pixels == self.pixels).all():
            raise RuleError("the store holds other pixels than the images")
        if names != json.loads(json.dumps(INDEX))["names"]:
            raise RuleError("the store has other names than the images")
        if not (self.work / "bystander" / "file").exists():
            raise RuleError("a file outside the cache is gone")
