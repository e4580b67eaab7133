"""Decoding of untrusted files: within limits of pixels, memory and time, and one kind of error."""

import contextlib
import io
import pickle
import struct
import subprocess
import sys
import threading
import time
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from discogan.data import Record
from discogan.data.decoding import Decoding, decode_record
from discogan.errors import DataError, TooLargeError
from discogan.images import decode_image, fit_image, to_pixels

MAX_SECONDS = 5


def chunk(name, content=b""):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def encode(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def huge_png(width, height):
    """Return a small PNG that announces a large image."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND")


@pytest.mark.parametrize(("width", "height"), [(13_000, 13_000), (10_001, 10_000), (2**31 - 1, 2**31 - 1)])
def test_a_huge_image_is_refused_by_its_header(tmp_path, width, height):
    (tmp_path / "x.png").write_bytes(huge_png(width, height))
    started = time.monotonic()
    with pytest.raises(TooLargeError, match=r"x\.png has [\d,.]+ megapixels.* limit of 100.*max_megapixels"):
        decode_image(tmp_path / "x.png", 3)
    assert time.monotonic() - started < 1


def test_the_limit_can_be_changed_in_both_directions():
    data = encode(Image.new("RGB", (100, 100)), "PNG")
    assert decode_image(data, 3, max_pixels=10_000).size == (100, 100)
    with pytest.raises(TooLargeError) as caught:
        decode_image(data, 3, max_pixels=9_999)
    assert (caught.value.pixels, caught.value.max_pixels) == (10_000, 9_999)
    with pytest.raises(DataError, match="not a readable"):
        decode_image(huge_png(20_000, 10_000)[:60], 3, max_pixels=200_000_000)
    with pytest.raises(TooLargeError):
        decode_image(Image.new("RGB", (100, 100)), 3, max_pixels=9_999)


def test_the_error_survives_another_process():
    error = pickle.loads(pickle.dumps(TooLargeError("x.png", 5, 4)))
    assert (type(error), str(error), error.pixels) == (TooLargeError, str(TooLargeError("x.png", 5, 4)), 5)


def test_pillows_own_limit_and_warnings_are_unchanged_afterwards():
    before = Image.MAX_IMAGE_PIXELS
    filters = list(warnings.filters)

    def decode():
        for _ in range(20):
            decode_image(encode(Image.new("RGB", (8, 8)), "PNG"), 3)

    threads = [threading.Thread(target=decode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert before == Image.MAX_IMAGE_PIXELS
    assert list(warnings.filters) == filters


def test_a_large_image_inside_an_icon_is_refused():
    inner = huge_png(13_000, 13_000)
    icon = struct.pack("<HHH", 0, 1, 1) + struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(inner), 22) + inner
    with pytest.raises(DataError):
        decode_image(icon, 3)


def test_a_large_webp_is_refused_before_its_decoder_allocates_it():
    size = (16_382).to_bytes(3, "little")
    data = b"RIFF" + struct.pack("<I", 30) + b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + size + size + bytes(8)
    with pytest.raises(TooLargeError, match=r"268\.4 megapixels"):
        decode_image(data, 3)


@pytest.mark.parametrize("place", ["before", "after"])
def test_many_chunks_are_refused_quickly(place):
    data = encode(Image.new("RGB", (8, 8)), "PNG")
    position = 33 if place == "before" else len(data) - 12
    data = data[:position] + chunk(b"teSt") * 800_000 + data[position:]
    started = time.monotonic()
    with pytest.raises(DataError, match="too many parts"):
        decode_image(data, 3)
    assert time.monotonic() - started < MAX_SECONDS


def test_many_markers_and_texts_are_refused_quickly():
    jpeg = encode(Image.new("RGB", (8, 8)), "JPEG")
    png = encode(Image.new("RGB", (8, 8)), "PNG")
    text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(900_000)))
    started = time.monotonic()
    for data in (jpeg[:2] + b"\xff\xee\x00\x02" * 2_000_000 + jpeg[2:], png[:33] + text * 500 + png[33:]):
        with pytest.raises(DataError):
            decode_image(data, 3)
    assert time.monotonic() - started < MAX_SECONDS


def test_the_memory_of_one_decoding_is_bounded():
    """A transparent image of 25 megapixels needs less than 17 bytes a pixel."""
    script = (
        "import io, resource; from PIL import Image; from discogan.images import decode_image\n"
        "s = io.BytesIO(); Image.new('L', (5000, 5000)).save(s, 'PNG', transparency=3)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "decode_image(s.getvalue(), 3)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / 25e6)"
    )
    pytest.importorskip("resource")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 17


@pytest.mark.parametrize("side", [64, 200, 511])
def test_a_jpeg_near_the_needed_size_is_decoded_in_full(side):
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    data = encode(Image.fromarray(pixels), "JPEG")
    assert (to_pixels(decode_image(data, 3)) == to_pixels(decode_image(data, 3, needed_pixels=64))).all()


def test_a_large_jpeg_is_decoded_at_reduced_size_with_nearly_the_same_result(tmp_path):
    coarse = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8))
    coarse.resize((2048, 2048), Image.Resampling.BICUBIC).save(tmp_path / "x.jpg", quality=95)
    assert decode_image((tmp_path / "x.jpg").read_bytes(), 3, needed_pixels=64).size == (256, 256)
    reduced = decode_record(Record("x", tmp_path / "x.jpg"), Decoding(64, 3)).astype(int)
    full = to_pixels(fit_image(decode_image(tmp_path / "x.jpg", 3), 64, "crop")).astype(int)
    assert np.abs(reduced - full).mean() < 1
    halves = Record("x", tmp_path / "x.jpg", half="left")
    whole = decode_image(tmp_path / "x.jpg", 3).crop((0, 0, 1024, 2048))
    assert (decode_record(halves, Decoding(64, 3)) == to_pixels(fit_image(whole, 64, "crop"))).all()


MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"),
    "WEBP": ("RGB", "RGBA"),
    "BMP": ("1", "L", "P", "RGB"),
    "GIF": ("L", "P", "RGB"),
    "TGA": ("L", "RGB", "RGBA"),
    "PPM": ("1", "L", "RGB", "I;16"),
    "JPEG2000": ("L", "RGB", "RGBA"),
    "ICO": ("RGB", "RGBA"),
    "PCX": ("1", "L", "P", "RGB"),
    "SGI": ("L", "RGB"),
    "DDS": ("L", "RGB", "RGBA"),
    "QOI": ("RGB", "RGBA"),
    "AVIF": ("RGB", "RGBA"),
}
KINDS = [(kind, mode) for kind, modes in MODES.items() for mode in modes]


@st.composite
def images(draw):
    kind, mode = draw(st.sampled_from(KINDS))
    width, height = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 5)))
    if mode == "F":
        image = Image.fromarray(rng.normal(0, 10.0 ** rng.integers(-3, 9), (height, width)).astype(np.float32))
    elif mode in ("I", "I;16"):
        dtype = np.int32 if mode == "I" else np.uint16
        image = Image.fromarray(rng.integers(0, 2 ** rng.integers(1, 16), (height, width)).astype(dtype))
    else:
        image = Image.fromarray(rng.integers(0, 256, (height, width, 4), dtype=np.uint8)).convert(mode)
    try:
        return encode(image, kind), (width, height), kind
    except (OSError, KeyError, ValueError):
        return encode(Image.new("RGB", (width, height)), "PNG"), (width, height), "PNG"


@settings(deadline=None, max_examples=150)
@given(images(), st.sampled_from([1, 3]))
def test_every_image_that_pillow_writes_is_decoded(image, channels):
    data, size, kind = image
    decoded = decode_image(data, channels)
    assert decoded.mode == ("L" if channels == 1 else "RGB")
    if kind != "ICO":
        assert decoded.size == size


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(images(), st.data())
def test_any_damaged_file_is_an_image_or_a_data_error(image, draw):
    data = bytearray(image[0])
    if draw.draw(st.booleans()):
        del data[draw.draw(st.integers(0, len(data))) :]
    for _ in range(draw.draw(st.integers(0, 4))):
        if data:
            data[draw.draw(st.integers(0, min(len(data) - 1, 300)))] ^= 1 << draw.draw(st.integers(0, 7))
    started = time.monotonic()
    with contextlib.suppress(DataError):
        decoded = decode_image(bytes(data), 3, max_pixels=1_000_000)
        assert decoded.mode == "RGB"
        assert decoded.width * decoded.height <= 1_000_000
    assert time.monotonic() - started < MAX_SECONDS
