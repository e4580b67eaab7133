"""Image files of every format that Pillow writes, and arrays given from Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from discogan.errors import DataError
from tests.fuzz.harness import Case, RuleError, Target
from tests.fuzz.material import image_files
from tests.fuzz.mutations import damaged_bytes

LARGEST_FILE_BYTES = 40_000
"""Larger valid files are left out, because a change would rarely hit a header."""
MAGIC = (
    b"8BPS\x00\x01",
    b"\x59\xa6\x6a\x95",
    b"/* XPM */",
    b"\x00\x00\x02\x00",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    b"\xd7\xcd\xc6\x9a",
    b"\x89HDF\r\n\x1a\n",
    b"GRIB",
    b"BUFR",
    b"SIMPLE  =                    T",
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99999 99999\n",
    b"\x00\x00\x01\xb3",
    b"FTEX",
    b"\x80\xe8\x00\x00",
    b"P6 30000 30000 255\n",
    b"P7\nWIDTH 30000\nHEIGHT 30000\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n",
)
"""Beginnings of formats that Pillow only reads, and of files that are far larger than they look."""


class ImageFiles(Target):
    """A valid or damaged image file. The first byte of a case chooses the channels and the fit."""

    name = "image_files"
    by_coverage = True
    weight = 30
    memory_mib = 700
    allowed = (DataError,)
    is_bytes = True

    def strategy(self) -> st.SearchStrategy[Case]:
        valid = [data for data in image_files().values() if len(data) <= LARGEST_FILE_BYTES]
        files = st.sampled_from(valid)
        damaged = files.flatmap(damaged_bytes)
        with_magic = st.tuples(st.sampled_from(MAGIC), damaged).map(b"".join)
        content = st.one_of(damaged, damaged, damaged, damaged, damaged, with_magic, files)
        return st.tuples(st.sampled_from([b"\x00", b"\x01", b"\x02", b"\x05"]), content).map(b"".join)

    def starts(self) -> Sequence[bytes]:
        small = [data for data in image_files().values() if len(data) <= 4000]
        return [b"\x00" + data for data in (*small, *MAGIC)]

    def prepare(self, case: Case) -> None:
        self.work.mkdir(parents=True, exist_ok=True)
        (self.work / "image.png").write_bytes(case[1:])

    def run(self, case: Case) -> None:
        from discogan.images import decode_image, fit_image

        choice = case[0] if case else 0
        channels, fit = (1, 3)[choice % 2], ("crop", "pad", "stretch")[choice // 2 % 3]
        image = decode_image(self.work / "image.png", channels)
        fitted = fit_image(image, 32, fit)
        mode = "L" if channels == 1 else "RGB"
        if image.mode != mode or fitted.mode != mode or fitted.size != (32, 32):
            raise RuleError(f"decoded as {image.mode}, fitted as {fitted.mode} {fitted.size}")


class Arrays(Target):
    """An array of any type and shape, given to a translation from Python."""

    name = "arrays"
    weight = 4
    allowed = (DataError,)

    def strategy(self) -> st.SearchStrategy[Case]:
        side = st.sampled_from((0, 1, 2, 3, 4, 5, 31))
        kinds = ("uint8", "int8", "uint16", "int64", "float16", "float32", "float64", "bool", "complex64", "U3", "O")
        return st.fixed_dictionaries(
            {
                "shape": st.lists(side, max_size=5) | st.tuples(side, side, side).map(list),
                "dtype": st.sampled_from(("uint8",) * 8 + kinds),
                "fill": st.sampled_from((0, 1, 127, 255)),
                "order": st.sampled_from(("plain", "reversed", "transposed", "fortran", "strided")),
                "channels": st.sampled_from((1, 3)),
                "fit": st.sampled_from(("crop", "pad", "stretch")),
            }
        )

    def prepare(self, case: Case) -> None:
        import numpy as np

        array: Any = np.full(case["shape"], case["fill"]).astype(case["dtype"])
        if case["order"] == "reversed":
            array = array[::-1] if array.ndim else array
        elif case["order"] == "transposed":
            array = array.T
        elif case["order"] == "fortran":
            array = np.asfortranarray(array)
        elif case["order"] == "strided":
            array = array[::2] if array.ndim else array
        self.array = array

    def run(self, case: Case) -> None:
        import numpy as np

        from discogan.images import as_image, decode_image, fit_image, to_pixels

        image = decode_image(as_image(self.array), case["channels"])
        pixels = to_pixels(fit_image(image, 32, case["fit"]))
        if pixels.shape != (32, 32, case["channels"]) or pixels.dtype != np.uint8:
            raise RuleError(f"result of shape {pixels.shape}")
