"""Decoding of untrusted files into upright 8-bit images, with limits on pixels, memory and time."""

from __future__ import annotations

import errno
import io
import re
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageColor, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from discogan.errors import ConfigError, DataError, TooLargeError
from discogan.files import read_regular
from discogan.images.files import decodable_formats
from discogan.images.ranges import (
    Extent,
    ValueRange,
    Values,
    choose_range,
    describe_range,
    measure_extent,
    merge_extents,
    require_one_kind,
)
from discogan.names import name_of

MAX_PIXELS = 100_000_000
"""Pixels of the largest image that is decoded by default."""
BYTES_PER_PIXEL = 16
"""Bytes that a pixel takes at most in a file without compression: four channels of 32 bits."""
HEADER_BYTES = 64 * 2**20
"""Bytes that a file may have in addition, for its headers and metadata."""
FREE_READS = 20_000
"""Read operations that any file may need: more parts than the header of a real image has."""
BYTES_PER_READ = 64
"""Bytes of a file for which one more read operation is allowed."""
DRAFT_FACTOR = 4
"""A JPEG is decoded at reduced size if the result still has this many times the height and width that is needed."""
STRIP_PIXELS = 2**22
"""Pixels that are converted at a time, so that a large image needs no second copy with four channels."""
SIXTEEN_BIT_MODES = {
    "RGB;16B": ("RGB;16L", "RGB"),
    "RGB;16L": ("RGB;16B", "RGB"),
    "RGB;16N": ("RGB;16B", "RGB"),
    "RGBA;16B": ("RGBA;16L", "RGBA"),
    "RGBA;16L": ("RGBA;16B", "RGBA"),
    "RGBA;16N": ("RGBA;16B", "RGBA"),
    "LA;16B": ("RGBA", "LA"),
}
"""Raw modes of colour images with 16 bits per channel, of which Pillow keeps the high bytes. Each has the raw mode that
reads the low bytes, and its channels. ``LA;16B`` is read as four channels of 8 bits: high and low bytes in turn."""


def max_file_bytes(max_pixels: int) -> int:
    """Return the size in bytes above which a file is not read, because no image of that many pixels needs more."""
    return max_pixels * BYTES_PER_PIXEL + HEADER_BYTES


def read_image_file(path: Path, max_pixels: int = MAX_PIXELS) -> bytes:
    """Return the bytes of a regular file.

    Raises ``DataError`` if it cannot be read, is not a regular file, or is too large for ``max_pixels`` pixels.
    """
    max_bytes = max_file_bytes(max_pixels)
    shown = name_of(path)
    try:
        return read_regular(path, max_bytes)
    except FileNotFoundError as error:
        problem = "is a dead link" if path.is_symlink() else "does not exist"
        raise DataError(f"{shown} {problem}. Restore or remove it.") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DataError(f"{shown} is a link that leads to itself. Correct or remove it.") from error
        if error.errno == errno.EINVAL:
            raise DataError(f"{shown} is {error.strerror}. Give an image file.") from error
        if error.errno == errno.EFBIG:
            raise DataError(
                f"{shown} has {error.strerror}. Reduce the image, or train with a larger --set data.max_megapixels."
            ) from error
        raise DataError(f"{shown} cannot be read ({error.strerror or error}). Check its permissions.") from error


def decode_image(
    source: Path | bytes | Image.Image,
    channels: int,
    background: str = "white",
    *,
    value_range: str = "auto",
    max_pixels: int = MAX_PIXELS,
    needed_pixels: int | None = None,
    name: str = "",
) -> Image.Image:
    """Return any image that Pillow reads as upright 8-bit grey (``channels`` 1) or RGB (3), first frame only.

    Alpha is composited on ``background``. CMYK and palettes are converted. EXIF orientation is applied.

    Parameters
    ----------
    source
        A file, its bytes, or an image.
    value_range
        ``LOW:HIGH``, the values of black and white in images of more than 8 bits; ``auto`` decides by this image, and
        ``image`` decides as version 0.1.0 did.
    max_pixels
        The largest width times height, compared with the header before any pixel is decoded.
    needed_pixels
        The height and width to which the caller reduces the image. A much larger JPEG is decoded at reduced size.
    name
        What messages call the image; by default the path.

    Raises ``DataError`` if the image is damaged or has NaN or infinite values, and ``TooLargeError`` if it has too many
    pixels. Decoding takes at most 17 bytes of memory per pixel.
    """
    given = ValueRange.parse(value_range)
    with _explained(source, name, max_pixels):
        data = read_image_file(source, max_pixels) if isinstance(source, Path) else source
        is_old = value_range == "image"
        decoded = _decode(data, max_pixels, None if is_old else needed_pixels, keep_depth=not is_old)
        if isinstance(decoded, DeepImage):
            chosen = _range_of_version_0_1(decoded.values) if is_old else given or choose_range(decoded.extent)
            decoded = decoded.to_eight_bits(chosen)
        return _flatten(decoded, channels, background)


def decode_or_measure(
    source: bytes,
    channels: int,
    background: str,
    *,
    value_range: str,
    max_pixels: int,
    needed_pixels: int | None,
    name: str,
) -> tuple[Image.Image | None, Extent | None]:
    """Return an image as ``decode_image`` does, and its extent if it has more than 8 bits.

    With the value range ``auto``, such an image is not decoded further, because the extents of all images decide.
    """
    if value_range == "image":
        image = decode_image(source, channels, background, value_range="image", max_pixels=max_pixels, name=name)
        return image, None
    given = ValueRange.parse(value_range)
    with _explained(source, name, max_pixels):
        decoded = _decode(source, max_pixels, needed_pixels, keep_depth=True)
        if not isinstance(decoded, DeepImage):
            return _flatten(decoded, channels, background), None
        extent = decoded.extent
        if given is None:
            return None, extent
        return _flatten(decoded.to_eight_bits(given), channels, background), extent


def common_range(files: Iterable[Path], max_pixels: int = MAX_PIXELS) -> tuple[str, str] | None:
    """Return the value range that all images of more than 8 bits share, as ``LOW:HIGH`` and as a phrase.

    ``None`` if all files have 8 bits. Only images of more than 8 bits are decoded. Damaged files are passed over.
    Raises ``DataError`` if integers and floating-point values are mixed.
    """
    extents = []
    for file in files:
        try:
            data = read_image_file(file, max_pixels)
            with (
                _explained(file, "", max_pixels),
                Image.open(_BoundedReads(data), formats=decodable_formats()) as image,
            ):
                is_deep = image.mode.startswith(("I", "F")) or _low_byte_mode(image) is not None
            if is_deep:
                _, extent = decode_or_measure(
                    data, 3, "white", value_range="auto", max_pixels=max_pixels, needed_pixels=None, name=name_of(file)
                )
                extents += [extent] if extent else []
        except DataError:
            continue
    if not extents:
        return None
    require_one_kind(extents)
    extent = merge_extents(extents)
    chosen = choose_range(extent)
    return str(chosen), describe_range(extent, chosen, False)


@dataclass(frozen=True)
class DeepImage:
    """An image of more than 8 bits: ``values`` (H, W) or (H, W, 3), and its transparency in 8 bits if it has any."""

    values: Values
    alpha: npt.NDArray[np.uint8] | None

    @property
    def extent(self) -> Extent:
        """The smallest and the largest value; raises ``DataError`` for NaN and infinity."""
        return measure_extent(self.values)

    def to_eight_bits(self, value_range: ValueRange) -> Image.Image:
        """Return the image in mode L, RGB, LA or RGBA; raise ``DataError`` for NaN and infinity."""
        measure_extent(self.values)
        image = Image.fromarray(value_range.scale(self.values))
        if self.alpha is not None:
            image.putalpha(Image.fromarray(self.alpha))
        return image


@contextmanager
def _explained(source: Path | bytes | Image.Image, name: str, max_pixels: int) -> Iterator[None]:
    """Turn everything that Pillow raises or warns about into a ``DataError`` that names the image."""
    if not name:
        name = name_of(source) if isinstance(source, Path) else "The image"
    try:
        with _pillow_limits(max_pixels):
            yield
    except (ConfigError, TooLargeError):
        raise
    except _TooManyPixelsError as error:
        raise TooLargeError(name, error.pixels, max_pixels) from error
    except Image.DecompressionBombError as error:
        count = re.search(r"\((\d+) pixels\)", str(error))
        raise TooLargeError(name, int(count[1]) if count else max_pixels + 1, max_pixels) from error
    except MemoryError as error:
        raise DataError(f"{name} needs more memory than is free. Reduce the image.") from error
    except DataError as error:
        if isinstance(source, Path) and str(error).startswith(name):
            raise
        raise DataError(f"{name} is not a usable image: {error}. Repair or remove it.") from error
    except Exception as error:  # Pillow's plugins raise almost anything for a damaged file.
        problem = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, UnidentifiedImageError):
            problem = "unknown format"
        raise DataError(f"{name} is not a readable image ({problem}). Repair or remove it.") from error


class _TooManyPixelsError(Exception):
    def __init__(self, pixels: int) -> None:
        self.pixels = pixels
        super().__init__()


_lock = threading.Lock()
_active_limits: list[int] = []
_former: list[object] = []


@contextmanager
def _pillow_limits(max_pixels: int) -> Iterator[None]:
    """Replace Pillow's own limit of pixels, and silence its warnings, while any thread decodes.

    Pillow's limit and Python's warning filters belong to the whole process, so the last thread restores both.
    """
    with _lock:
        if not _active_limits:
            catcher = warnings.catch_warnings()
            catcher.__enter__()
            warnings.simplefilter("ignore")
            _former[:] = [Image.MAX_IMAGE_PIXELS, catcher]
        _active_limits.append(max_pixels)
        # Pillow refuses twice this number, also for images inside of others, such as those of an icon.
        Image.MAX_IMAGE_PIXELS = max(_active_limits) // 2 + 1
    try:
        yield
    finally:
        with _lock:
            _active_limits.remove(max_pixels)
            if not _active_limits:
                Image.MAX_IMAGE_PIXELS = _former[0]  # type: ignore[assignment]
                _former[1].__exit__(None, None, None)  # type: ignore[attr-defined]


class _BoundedReads(io.BytesIO):
    """Bytes of a file that can be read in a limited number of steps: endless headers are an error, not a hang."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._reads_left = FREE_READS + len(data) // BYTES_PER_READ

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads_left -= 1
        if self._reads_left < 0:
            raise ValueError("its header has too many parts")
        return super().read(size)


def _decode(
    data: bytes | Image.Image, max_pixels: int, needed_pixels: int | None, keep_depth: bool
) -> Image.Image | DeepImage:
    """Return the first frame, upright: an image of 8 bits, or the values of more than 8 bits.

    Without ``keep_depth``, colours of 16 bits are reduced to their high bytes, and 16-bit greys lose transparency.
    """
    if isinstance(data, Image.Image):
        _require_few_pixels(data.size, max_pixels)
        return _load(data, keep_depth, is_own=False)
    _require_few_pixels(_declared_webp_size(data), max_pixels)
    with Image.open(_BoundedReads(data), formats=decodable_formats()) as image:
        _require_few_pixels(image.size, max_pixels)
        low_mode = _low_byte_mode(image) if keep_depth else None
        if needed_pixels is not None and isinstance(image, JpegImageFile):
            least = DRAFT_FACTOR * needed_pixels
            image.draft(None, (least, least))
        decoded = _load(image, keep_depth)
        if low_mode is None or isinstance(decoded, DeepImage):
            return decoded
        with Image.open(_BoundedReads(data), formats=decodable_formats()) as low_image:
            return _join_bytes(decoded, low_image, *low_mode)


def _require_few_pixels(size: tuple[int, int], max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise _TooManyPixelsError(size[0] * size[1])


def _declared_webp_size(data: bytes) -> tuple[int, int]:
    """Return the (width, height) of an extended WebP file, whose decoder allocates it at once; else (0, 0)."""
    if data[:4] != b"RIFF" or data[8:16] != b"WEBPVP8X":
        return 0, 0
    return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1


def _low_byte_mode(image: Image.Image) -> tuple[str, str] | None:
    """Return how to read the low bytes of a colour image with 16 bits per channel; ``None`` for any other image."""
    tiles = getattr(image, "tile", [])
    if image.format not in ("PNG", "TIFF") or len({_raw_mode(tile.args) for tile in tiles}) != 1:
        return None
    return SIXTEEN_BIT_MODES.get(_raw_mode(tiles[0].args))


def _raw_mode(arguments: object) -> str:
    mode = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return mode if isinstance(mode, str) else ""


def _load(image: Image.Image, keep_transparency: bool, is_own: bool = True) -> Image.Image | DeepImage:
    """Decode the first frame and turn it upright, in its place if the image is not the caller's own."""
    if image.tell():
        image.seek(0)
    # Pillow reads unsigned 32-bit integers as signed ones. The raw mode of signed data ends with S.
    is_unsigned = any(re.fullmatch("I;32[NLB]?", _raw_mode(tile.args)) for tile in getattr(image, "tile", []))
    image.load()
    if not is_own:
        image = image.copy()
    _turn_upright(image)
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image)
    if is_unsigned:
        values = values.view(np.uint32)
    transparent = image.info.get("transparency")
    if not isinstance(transparent, int) or not keep_transparency:
        return DeepImage(values, None)
    return DeepImage(values, np.where(values == transparent, 0, 255).astype(np.uint8))


def _turn_upright(image: Image.Image) -> None:
    """Turn the image as its EXIF data says; leave it unchanged if they are damaged."""
    with suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)


def _join_bytes(high_image: Image.Image, low_image: Image.Image, low_mode: str, channels: str) -> DeepImage:
    """Return 16-bit values from the image of their high bytes and a file that is read again for the low bytes."""
    transparent = low_image.info.pop("transparency", None)
    tiles = []
    for tile in low_image.tile:  # type: ignore[attr-defined]
        arguments = (low_mode, *tile.args[1:]) if isinstance(tile.args, tuple) else low_mode
        tiles.append(tile._replace(args=arguments))
    low_image.tile = tiles  # type: ignore[attr-defined]
    low_image.load()
    _turn_upright(low_image)
    if channels == "LA":
        values = np.empty((low_image.height, low_image.width), np.uint16)
        for top, strip in _strips(low_image):
            values[top : top + len(strip)] = strip[..., 0].astype(np.uint16) << 8 | strip[..., 1]
        return DeepImage(values, np.asarray(low_image.getchannel(2)))
    values = np.empty((low_image.height, low_image.width, 3), np.uint16)
    for (top, high), (_, low) in zip(_strips(high_image), _strips(low_image), strict=True):
        values[top : top + len(high)] = high[..., :3].astype(np.uint16) << 8 | low[..., :3]
    if channels == "RGBA":
        return DeepImage(values, np.asarray(high_image.getchannel(3)))
    if isinstance(transparent, tuple):
        return DeepImage(values, np.where((values == transparent).all(2), 0, 255).astype(np.uint8))
    return DeepImage(values, None)


def _strips(image: Image.Image) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    """Yield the first row and the pixels (rows, width, channels) of strips of an image."""
    rows = max(1, STRIP_PIXELS // max(1, image.width))
    for top in range(0, image.height, rows):
        yield top, np.asarray(image.crop((0, top, image.width, min(top + rows, image.height))))


def _range_of_version_0_1(values: Values) -> ValueRange:
    """Return the range that version 0.1.0 guessed for each image, so that its runs keep their images."""
    highest = values.max(initial=0)
    if values.dtype.kind == "f" and highest <= 1.0:
        return ValueRange(0.0, 1.0)
    if values.dtype.itemsize > 2 and highest <= 255.0:
        return ValueRange(0.0, 255.0)
    return ValueRange(0.0, 65535.0)


def _flatten(image: Image.Image, channels: int, background: str) -> Image.Image:
    """Return an upright image of 8 bits as grey or RGB on the background, converted strip by strip."""
    mode = "L" if channels == 1 else "RGB"
    colour = parse_colour(background)
    if image.mode == mode and not image.has_transparency_data:
        return image
    flat = Image.new(mode, image.size)
    rows = max(1, STRIP_PIXELS // max(1, image.width))
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        if image.has_transparency_data:
            layer = strip.convert("RGBA")
            strip = Image.new("RGBA", layer.size, colour)
            strip.alpha_composite(layer)
        flat.paste(strip.convert(mode), (0, top))
    return flat


def parse_colour(colour: str) -> tuple[int, int, int]:
    """Return the RGB values of a colour's name or #rrggbb; raise ``ConfigError`` for any other text."""
    try:
        red, green, blue = ImageColor.getrgb(colour)[:3]
    except ValueError as error:
        raise ConfigError(f"{colour!r} is not a colour. Give a name such as white, or #rrggbb.") from error
    return red, green, blue
