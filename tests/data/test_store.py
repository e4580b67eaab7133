import errno
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from discogan.data import decoding, folder_records
from discogan.data import store as store_module
from discogan.data.cache import Cache
from discogan.data.decoding import Decoding
from discogan.data.store import cache_folder, open_store
from discogan.errors import CacheError, ConfigError, DataError
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
    monkeypatch.setattr(store_module, "hash_contents", lambda *_: pytest.fail("read the images again"))
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


def open_small(folder, cache, **options):
    return open_store(folder_records(folder), SMALL, cache=cache, workers=1, **options)


def damage_zero_pixels(store):
    with (store / "pixels.npy").open("r+b") as file:
        file.seek(500)
        file.write(bytes(64))


def damage_truncate(store):
    os.truncate(store / "pixels.npy", 1000)


def damage_empty(store):
    (store / "pixels.npy").write_bytes(b"")


def damage_remove_pixels(store):
    (store / "pixels.npy").unlink()


def damage_pickle(store):
    np.save(store / "pixels.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)


def damage_other_type(store):
    np.save(store / "pixels.npy", np.zeros((3, 32, 32, 3), np.int8))


def damage_names(store):
    index = json.loads((store / "index.json").read_text())
    (store / "index.json").write_text(json.dumps({**index, "names": index["names"][:2]}))


def damage_index(store):
    (store / "index.json").write_text("{}")


def damage_nested_index(store):
    (store / "index.json").write_text("[" * 100_000)


def damage_key(store):
    index = json.loads((store / "index.json").read_text())
    (store / "index.json").write_text(json.dumps({**index, "key": "0" * 32}))


def damage_folder_of_pixels(store):
    (store / "pixels.npy").unlink()
    (store / "pixels.npy").mkdir()


def damage_folder_of_index(store):
    (store / "index.json").unlink()
    (store / "index.json").mkdir()
    (store / "index.json" / "mine.txt").write_text("kept")


def damage_pipe(store):
    (store / "pixels.npy").unlink()
    os.mkfifo(store / "pixels.npy")


def damage_endless_index(store):
    (store / "index.json").unlink()
    (store / "index.json").symlink_to("/dev/zero")


def damage_link_to_itself(store):
    (store / "pixels.npy").unlink()
    (store / "pixels.npy").symlink_to("pixels.npy")


DAMAGES = [value for name, value in sorted(globals().items()) if name.startswith("damage_")]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_store_is_built_again_and_that_is_said(tmp_path, damage):
    images, cache = write_images(tmp_path / "images", 3, 1), tmp_path / "cache"
    first = open_small(images, cache)
    pixels = np.array(first.pixels)
    damage(cache / "stores" / first.key)
    again = open_small(images, cache)
    assert np.array_equal(again.pixels, pixels)
    assert (again.names, again.key) == (first.names, first.key)
    assert "decoded again" in again.notes[0]
    assert open_small(images, cache).notes == ()


def test_the_same_size_and_time_with_other_content_is_noticed(tmp_path):
    images, cache = write_images(tmp_path / "images", 3, 1), tmp_path / "cache"
    file = images / "001.bmp"
    Image.new("RGB", (32, 32), "red").save(file)
    first = open_small(images, cache)
    before = file.stat()
    Image.new("RGB", (32, 32), "blue").save(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    again = open_small(images, cache)
    assert again.key != first.key
    assert again.pixels[again.names.index("001.bmp")][0, 0].tolist() == [0, 0, 255]


def test_a_file_that_changes_while_a_store_is_built_does_not_poison_the_cache(tmp_path, monkeypatch):
    images, cache = write_images(tmp_path / "images", 3, 1), tmp_path / "cache"
    original, other = (images / "001.png").read_bytes(), (images / "002.png").read_bytes()
    hash_contents = store_module.hash_contents

    def change_after_hashing(*arguments):
        digests = hash_contents(*arguments)
        (images / "001.png").write_bytes(other)
        return digests

    monkeypatch.setattr(store_module, "hash_contents", change_after_hashing)
    changed = open_small(images, cache)
    assert (changed.pixels[1] == changed.pixels[2]).all()
    monkeypatch.undo()
    (images / "001.png").write_bytes(original)
    restored = open_small(images, cache)
    assert restored.key != changed.key
    assert not (restored.pixels[1] == restored.pixels[2]).all()


def test_a_file_that_vanishes_while_a_store_is_built_is_named(tmp_path, monkeypatch):
    images, cache = write_images(tmp_path / "images", 40, 1), tmp_path / "cache"
    content = (images / "001.png").read_bytes()
    hash_contents = store_module.hash_contents

    def remove_after_hashing(*arguments):
        digests = hash_contents(*arguments)
        (images / "001.png").unlink()
        return digests

    monkeypatch.setattr(store_module, "hash_contents", remove_after_hashing)
    assert "001.png does not exist" in open_small(images, cache).skipped[0]
    monkeypatch.undo()
    (images / "001.png").write_bytes(content)
    assert len(open_small(images, cache)) == 40


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_cache_that_cannot_be_written_is_one_message(tmp_path, monkeypatch, number):
    images = write_images(tmp_path / "images", 3, 1)

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(decoding, "_decode_chunk", refuse)
    with pytest.raises(CacheError, match="DISCOGAN_CACHE") as caught:
        open_small(images, tmp_path / "cache")
    assert ("Free some disk space" in str(caught.value)) == (number == errno.ENOSPC)
    assert list((tmp_path / "cache" / "stores").iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="limits the size of files with POSIX functions")
def test_a_full_disk_is_an_error_not_a_crash(tmp_path):
    """A limit on the size of files makes writes fail as a full disk does."""
    images = write_images(tmp_path / "images", 40, 1)
    script = (
        "import resource, signal, sys; from pathlib import Path; from discogan.data import folder_records;"
        "from discogan.data.store import Decoding, open_store;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000));"
        f"open_store(folder_records(Path({str(images)!r})), Decoding(64, 3), cache=Path({str(tmp_path / 'c')!r}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert "CacheError" in done.stderr.splitlines()[-1]


def test_an_image_that_needs_too_much_memory_is_not_cached_as_broken(tmp_path, monkeypatch):
    images = write_images(tmp_path / "images", 40, 1)

    def refuse(*_, **__):
        raise MemoryError

    monkeypatch.setattr("discogan.images.decoding._decode", refuse)
    with pytest.raises(DataError, match="more memory than is free"):
        open_small(images, tmp_path / "cache")
    monkeypatch.undo()
    assert open_small(images, tmp_path / "cache").skipped == []


@pytest.mark.skipif(os.name == "nt", reason="file names are not bytes on Windows")
def test_names_that_are_not_utf8_are_stored(tmp_path):
    images = write_images(tmp_path / "images", 2, 1)
    (images / "001.png").rename(images / os.fsdecode(b"\xff.png"))
    for _ in range(2):
        assert open_small(images, tmp_path / "cache").names == ["000.png", "\\xff.png"]


def test_runs_of_version_0_1_keep_the_keys_of_their_stores():
    old = Decoding(64, 3, value_range="image")
    assert old.key_fields() == [1, {"image_size": 64, "channels": 3, "fit": "crop", "background": "white"}]


def test_the_listing_of_other_images_is_refused(tmp_path):
    """Exchanged listings must not exchange the images."""
    cache = tmp_path / "cache"
    stores = [open_small(write_images(tmp_path / name, 3, seed), cache) for seed, name in enumerate("ab")]
    one, other = (cache / "listings").iterdir()
    contents = one.read_bytes(), other.read_bytes()
    one.write_bytes(contents[1])
    other.write_bytes(contents[0])
    for store, name in zip(stores, "ab", strict=True):
        assert open_small(tmp_path / name, cache).key == store.key
    assert (one.read_bytes(), other.read_bytes()) == contents


@pytest.mark.timeout(60)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_in_place_of_a_listing_does_not_block(tmp_path):
    cache = tmp_path / "cache"
    first = open_small(write_images(tmp_path / "a", 3, 1), cache)
    (listing,) = (cache / "listings").iterdir()
    listing.unlink()
    os.mkfifo(listing)
    assert open_small(tmp_path / "a", cache).key == first.key
    assert Cache(cache).foreign() == [str(listing)]
    Cache(cache).clean(0)
    assert listing.is_fifo()


# Channels -----------------------------------------------------------------------------------------


def write_grey(folder, count, size=48):
    """Write grey images in the files of colour images."""
    folder.mkdir()
    for number in range(count):
        values = np.random.default_rng(number).integers(0, 256, (size, size, 1), dtype=np.uint8)
        Image.fromarray(values.repeat(3, 2)).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize("workers", [1, 2])
def test_channels_are_one_if_every_image_is_grey(tmp_path, decodings, workers):
    folder = write_grey(tmp_path / "a", 70)
    (folder / "broken.png").write_bytes(b"broken")
    records = folder_records(folder)
    store = open_store(records, Decoding(32, "auto"), cache=tmp_path / "cache", workers=workers)
    assert store.pixels.shape == (70, 32, 32, 1)
    assert len(decodings) == 1
    grey = open_store(records, Decoding(32, 1), cache=tmp_path / "other")
    assert (store.pixels == grey.pixels).all()
    assert store.key == grey.key
    # Both settings find the same store.
    for channels in ("auto", 1):
        assert open_store(records, Decoding(32, channels), cache=tmp_path / "cache").key == store.key
    assert len(decodings) == 2


def test_channels_are_three_if_one_pixel_has_a_colour(tmp_path, decodings):
    folder = write_grey(tmp_path / "a", 5)
    image = Image.open(folder / "3.png").convert("RGB").resize((32, 32))
    image.putpixel((31, 31), (100, 100, 101))
    image.save(folder / "3.png")
    records = folder_records(folder)
    store = open_store(records, Decoding(32, "auto"), cache=tmp_path / "cache")
    assert store.pixels.shape == (5, 32, 32, 3)
    assert open_store(records, Decoding(32, 3), cache=tmp_path / "cache").key == store.key
    assert len(decodings) == 1


def test_channels_of_transparent_and_deep_images(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    for number in range(3):
        Image.new("LA", (40, 40), (60 * number, 128)).save(folder / f"{number}.png")
        Image.fromarray(np.full((40, 40), 900 * number, np.uint16)).save(folder / f"deep-{number}.png")
    records = folder_records(folder)
    white = open_store(records, Decoding(32, "auto"), cache=tmp_path / "cache")
    assert white.pixels.shape[3] == 1
    assert white.key == open_store(records, Decoding(32, 1), cache=tmp_path / "cache").key
    assert open_store(records, Decoding(32, "auto", background="red"), cache=tmp_path / "cache").pixels.shape[3] == 3
