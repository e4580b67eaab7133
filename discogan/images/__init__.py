"""Images on disk and in memory: decoding, resizing, pixel ranges, thumbnails, sheets.

    files        which files of a folder are images
    decoding     files of any format as upright 8-bit images, within limits
    inputs       which images a command reads, and the names of its results
    ranges       the values of black and white in images of more than 8 bits

The only package that knows pixel ranges and channel order. A stored image is a uint8 array (height, width, channels),
RGB or grey. A network's image is a float tensor (batch, channels, height, width) in a ``PixelRange``. A metric's image
is a float RGB tensor (batch, 3, height, width) in [0, 1].

Decoding needs no PyTorch, so worker processes start fast; functions on tensors import it when they are called.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from discogan.errors import DataError
from discogan.images.decoding import MAX_PIXELS as MAX_PIXELS
from discogan.images.decoding import common_range as common_range
from discogan.images.decoding import decode_image as decode_image
from discogan.images.decoding import parse_colour as parse_colour
from discogan.images.files import SUFFIXES as SUFFIXES
from discogan.images.files import LeftOut as LeftOut
from discogan.images.files import find_images as find_images
from discogan.images.files import image_files as image_files
from discogan.images.files import is_image_name as is_image_name
from discogan.images.files import natural_key as natural_key

if TYPE_CHECKING:
    from torch import Tensor

Pixels = npt.NDArray[np.uint8]
Fit = Literal["crop", "pad", "stretch"]
THUMBNAIL_PIXELS = 16
"""Height and width of the thumbnails that metrics compare."""


@dataclass(frozen=True)
class PixelRange:
    """The interval of a network's pixel values, and the conversion from and to uint8."""

    low: float
    high: float

    def encode(self, pixels: Tensor) -> Tensor:
        """Convert uint8 (N, H, W, C) in [0, 255] to float32 (N, C, H, W) in [low, high]."""
        return pixels.permute(0, 3, 1, 2).float().mul_((self.high - self.low) / 255).add_(self.low)

    def decode(self, images: Tensor) -> Tensor:
        """Convert float (N, C, H, W) to the nearest uint8 (N, H, W, C), clipped to [0, 255]."""
        return self.to_unit(images).mul(255).round_().clamp_(0, 255).byte().permute(0, 2, 3, 1)

    def to_unit(self, images: Tensor) -> Tensor:
        """Convert float (N, C, H, W) in [low, high] to float32 in [0, 1]."""
        return (images.float() - self.low) / (self.high - self.low)


PIXEL_RANGES = {"sigmoid": PixelRange(0.0, 1.0), "tanh": PixelRange(-1.0, 1.0), "linear": PixelRange(0.0, 1.0)}
"""The pixel range of each output activation of a generator. A linear output can leave it and is clipped."""


def as_rgb(images: Tensor) -> Tensor:
    """Return grey images (N, 1, H, W) repeated to three channels, and RGB images unchanged."""
    return images.expand(-1, 3, -1, -1)


def to_unit_rgb(pixels: Pixels) -> Tensor:
    """Convert uint8 (N, H, W, 1 or 3) to float32 RGB (N, 3, H, W) in [0, 1], as metrics take it."""
    import torch

    return as_rgb(torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 255)


def make_thumbnails(images: Tensor) -> Tensor:
    """Return images (N, 1 or 3, H, W) as RGB area averages, float32 (N, 3, 16, 16) in the same range."""
    from torch.nn.functional import adaptive_avg_pool2d

    return adaptive_avg_pool2d(as_rgb(images.float()), THUMBNAIL_PIXELS)


def evenly_spaced(count: int, wanted: int) -> list[int]:
    """Return at most ``wanted`` of the indices 0 to ``count`` - 1, evenly spaced, the first and last among them."""
    if count <= wanted:
        return list(range(count))
    return [int(index) for index in np.linspace(0, count - 1, wanted).round()]


def fit_image(image: Image.Image, size: int, fit: Fit, background: str = "white") -> Image.Image:
    """Return the image as a square of ``size`` pixels: centre-cropped, padded with the background, or stretched."""
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


@dataclass(frozen=True)
class Prepared:
    """An image at the size of the networks, uint8 (H, W, C), and the (width, height) of the original."""

    pixels: Pixels
    size: tuple[int, int]


def prepare_pixels(
    source: Path | bytes | Image.Image,
    channels: int,
    size: int,
    fit: Fit,
    background: str = "white",
    value_range: str = "auto",
    max_pixels: int = MAX_PIXELS,
) -> Prepared:
    """Decode a file, its bytes or an image and fit it to networks of ``size`` pixels.

    Raises ``DataError`` and ``TooLargeError`` as ``decode_image``.
    """
    upright = decode_image(source, channels, background, value_range=value_range, max_pixels=max_pixels)
    return Prepared(to_pixels(fit_image(upright, size, fit, background)), upright.size)


def encode_png(image: Image.Image) -> bytes:
    """Return an image as a PNG file, with low compression, because that is much faster."""
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def unfit_image(image: Image.Image, original: tuple[int, int], fit: Fit) -> Image.Image:
    """Return a square result at the ``original`` (width, height) of its input.

    Padding is cut off and stretching is reversed. What a crop removed has no translation, so with ``crop`` the result
    is the central square at its original scale.
    """
    width, height = original
    resample = Image.Resampling.BICUBIC
    if fit == "crop":
        side = min(width, height)
        return image.resize((side, side), resample)
    if fit == "stretch":
        return image.resize((width, height), resample)
    # Only the part without padding is resized. The whole square could be many times larger than the original.
    side = max(width, height)
    left, top = (side - width) // 2, (side - height) // 2
    scale = image.width / side
    box = (left * scale, top * scale, (left + width) * scale, (top + height) * scale)
    return image.resize((width, height), resample, box)


def dilate_dark(image: Image.Image) -> Image.Image:
    """Thicken dark lines on a light ground once, by a 3x3 kernel, as the official code prepares edges."""
    return image.filter(ImageFilter.MinFilter(3))


def to_pixels(image: Image.Image) -> Pixels:
    """Return a grey or RGB Pillow image as uint8 (H, W, C)."""
    array = np.asarray(image, dtype=np.uint8)
    return array[:, :, None] if array.ndim == 2 else array


def from_pixels(pixels: Pixels) -> Image.Image:
    """Return uint8 (H, W, 1 or 3) as a Pillow image."""
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def as_image(value: Image.Image | npt.NDArray[np.generic]) -> Image.Image:
    """Return a Pillow image, or a uint8 array (H, W) or (H, W, 1, 3 or 4), as a Pillow image.

    Raises ``DataError`` for any other value.
    """
    if isinstance(value, Image.Image):
        return value
    if not isinstance(value, np.ndarray):
        raise DataError(
            f"Expected a Pillow image or a uint8 array, got {type(value).__name__}. Open it with PIL.Image.open first."
        )
    if value.dtype != np.uint8:
        raise DataError(
            f"Expected a Pillow image or a uint8 array, got a {value.dtype} array. Convert it to uint8 in [0, 255]."
        )
    if value.ndim == 3 and value.shape[2] == 1:
        value = value[:, :, 0]
    if not (value.ndim == 2 or (value.ndim == 3 and value.shape[2] in (3, 4))):
        raise DataError(f"Expected an array (height, width[, 1, 3 or 4]), got shape {value.shape}.")
    return Image.fromarray(value)


def draw_sheet(
    rows: Sequence[tuple[str, Sequence[Pixels]]],
    title: str = "",
    cell_pixels: int = 96,
    captions: Mapping[str, Sequence[str]] | None = None,
) -> Image.Image:
    """Return labelled rows of images as one picture; each cell is ``cell_pixels`` square, smoothly enlarged.

    ``captions`` maps the label of a row to a text for each of its images, drawn over the lower left corner.
    """
    gap, label_width, margin = 4, 150, 6
    label_font, caption_font = ImageFont.load_default(size=15), ImageFont.load_default(size=12)
    top = 34 if title else gap
    columns = max(len(images) for _, images in rows)
    width = label_width + columns * (cell_pixels + gap) + margin
    height = top + len(rows) * (cell_pixels + gap) + margin
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((10, 9), title, fill="black", font=label_font)
    for row, (label, images) in enumerate(rows):
        y = top + row * (cell_pixels + gap)
        draw.text((10, y + cell_pixels // 2 - 9), label, fill="black", font=label_font)
        for column, pixels in enumerate(images):
            cell = from_pixels(pixels).convert("RGB").resize((cell_pixels, cell_pixels), Image.Resampling.LANCZOS)
            sheet.paste(cell, (label_width + column * (cell_pixels + gap), y))
        for column, caption in enumerate((captions or {}).get(label, ())):
            corner = (label_width + column * (cell_pixels + gap) + 3, y + cell_pixels - 3)
            draw.text(corner, caption, "black", caption_font, anchor="ls", stroke_width=2, stroke_fill="white")
    return sheet
