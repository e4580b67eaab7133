"""Which files of a folder are images, and what is left out."""

import os
import socket

import pytest
from PIL import Image

from discogan.config import load_config
from discogan.data import folder_records
from discogan.data.domains import open_domains
from discogan.errors import DataError
from discogan.images import SUFFIXES, decode_image, find_images, image_files
from discogan.images.files import LeftOut, decodable_formats, suffix_formats
from tests.conftest import write_images

needs_links = pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")


def names(folder):
    return [path.relative_to(folder).as_posix() for path in image_files(folder)]


def test_all_formats_that_pillow_decodes_are_images():
    assert {".jpg", ".jfif", ".avif", ".jp2", ".ppm", ".tga", ".png", ".apng", ".tif", ".qoi"} <= SUFFIXES
    assert not SUFFIXES & {".pdf", ".eps", ".ps", ".mpg", ".h5", ".wmf", ".txt", ".mov", ""}
    Image.init()
    assert set(decodable_formats()) <= set(Image.OPEN)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("suffix", sorted(s for s, kind in suffix_formats().items() if kind in Image.SAVE))
def test_each_suffix_that_pillow_writes_is_read(tmp_path, suffix):
    kind = suffix_formats()[suffix]
    mode = {"XBM": "1", "MSP": "1", "BLP": "P"}.get(kind, "L" if suffix in (".pbm", ".pgm", ".bw") else "RGB")
    if suffix == ".rgba":
        mode = "RGBA"
    if suffix == ".pfm":
        pytest.skip("floating-point values")
    path = tmp_path / f"x{suffix}"
    try:
        Image.new(mode, (16, 16)).save(path, kind)
    except (OSError, ValueError) as error:
        pytest.skip(f"Pillow cannot write it: {error}")
    assert names(tmp_path) == [path.name]
    assert decode_image(path, 3).size == ((1024, 1024) if kind == "ICNS" else (16, 16))


def test_postscript_is_not_executed_under_another_name(tmp_path):
    (tmp_path / "x.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    with pytest.raises(DataError, match="unknown format"):
        decode_image(tmp_path / "x.png", 3)


@needs_links
def test_linked_folders_are_followed_once_and_loops_end(tmp_path):
    folder = write_images(tmp_path / "a", 2, 0)
    elsewhere = write_images(tmp_path / "elsewhere", 3, 1)
    write_images(elsewhere / "deep", 1, 1)
    (folder / "0-linked").symlink_to(elsewhere)
    (folder / "again").symlink_to(elsewhere)
    (folder / "loop").symlink_to(folder)
    (elsewhere / "up").symlink_to(tmp_path)
    found = find_images(folder)
    assert sorted(path.name for path in found.files) == [
        "000.png",
        "000.png",
        "000.png",
        "001.png",
        "001.png",
        "002.png",
    ]
    assert "000.png" in names(folder)
    assert found.left_out.repeated_folders >= 2


@needs_links
def test_special_files_are_counted_and_never_opened(tmp_path):
    folder = write_images(tmp_path / "a", 2, 0)
    os.mkfifo(folder / "pipe.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s.png"))
    found = find_images(folder)
    assert len(found.files) == 2
    assert str(found.left_out) == "3 special files"
    for name in ("pipe.png", "zero.png"):
        with pytest.raises(DataError, match=rf"{name} is not a regular file"):
            decode_image(folder / name, 3)


@needs_links
@pytest.mark.parametrize(("target", "message"), [("nowhere.png", "is a dead link"), ("self.png", "leads to itself")])
def test_dead_links_are_reported_by_decoding(tmp_path, target, message):
    (tmp_path / "self.png").symlink_to(target)
    assert names(tmp_path) == ["self.png"]
    with pytest.raises(DataError, match=message):
        decode_image(tmp_path / "self.png", 3)


def test_the_rest_is_counted_by_reason(tmp_path, monkeypatch):
    folder = write_images(tmp_path / "a", 1, 0)
    for name in ("x.txt", "y.TXT", "z.mov", "README", ".hidden.png"):
        (folder / name).touch()
    (folder / "locked").mkdir()
    original = os.scandir

    def refuse(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return original(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert str(find_images(folder).left_out) == "4 of other suffixes (.txt, none, .mov), 1 hidden, 1 unreadable folder"
    with pytest.raises(DataError, match="locked cannot be read"):
        find_images(folder / "locked")


def test_left_out_files_are_named_if_there_is_no_image(tmp_path):
    (tmp_path / "x.heic").touch()
    with pytest.raises(DataError, match=r"contains no images.*Left out: 1 of other suffixes \(\.heic\)"):
        folder_records(tmp_path)


def test_the_counts_belong_to_the_domain(tmp_path):
    for domain in "ab":
        write_images(tmp_path / domain, 2, 0 if domain == "a" else 1)
    (tmp_path / "b" / "notes.txt").touch()
    config = load_config("modern", settings=[f"source.a={tmp_path / 'a'}", f"source.b={tmp_path / 'b'}"])
    store_a, store_b = open_domains(config)
    assert (store_a.remarks(), store_b.remarks()) == ([], ["Left out: 1 of other suffixes (.txt)."])
    assert store_a.left_out + store_b.left_out == LeftOut({".txt": 1})
