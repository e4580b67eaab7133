"""Images on disk and in memory: decoding, fitting, pixel ranges, sheets.

The only module that knows pixel ranges and channel order. At rest an image is a uint8 array
(height, width, channels), RGB or grey. In a network it is a float tensor (batch, channels, height,
width) in a ``PixelRange``. Decoding needs no PyTorch, so that worker processes start at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageColor, ImageDraw, ImageFilter, ImageFont, ImageOps

from discogan.errors import ConfigError, DataError

if TYPE_CHECKING:
    from torch import Tensor

Pixels = npt.NDArray[np.uint8]
Fit = Literal["crop", "pad", "stretch"]
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"})


@dataclass(frozen=True)
class PixelRange:
    """The interval that a network's pixels lie in, and the way there from uint8 and back."""

    low: float
    high: float

    def encode(self, pixels: Tensor) -> Tensor:
        """uint8 (N, H, W, C) in [0, 255] to float32 (N, C, H, W) in [low, high]."""
        return pixels.permute(0, 3, 1, 2).float().mul_((self.high - self.low) / 255).add_(self.low)

    def decode(self, images: Tensor) -> Tensor:
        """Float (N, C, H, W) to the nearest uint8 (N, H, W, C), clipped to [0, 255]."""
        return self.to_unit(images).mul(255).round_().clamp_(0, 255).byte().permute(0, 2, 3, 1)

    def to_unit(self, images: Tensor) -> Tensor:
        """Float (N, C, H, W) in [low, high] to float32 in [0, 1]."""
        return (images.float() - self.low) / (self.high - self.low)


PIXEL_RANGES = {"sigmoid": PixelRange(0.0, 1.0), "tanh": PixelRange(-1.0, 1.0), "linear": PixelRange(0.0, 1.0)}
"""The pixel range that goes with each output activation of a generator; a linear one may leave it and is clipped."""


def decode_image(source: Path | Image.Image, channels: int, background: str = "white") -> Image.Image:
    """Any image Pillow reads, as upright 8-bit grey (``channels`` 1) or RGB (3), first frame only.

    Alpha is composited on ``background``; 16-bit and floating-point greys are scaled to 8 bits; CMYK
    and palettes are converted; EXIF orientation is applied. Raises ``DataError`` for a broken file.
    """
    try:
        if isinstance(source, Image.Image):
            return _flatten(source, channels, background)
        with Image.open(source) as image:
            return _flatten(image, channels, background)
    except ConfigError:
        raise
    except Exception as error:  # A damaged file makes Pillow's plugins raise almost anything.
        raise DataError(f"{source} is not a readable image ({error}); repair or remove it.") from error


def _flatten(image: Image.Image, channels: int, background: str) -> Image.Image:
    """The first frame, upright, in 8 bits, on the background."""
    if image.tell():
        image.seek(0)
    image.load()
    image = _to_eight_bits(_upright(image))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.new("RGBA", layer.size, parse_colour(background))
        image.alpha_composite(layer)
    return image.convert("L" if channels == 1 else "RGB")


def _upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF says; as it lies where damaged EXIF says nothing."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        return image


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and floating-point greys as 8-bit ones; Pillow's own conversion clips them."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image, dtype=np.float64)
    if image.mode == "F":
        top = 1.0 if values.max(initial=0) <= 1.0 else 255.0 if values.max() <= 255.0 else 65535.0
    else:
        top = 255.0 if image.mode == "I" and values.max(initial=0) <= 255 else 65535.0
    return Image.fromarray(np.clip(values * (255.0 / top) + 0.5, 0, 255).astype(np.uint8))


def parse_colour(colour: str) -> tuple[int, int, int]:
    """A colour's name or #rrggbb as RGB; raises ``ConfigError`` for any other text."""
    try:
        red, green, blue = ImageColor.getrgb(colour)[:3]
    except ValueError as error:
        raise ConfigError(f"{colour!r} is not a colour; give a name such as white, or #rrggbb.") from error
    return red, green, blue


def fit_image(image: Image.Image, size: int, fit: Fit, background: str = "white") -> Image.Image:
    """The image as a square of ``size`` pixels: centre-cropped, padded with the background, or stretched."""
    if image.size == (size, size):
        return image
    resample = Image.Resampling.BICUBIC
    if fit == "stretch":
        return image.resize((size, size), resample)
    if fit == "crop":
        return ImageOps.fit(image, (size, size), resample)
    red, green, blue = parse_colour(background)
    colour = round(0.299 * red + 0.587 * green + 0.114 * blue) if image.mode == "L" else (red, green, blue)
    return ImageOps.pad(image, (size, size), resample, color=colour)


def unfit_image(image: Image.Image, original: tuple[int, int], fit: Fit) -> Image.Image:
    """A square result at the ``original`` (width, height) its input had.

    Padding is cut off again and stretching undone; what a crop removed cannot come back, so there
    the result is the square that the crop kept, at its original scale.
    """
    width, height = original
    resample = Image.Resampling.BICUBIC
    if fit == "stretch":
        return image.resize((width, height), resample)
    side = max(width, height) if fit == "pad" else min(width, height)
    square = image.resize((side, side), resample)
    if fit == "crop":
        return square
    left, top = (side - width) // 2, (side - height) // 2
    return square.crop((left, top, left + width, top + height))


def dilate_dark(image: Image.Image) -> Image.Image:
    """Dark lines on a light ground, thickened once by a 3x3 kernel (the official edges preparation)."""
    return image.filter(ImageFilter.MinFilter(3))


def to_pixels(image: Image.Image) -> Pixels:
    """A grey or RGB Pillow image as uint8 (H, W, C)."""
    array = np.asarray(image, dtype=np.uint8)
    return array[:, :, None] if array.ndim == 2 else array


def from_pixels(pixels: Pixels) -> Image.Image:
    """uint8 (H, W, 1 or 3) as a Pillow image."""
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def as_image(value: Image.Image | npt.NDArray[np.generic]) -> Image.Image:
    """A Pillow image, or a uint8 array (H, W) or (H, W, 1, 3 or 4); raises ``DataError`` for anything else."""
    if isinstance(value, Image.Image):
        return value
    if not isinstance(value, np.ndarray) or value.dtype != np.uint8:
        kind = f"{value.dtype} array" if isinstance(value, np.ndarray) else type(value).__name__
        raise DataError(f"Expected a Pillow image or a uint8 array, got {kind}; convert it to uint8 in [0, 255].")
    if value.ndim == 3 and value.shape[2] == 1:
        value = value[:, :, 0]
    if not (value.ndim == 2 or (value.ndim == 3 and value.shape[2] in (3, 4))):
        raise DataError(f"Expected an array (height, width[, 1, 3 or 4]), got shape {value.shape}.")
    return Image.fromarray(value)


def natural_key(name: str) -> tuple[list[tuple[int, str]], str]:
    """Sorts img2 before img10, and names that differ in leading zeros always the same way."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)], name


def image_files(folder: Path) -> list[Path]:
    """Every image file below ``folder`` by suffix, hidden ones left out, in natural order."""
    # A dead link is kept: decoding names it as broken, where leaving it out here would hide it.
    files = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and not path.is_dir())
    visible = (path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts))
    return sorted(visible, key=lambda path: natural_key(path.relative_to(folder).as_posix()))


def draw_sheet(
    rows: Sequence[tuple[str, Sequence[Pixels]]],
    title: str = "",
    cell_pixels: int = 96,
    captions: Mapping[str, Sequence[str]] | None = None,
) -> Image.Image:
    """Labelled rows of images as one picture, each cell ``cell_pixels`` square, smoothly enlarged.

    ``captions`` has a text for each image of the rows with these labels, drawn over its lower left corner.
    """
    gap, label_width, margin = 4, 150, 6
    font, font_of_captions = ImageFont.load_default(size=15), ImageFont.load_default(size=12)
    top = 34 if title else gap
    columns = max(len(images) for _, images in rows)
    sheet = Image.new(
        "RGB",
        (label_width + columns * (cell_pixels + gap) + margin, top + len(rows) * (cell_pixels + gap) + margin),
        "white",
    )
    draw = ImageDraw.Draw(sheet)
    draw.text((10, 9), title, fill="black", font=font)
    for row, (label, images) in enumerate(rows):
        y = top + row * (cell_pixels + gap)
        draw.text((10, y + cell_pixels // 2 - 9), label, fill="black", font=font)
        for column, pixels in enumerate(images):
            cell = from_pixels(pixels).convert("RGB").resize((cell_pixels, cell_pixels), Image.Resampling.LANCZOS)
            sheet.paste(cell, (label_width + column * (cell_pixels + gap), y))
        for column, caption in enumerate((captions or {}).get(label, ())):
            corner = (label_width + column * (cell_pixels + gap) + 3, y + cell_pixels - 3)
            draw.text(corner, caption, "black", font_of_captions, anchor="ls", stroke_width=2, stroke_fill="white")
    return sheet
