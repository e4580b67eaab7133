"""The values that become black and white in images of more than 8 bits: 16-bit, 32-bit and floating-point data.

The range is decided once for all images of a domain, because a range for each image would hide their differences.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from discogan.config import parse_value_range
from discogan.errors import DataError

Values = npt.NDArray[Any]
KINDS = ("16-bit", "32-bit", "floating-point")
"""Kinds of data with more than 8 bits, from the least to the most general."""
INTEGER_BITS = (8, 10, 12, 14, 16)
"""Bits of a sensor that integer data may come from."""
FLOAT_WHITES = (255.0, 65535.0)
"""Usual values of white in floating-point data that exceed 1."""
TOLERANCE = 0.05
"""Share of the range by which interpolation may exceed it: 1.01 still belongs to data in [0, 1]."""
BLOCK_VALUES = 2**20
"""Values that are scaled at a time, so that a large image needs no large copies."""


@dataclass(frozen=True)
class Extent:
    """The kind of data of one or more images, and their smallest and largest value."""

    kind: str
    """One of ``KINDS``."""
    low: float
    high: float

    def __or__(self, other: Extent) -> Extent:
        """Return the extent of both, of the more general kind."""
        kind = max(self.kind, other.kind, key=KINDS.index)
        return Extent(kind, min(self.low, other.low), max(self.high, other.high))


@dataclass(frozen=True)
class ValueRange:
    """The values of black and of white. Values outside are clipped."""

    low: float
    high: float

    @classmethod
    def parse(cls, text: str) -> ValueRange | None:
        """Return the range that ``LOW:HIGH`` names; ``None`` if it is decided from the images."""
        limits = parse_value_range(text)
        return cls(*limits) if limits else None

    def __str__(self) -> str:
        """Return ``LOW:HIGH``, which ``parse`` reads again without loss."""
        return f"{_shortest(self.low)}:{_shortest(self.high)}"

    def scale(self, values: Values) -> npt.NDArray[np.uint8]:
        """Return values of any type and shape as uint8: ``low`` becomes 0 and ``high`` becomes 255."""
        if values.dtype.kind == "u" and values.dtype.itemsize == 2:
            table = self._scale(np.arange(2**16))
            return table[values]
        return self._scale(values)

    def _scale(self, values: Values) -> npt.NDArray[np.uint8]:
        flat = values.reshape(-1)
        scaled = np.empty(flat.shape, np.uint8)
        factor = 255.0 / (self.high - self.low)
        for start in range(0, len(flat), BLOCK_VALUES):
            block = flat[start : start + BLOCK_VALUES].astype(np.float64)
            scaled[start : start + BLOCK_VALUES] = np.clip((block - self.low) * factor + 0.5, 0, 255)
        return scaled.reshape(values.shape)


def _shortest(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def measure_extent(values: Values) -> Extent:
    """Return the extent of one image; raise ``DataError`` if a value is NaN or infinite."""
    if values.size == 0:
        raise DataError("the image has no pixels")
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        bad_count = values.size - int(np.isfinite(values).sum())
        raise DataError(f"{bad_count:,} of its {values.size:,} values are NaN or infinite")
    if values.dtype.kind == "f":
        return Extent("floating-point", low, high)
    return Extent("16-bit" if values.dtype.itemsize <= 2 else "32-bit", low, high)


def merge_extents(extents: Iterable[Extent]) -> Extent:
    """Return the common extent of at least one image."""
    return functools.reduce(lambda first, second: first | second, extents)


def require_one_kind(extents: Iterable[Extent]) -> None:
    """Raise ``DataError`` if integers and floating-point values are mixed: one range cannot be right for both."""
    kinds = {"floating-point" if extent.kind == "floating-point" else "integer" for extent in extents}
    if len(kinds) > 1:
        raise DataError(
            "Some images hold integers of more than 8 bits and others floating-point values, so no range fits all of "
            "them. Convert them to one kind, or give the range with --set data.value_range=LOW:HIGH."
        )


def choose_range(extent: Extent) -> ValueRange:
    """Return the range of values that data of this extent most likely use.

    - Integers from 0 on use the fewest of 8, 10, 12, 14 or 16 bits that hold the largest value.
    - Floating-point values up to 1 use [0, 1], or [-1, 1] if some are negative. Up to 255 they use [0, 255], and up to
      65,535 they use [0, 65535], but only if the largest value is more than half of that.
    - All other data use their own smallest and largest value, and 0 if none is negative.
    """
    low, high = extent.low, extent.high
    if low < 0:
        if extent.kind == "floating-point":
            if -low <= TOLERANCE * high:
                return choose_range(Extent(extent.kind, 0.0, high))
            if low >= -1 - TOLERANCE and high <= 1 + TOLERANCE:
                return ValueRange(-1.0, 1.0)
        return ValueRange(low, high if high > low else 0.0)
    if extent.kind == "floating-point":
        if high <= 1 + TOLERANCE:
            return ValueRange(0.0, 1.0)
        likely = [white for white in FLOAT_WHITES if white / 2 < high <= white * (1 + TOLERANCE)]
        return ValueRange(0.0, likely[0] if likely else high)
    whites = [2.0**bits - 1 for bits in INTEGER_BITS]
    return ValueRange(0.0, next((white for white in whites if high <= white), high))


def describe_range(extent: Extent, chosen: ValueRange, is_given: bool) -> str:
    """Return a sentence on the values of images and the range that decoding uses."""
    known = f"{extent.kind} values from {extent.low:,.6g} to {extent.high:,.6g}"
    if is_given:
        return f"{known}, decoded with the range {chosen}"
    bits = [bits for bits in INTEGER_BITS if chosen == ValueRange(0.0, 2.0**bits - 1)]
    if extent.kind != "floating-point" and bits:
        return f"{extent.kind}, largest value {extent.high:,.0f}: taken as {bits[0]} bits ({chosen})"
    return f"{known}: taken as the range {chosen}"
