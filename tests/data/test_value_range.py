"""The values of black and white are decided once for a domain, recorded, and used for new images."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from discogan.config import Config, DataOptions, load_config
from discogan.data import folder_records
from discogan.data.decoding import Decoding
from discogan.data.store import open_store
from discogan.errors import ConfigError, DataError
from discogan.images import decode_image, to_pixels
from discogan.images.ranges import Extent, choose_range
from discogan.run_folder import RunFolder
from discogan.training import train
from discogan.translator import Translator
from tests.conftest import SMALL


def open_values(folder, images, suffix="tiff", value_range="auto"):
    """Write one-value images of 32 pixels and open their store; return it and the grey level of each image."""
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number:03d}.{suffix}")
    decoding = Decoding(32, 1, value_range=value_range)
    store = open_store(folder_records(folder), decoding, cache=folder.parent / "cache", workers=1)
    return store, [int(pixels.max()) for pixels in store.pixels]


def flat(value, dtype):
    return np.full((32, 32), value, dtype)


@pytest.mark.parametrize(
    ("values", "dtype", "expected", "levels"),
    [
        ([200, 30, 0.9, 300], np.float32, "0:300", [170, 26, 1, 255]),
        ([200, 30, 0.9, 255], np.float32, "0:255", [200, 30, 1, 255]),
        ([0.5, 1.01], np.float32, "0:1", [128, 255]),
        ([-1, 0, 1], np.float32, "-1:1", [0, 128, 255]),
        ([-0.01, 0.5, 1], np.float32, "0:1", [0, 128, 255]),
        ([1000, 1023], np.uint16, "0:1023", [249, 255]),
        ([2048, 4095], np.uint16, "0:4095", [128, 255]),
        ([2048, 16383], np.uint16, "0:16383", [32, 255]),
        ([2048, 65535], np.uint16, "0:65535", [8, 255]),
        ([50_000, 100_000], np.int32, "0:100000", [128, 255]),
        ([-1024, 0, 3071], np.int32, "-1024:3071", [0, 64, 255]),
        ([0, 0], np.float32, "0:1", [0, 0]),
        ([-5, -5], np.int32, "-5:0", [0, 0]),
    ],
)
def test_the_range_is_decided_for_the_folder(tmp_path, values, dtype, expected, levels):
    store, found = open_values(tmp_path / "a", [flat(value, dtype) for value in values])
    assert store.value_range == expected
    assert found == levels
    assert store.depth
    again, repeated = open_values(tmp_path / "b", [flat(value, dtype) for value in values], value_range=expected)
    assert repeated == levels
    assert again.key == store.key


def test_it_is_said_in_one_line(tmp_path):
    store, _ = open_values(tmp_path / "a", [flat(4095, np.uint16)], "png")
    assert store.depth == "16-bit, largest value 4,095: taken as 12 bits (0:4095)"
    assert open_values(tmp_path / "b", [flat(4, np.uint8)], "png")[0].depth == ""


def test_images_of_8_bits_are_not_changed_by_deep_ones(tmp_path):
    store, levels = open_values(tmp_path / "a", [flat(100, np.uint8), flat(4095, np.uint16)], "png")
    assert store.value_range == "0:4095"
    assert levels == [100, 255]


@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_both_byte_orders_are_read(order):
    data = flat(2048, order).tobytes()
    header = b"II*\0\x08\0\0\0" if order == "<u2" else b"MM\0*\0\0\0\x08"
    mark = order[0]
    tags = [(256, 3, 32), (257, 3, 32), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 200), (277, 3, 1)]
    tags += [(278, 3, 32), (279, 4, len(data))]
    directory = struct.pack(f"{mark}H", len(tags))
    for tag, kind, value in tags:
        padded = struct.pack(f"{mark}I", value) if kind == 4 else struct.pack(f"{mark}HH", value, 0)
        directory += struct.pack(f"{mark}HHI", tag, kind, 1) + padded
    file = (header + directory).ljust(200, b"\0") + data
    assert to_pixels(decode_image(file, 1, value_range="0:4095")).max() == 128


def sixteen_bit_png(values, colour_type, transparency=b""):
    """Return a PNG with 16 bits per channel of an array (H, W, C)."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0))]
    parts += [chunk(b"tRNS", transparency)] if transparency else []
    return b"\x89PNG\r\n\x1a\n" + b"".join([*parts, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")])


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_16_bit_colours_keep_their_low_bits(colour_type, channels):
    values = np.random.default_rng(0).integers(0, 4096, (9, 7, channels))
    if channels in (2, 4):
        values[..., -1] = 65535
    decoded = to_pixels(decode_image(sixteen_bit_png(values, colour_type), 3, value_range="0:4095")).astype(int)
    colours = values[..., :-1] if channels in (2, 4) else values
    assert np.abs(decoded - colours * (255 / 4095)).max() <= 0.51


def test_16_bit_transparency_is_kept():
    grey = np.array([[[1000], [4095]]])
    image = decode_image(sixteen_bit_png(grey, 0, struct.pack(">H", 1000)), 1, "white")
    assert to_pixels(image).flatten().tolist() == [255, 255]
    colour = np.array([[[1000, 2000, 3000], [1000, 2000, 3001]]])
    image = decode_image(sixteen_bit_png(colour, 2, struct.pack(">HHH", 1000, 2000, 3000)), 3, "white")
    assert image.getpixel((0, 0)) == (255, 255, 255)
    assert image.getpixel((1, 0)) != (255, 255, 255)


def test_unsigned_32_bit_values_are_not_negative():
    stream = io.BytesIO()
    Image.fromarray(flat(-1, np.int32)).save(stream, "TIFF")
    unsigned = stream.getvalue().replace(struct.pack("<HHIHH", 339, 3, 1, 2, 0), struct.pack("<HHIHH", 339, 3, 1, 1, 0))
    assert to_pixels(decode_image(unsigned, 1, value_range="0:4294967295")).min() == 255


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_make_an_image_broken(tmp_path, value):
    images = [flat(0.5, np.float32) for _ in range(40)]
    images[3][1, 2] = value
    store, _ = open_values(tmp_path / "a", images)
    assert len(store) == 39
    assert "003.tiff" in store.skipped[0]
    assert "1 of its 1,024 values are NaN or infinite" in store.skipped[0]
    with pytest.raises(DataError, match="NaN or infinite"):
        decode_image(tmp_path / "a" / "003.tiff", 1, value_range="0:1")


def test_the_range_can_be_given_for_both_domains_or_one():
    config = load_config("modern", settings=["data.value_range=-100:4095", "data.value_range_b=auto"])
    assert (config.data.value_range_a, config.data.value_range_b) == ("-100:4095", "auto")


@pytest.mark.parametrize("text", ["", "12", "5:1", "1:1", "nan:1", "0:inf", "a:b", "0:1e-40", "-1e308:1e308", "0:1:2"])
def test_a_wrong_range_is_refused(text):
    with pytest.raises(ConfigError, match="value range must be"):
        DataOptions(value_range_a=text)


def test_huge_and_tiny_extents_give_a_usable_range():
    for kind in ("16-bit", "32-bit", "floating-point"):
        for low, high in ((-3e38, 3e38), (0, 3e38), (-1e-40, 0), (0, 1e-40), (-7, -7)):
            chosen = choose_range(Extent(kind, low, high))
            assert chosen.low < chosen.high
            assert chosen.scale(np.array([low, high])).tolist()[0] <= chosen.scale(np.array([low, high])).tolist()[1]


def test_a_run_records_the_range_and_uses_it_for_new_images(tmp_path):
    for domain, top in (("a", 4095), ("b", 1000)):
        (tmp_path / domain).mkdir()
        for number in range(6):
            Image.fromarray(flat(top - number, np.uint16)).save(tmp_path / domain / f"{number}.png")
    config = load_config("modern", image_size=32, steps=1, settings=SMALL)
    source = {"name": "folders", "a": str(tmp_path / "a"), "b": str(tmp_path / "b")}
    train(Config.from_dict({**config.to_dict(), "source": source}), tmp_path / "run")
    description = RunFolder(tmp_path / "run").describe()
    assert (description.config.data.value_range_a, description.config.data.value_range_b) == ("0:4095", "0:1023")
    assert "taken as 12 bits" in description.data.a.depth
    Image.fromarray(flat(400, np.uint16)).save(tmp_path / "dark.png")
    prepared = Translator.load(tmp_path / "run", "cpu").prepare(tmp_path / "dark.png", "a_to_b")
    assert prepared.pixels.max() == round(400 * 255 / 4095)
