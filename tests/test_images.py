"""Images: decoding, fitting, pixel ranges, thumbnails, selection and sheets."""

import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from discogan.errors import ConfigError, DataError
from discogan.images import (
    PIXEL_RANGES,
    as_image,
    decode_image,
    dilate_dark,
    draw_sheet,
    evenly_spaced,
    fit_image,
    from_pixels,
    image_files,
    make_thumbnails,
    parse_colour,
    to_pixels,
    to_unit_rgb,
    unfit_image,
)


@given(arrays(np.uint8, (2, 4, 4, 3)), st.sampled_from(sorted(PIXEL_RANGES)))
def test_pixels_are_unchanged_by_encoding_and_decoding(pixels, name):
    pixel_range = PIXEL_RANGES[name]
    encoded = pixel_range.encode(torch.from_numpy(pixels))
    assert encoded.shape == (2, 3, 4, 4)
    assert encoded.min() >= pixel_range.low
    assert encoded.max() <= pixel_range.high + 1e-6
    assert (pixel_range.decode(encoded).numpy() == pixels).all()


def test_channel_order_is_rgb():
    red = torch.tensor([[[[255, 0, 0]]]], dtype=torch.uint8)
    assert PIXEL_RANGES["sigmoid"].encode(red).flatten().tolist() == [1, 0, 0]


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_become_rgb_in_the_unit_interval(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 4, channels), dtype=np.uint8)
    images = to_unit_rgb(pixels)
    assert (images.shape, images.dtype) == ((2, 3, 5, 4), torch.float32)
    assert np.array_equal(images.permute(0, 2, 3, 1).numpy(), np.broadcast_to(pixels, (2, 5, 4, 3)) / np.float32(255))


def test_thumbnails_are_area_averages():
    images = torch.rand(2, 3, 64, 64)
    thumbnails = make_thumbnails(images)
    assert thumbnails.shape == (2, 3, 16, 16)
    assert thumbnails[1, 2, 0, 5].item() == pytest.approx(images[1, 2, :4, 20:24].mean().item(), abs=1e-6)
    assert torch.equal(make_thumbnails(thumbnails), thumbnails)


@pytest.mark.parametrize(("count", "wanted"), [(0, 5), (1, 5), (5, 5), (100, 7), (100, 1)])
def test_evenly_spaced_indices_include_the_first_and_the_last(count, wanted):
    indices = evenly_spaced(count, wanted)
    assert len(indices) == min(count, wanted)
    assert indices == sorted(set(indices))
    assert not indices or indices[0] == 0
    assert len(indices) < 2 or indices[-1] == count - 1


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "tiff", "gif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_format_decodes(tmp_path, suffix, channels):
    path = tmp_path / f"x.{suffix}"
    Image.new("RGB", (9, 5), (200, 40, 40)).save(path)
    image = decode_image(path, channels)
    assert (image.mode, image.size) == ("L" if channels == 1 else "RGB", (9, 5))
    expected = (200, 40, 40) if channels == 3 else (88,)
    assert np.abs(to_pixels(image).reshape(-1, channels).mean(0) - expected).max() < 8


def test_alpha_is_composited_on_the_background(tmp_path):
    path = tmp_path / "x.png"
    Image.new("RGBA", (2, 2), (0, 0, 0, 0)).save(path)
    assert decode_image(path, 3).getpixel((0, 0)) == (255, 255, 255)
    assert decode_image(path, 3, "#ff0000").getpixel((0, 0)) == (255, 0, 0)
    assert decode_image(path, 1, "black").getpixel((0, 0)) == 0


def test_half_transparent_grey_and_palette_transparency(tmp_path):
    Image.new("LA", (2, 2), (0, 128)).save(tmp_path / "la.png")
    assert decode_image(tmp_path / "la.png", 1).getpixel((0, 0)) == pytest.approx(127, abs=1)
    palette = Image.new("P", (2, 2), 0)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.save(tmp_path / "p.png", transparency=0)
    assert decode_image(tmp_path / "p.png", 3).getpixel((0, 0)) == (255, 255, 255)
    palette.save(tmp_path / "q.png")
    assert decode_image(tmp_path / "q.png", 3).getpixel((0, 0)) == (10, 20, 30)


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    values = np.array([[0, 256 * 128, 65535]], dtype=np.uint16)
    for name in ("x.png", "x.tiff"):
        Image.fromarray(values).save(tmp_path / name)
        assert to_pixels(decode_image(tmp_path / name, 1)).flatten().tolist() == [0, 128, 255]


def test_floating_point_greys(tmp_path):
    Image.fromarray(np.array([[0.0, 0.5, 1.0]], dtype=np.float32)).save(tmp_path / "x.tiff")
    assert to_pixels(decode_image(tmp_path / "x.tiff", 1)).flatten().tolist() == [0, 128, 255]


def test_cmyk(tmp_path):
    Image.new("CMYK", (2, 2), (0, 255, 255, 0)).save(tmp_path / "x.jpg")
    red, green, blue = decode_image(tmp_path / "x.jpg", 3).getpixel((0, 0))
    assert red > 200
    assert max(green, blue) < 60


def test_exif_orientation_is_applied(tmp_path):
    image = Image.new("RGB", (4, 2), "white")
    image.putpixel((0, 0), (0, 0, 0))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "x.png", exif=exif)
    upright = decode_image(tmp_path / "x.png", 1)
    assert upright.size == (2, 4)
    assert upright.getpixel((1, 0)) == 0


def test_the_first_frame_of_an_animation_is_used(tmp_path):
    frames = [Image.new("RGB", (3, 3), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    assert decode_image(tmp_path / "x.gif", 3).getpixel((1, 1)) == (255, 0, 0)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n broken"])
def test_a_broken_file_is_named(tmp_path, content):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"broken\.png is not a readable image"):
        decode_image(path, 3)


def test_a_truncated_file_is_broken(tmp_path):
    whole = tmp_path / "whole.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(whole)
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"cut\.png"):
        decode_image(tmp_path / "cut.png", 3)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_image_with_damaged_exif_is_read(tmp_path):
    image = Image.new("RGB", (4, 2), "red")
    image.save(tmp_path / "x.jpg", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x00broken")
    assert decode_image(tmp_path / "x.jpg", 3).size == (4, 2)


@settings(deadline=None)  # A damaged header can announce a large image, which takes a while.
@given(
    st.integers(0, 400),
    st.binary(min_size=1, max_size=8),
    st.sampled_from(["png", "jpeg", "tiff", "gif", "bmp", "webp"]),
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns about damaged tags
def test_any_damage_is_a_data_error_or_an_image(position, damage, kind):
    buffer = io.BytesIO()
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(buffer, kind)
    content = bytearray(buffer.getvalue())
    start = position % len(content)
    content[start : start + len(damage)] = damage
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x.{kind}"
        path.write_bytes(content)
        with contextlib.suppress(DataError):
            assert decode_image(path, 3).mode == "RGB"


def marked(width: int, height: int) -> Image.Image:
    """A white image with its left half black."""
    image = Image.new("L", (width, height), 255)
    image.paste(0, (0, 0, width // 2, height))
    return image


def test_fit_crop_keeps_the_middle_and_pad_keeps_all():
    image = marked(64, 32)
    assert (np.asarray(fit_image(image, 32, "crop"))[:, :15] < 10).all()
    padded = np.asarray(fit_image(image, 32, "pad", "black"))
    assert (padded[:7] == 0).all()
    assert padded[16, 20:].min() > 240
    assert np.asarray(fit_image(image, 32, "stretch"))[0, 0] == 0


def test_pad_takes_the_background_in_colour_and_in_grey():
    assert fit_image(Image.new("RGB", (8, 4)), 8, "pad", "#102030").getpixel((0, 0)) == (16, 32, 48)
    assert fit_image(Image.new("L", (8, 4)), 8, "pad", "white").getpixel((0, 0)) == 255


@given(st.integers(3, 90), st.integers(3, 90), st.sampled_from(["crop", "pad", "stretch"]))
def test_unfit_returns_to_the_original_size(width, height, fit):
    square = fit_image(Image.new("RGB", (width, height)), 32, fit)
    assert square.size == (32, 32)
    side = min(width, height)
    assert unfit_image(square, (width, height), fit).size == ((side, side) if fit == "crop" else (width, height))


def test_dilation_thickens_dark_lines_by_one_pixel():
    image = Image.new("RGB", (7, 7), "white")
    image.putpixel((3, 3), (0, 0, 0))
    assert int((np.asarray(dilate_dark(image)) == 0).sum()) == 9 * 3


@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 1), (5, 6, 3), (5, 6, 4)])
def test_uint8_arrays_are_accepted(shape):
    assert as_image(np.zeros(shape, np.uint8)).size == (6, 5)


@pytest.mark.parametrize(
    "value", [np.zeros((4, 4)), np.zeros((4, 4, 2), np.uint8), np.zeros(4, np.uint8), "x.png", None]
)
def test_other_values_are_refused(value):
    with pytest.raises(DataError, match="Expected"):
        as_image(value)


def test_files_in_subfolders_are_listed_in_natural_order(tmp_path):
    for name in ("b/2.PNG", "b/10.png", "a.jpeg", ".hidden/x.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in image_files(tmp_path)] == [
        "a.jpeg",
        "b/2.PNG",
        "b/10.png",
    ]


def test_an_unknown_colour_is_explained():
    assert parse_colour("white") == (255, 255, 255)
    with pytest.raises(ConfigError, match="not a colour"):
        parse_colour("bright")


def test_a_sheet_has_every_cell():
    rows = [("grey", [np.full((8, 8, 1), 90, np.uint8)] * 2), ("red", [np.full((8, 8, 3), (255, 0, 0), np.uint8)])]
    sheet = np.asarray(draw_sheet(rows, "title", 16))
    assert (sheet == 90).all(2).sum() >= 2 * 16 * 16
    assert (sheet == (255, 0, 0)).all(2).sum() == 16 * 16
    assert from_pixels(np.zeros((2, 2, 3), np.uint8)).mode == "RGB"
    captioned = np.asarray(draw_sheet(rows, "title", 48, {"red": ["0.25"]}))
    plain = np.asarray(draw_sheet(rows, "title", 48))
    changed = (captioned != plain).any(2)
    assert changed.any()
    assert (plain[changed] == (255, 0, 0)).all()
