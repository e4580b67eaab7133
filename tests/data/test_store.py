import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from discogan.data import folder_records
from discogan.data import store as store_module
from discogan.data.store import Decoding, cache_folder, open_store
from discogan.errors import ConfigError, DataError
from discogan.images import decode_image, fit_image, to_pixels
from tests.conftest import write_images

SMALL = Decoding(32, 3)


@pytest.fixture
def decodings(monkeypatch):
    """Count the stores that are built."""
    built = []
    original = store_module._build_store

    def counted(*arguments):
        built.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(store_module, "_build_store", counted)
    return built


def test_pixels_are_the_decoded_images_in_order(tmp_path):
    folder = write_images(tmp_path / "a", 5, 0, size=48)
    store = open_store(folder_records(folder), SMALL, cache=tmp_path / "cache")
    assert store.pixels.shape == (5, 32, 32, 3)
    assert isinstance(store.pixels, np.memmap)
    for name, pixels in zip(store.names, store.pixels, strict=True):
        assert (to_pixels(fit_image(decode_image(folder / name, 3), 32, "crop")) == pixels).all()


def test_several_processes_give_the_same_store(tmp_path):
    records = folder_records(write_images(tmp_path / "a", 200, 0))
    seen = []
    parallel = open_store(
        records, SMALL, cache=tmp_path / "1", workers=2, progress=lambda done, total: seen.append((done, total))
    )
    alone = open_store(records, SMALL, cache=tmp_path / "2", workers=1)
    assert (parallel.pixels == alone.pixels).all()
    assert seen == [(64, 200), (128, 200), (192, 200), (200, 200)]


def test_opening_a_store_again_decodes_and_reads_no_image(tmp_path, decodings, monkeypatch):
    records = folder_records(write_images(tmp_path / "a", 3, 0))
    first = open_store(records, SMALL, cache=tmp_path / "cache")
    monkeypatch.setattr(store_module, "_hash_contents", lambda *_: pytest.fail("read the images again"))
    second = open_store(records, SMALL, cache=tmp_path / "cache")
    assert len(decodings) == 1
    assert (first.pixels == second.pixels).all()
    assert first.key == second.key


def test_the_key_depends_on_content_not_on_path_or_time(tmp_path, decodings):
    folder = write_images(tmp_path / "a", 3, 0)
    key = open_store(folder_records(folder), SMALL, cache=tmp_path / "cache").key
    shutil.copytree(folder, tmp_path / "copy")
    os.utime(folder / "000.png", (1, 1))
    for place in (folder, tmp_path / "copy"):
        assert open_store(folder_records(place), SMALL, cache=tmp_path / "cache").key == key
    assert len(decodings) == 1


@pytest.mark.parametrize("change", ["content", "added", "renamed", "size", "fit", "background", "channels"])
def test_any_change_gives_another_store(tmp_path, change):
    folder = write_images(tmp_path / "a", 3, 0)
    before = open_store(folder_records(folder), SMALL, cache=tmp_path / "cache").key
    decoding = {
        "size": Decoding(64, 3),
        "fit": Decoding(32, 3, "pad"),
        "background": Decoding(32, 3, background="black"),
        "channels": Decoding(32, 1),
    }.get(change, SMALL)
    if change == "content":
        Image.new("RGB", (32, 32)).save(folder / "001.png")
    if change == "added":
        Image.new("RGB", (32, 32)).save(folder / "009.png")
    if change == "renamed":
        (folder / "001.png").rename(folder / "z.png")
    assert open_store(folder_records(folder), decoding, cache=tmp_path / "cache").key != before


def test_a_few_broken_files_are_named_and_skipped(tmp_path):
    folder = write_images(tmp_path / "a", 40, 0)
    (folder / "007.png").write_bytes(b"broken")
    store = open_store(folder_records(folder), SMALL, cache=tmp_path / "cache")
    assert len(store) == len(store.pixels) == 39
    assert "007.png" not in store.names
    assert len(store.skipped) == 1
    assert "007.png" in store.skipped[0]
    assert (store.pixels[7] == to_pixels(decode_image(folder / "008.png", 3))).all()
    again = open_store(folder_records(folder), SMALL, cache=tmp_path / "cache")
    assert again.skipped == store.skipped


def test_more_than_5_percent_broken_files_raise_and_leave_no_store(tmp_path):
    folder = write_images(tmp_path / "a", 20, 0)
    for name in ("003.png", "004.png"):
        (folder / name).write_bytes(b"broken")
    with pytest.raises(DataError, match=r"2 of 20 images are broken, more than 5%: .*003\.png"):
        open_store(folder_records(folder), SMALL, cache=tmp_path / "cache")
    assert list((tmp_path / "cache" / "stores").iterdir()) == []


def test_a_killed_build_is_not_used_as_a_store(tmp_path):
    records = folder_records(write_images(tmp_path / "a", 3, 0))
    store = open_store(records, SMALL, cache=tmp_path / "cache")
    folder = tmp_path / "cache" / "stores" / store.key
    names = json.loads((folder / "index.json").read_text())["names"]
    (folder / "index.json").unlink()
    for _ in range(2):
        assert open_store(records, SMALL, cache=tmp_path / "cache").names == names
    shutil.rmtree(folder)
    assert open_store(records, SMALL, cache=tmp_path / "cache").names == names


def test_the_slower_of_two_builders_uses_the_store_of_the_faster(tmp_path):
    records = folder_records(write_images(tmp_path / "a", 3, 0))
    first = []

    def another_is_faster(*_):
        first.append(open_store(records, SMALL, cache=tmp_path / "cache"))

    second = open_store(records, SMALL, cache=tmp_path / "cache", workers=1, progress=another_is_faster)
    assert (first[0].pixels == second.pixels).all()
    assert [folder.name for folder in (tmp_path / "cache" / "stores").iterdir()] == [second.key]


def test_a_missing_file_counts_as_broken(tmp_path):
    records = folder_records(write_images(tmp_path / "a", 40, 0))
    records[5].path.unlink()
    assert "005.png" in open_store(records, SMALL, cache=tmp_path / "cache").skipped[0]


def test_a_dead_link_is_named(tmp_path):
    folder = write_images(tmp_path / "a", 40, 0)
    (folder / "dead.png").symlink_to(tmp_path / "nowhere.png")
    store = open_store(folder_records(folder), SMALL, cache=tmp_path / "cache")
    assert "dead.png" in store.skipped[0]


def test_a_wrong_background_is_refused_before_decoding(tmp_path):
    records = folder_records(write_images(tmp_path / "a", 3, 0))
    with pytest.raises(ConfigError, match="not a colour"):
        open_store(records, Decoding(32, 3, background="none such"), cache=tmp_path / "cache")


def test_environment_variables_set_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("DISCOGAN_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("DISCOGAN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "discogan"


@pytest.mark.parametrize(
    "content",
    [b"", b"{folder}", b"../..", b"..", b"/", b"\xff\xfe", b"{key}\n", b"{key}/../../..", b"A" * 32, b"\0" * 32],
    ids=["empty", "a folder", "up", "parent", "root", "not text", "line end", "path", "upper case", "zeros"],
)
def test_a_damaged_listing_removes_nothing_and_is_written_again(tmp_path, content):
    images, cache, precious = write_images(tmp_path / "images", 3, 1), tmp_path / "cache", tmp_path / "precious"
    precious.mkdir()
    (precious / "work.txt").write_text("years of it")
    first = open_store(folder_records(images), Decoding(32, 3), cache=cache)
    (listing,) = (cache / "listings").iterdir()
    whole = listing.read_bytes()
    listing.write_bytes(content.replace(b"{folder}", str(precious).encode()).replace(b"{key}", first.key.encode()))
    again = open_store(folder_records(images), Decoding(32, 3), cache=cache)
    assert (precious / "work.txt").read_text() == "years of it"
    assert images.is_dir()
    assert again.key == first.key
    assert np.array_equal(again.pixels, first.pixels)
    assert listing.read_bytes() == whole
