"""The cache folder: shown, cleaned, and nothing else removed."""

import json
import os
import subprocess
import sys
import time

import pytest

from discogan.cli import main
from discogan.data import folder_records
from discogan.data.cache import Cache, building_folder
from discogan.data.decoding import Decoding
from discogan.data.store import open_store
from tests.conftest import write_images


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache with two stores, the first of which was last used 40 days ago."""
    monkeypatch.setenv("DISCOGAN_CACHE", str(tmp_path / "cache"))
    place = Cache(tmp_path / "cache")
    for number in range(2):
        images = write_images(tmp_path / f"images-{number}", 3, number)
        store = open_store(folder_records(images), Decoding(32, 3), cache=place.path)
        if number == 0:
            old = time.time() - 40 * 24 * 3600
            os.utime(place.stores / store.key / "index.json", (old, old))
    return place


def run(*words):
    with pytest.raises(SystemExit) as ended:
        main(["cache", *words])
    return ended.value.code


@pytest.mark.usefixtures("cache")
def test_stores_are_shown(capsys):
    assert run("--json", "-") == 0
    shown = json.loads(capsys.readouterr().out)
    assert [store["images"] for store in shown["stores"]] == [3, 3]
    assert shown["bytes"] == sum(store["bytes"] for store in shown["stores"]) > 2 * 3 * 32 * 32 * 3
    assert run() == 0
    assert "40 days ago" in capsys.readouterr().out


@pytest.mark.parametrize(("words", "left"), [((), 1), (("--older-than", "8w"), 2), (("--all",), 0)])
def test_cleaning_removes_what_was_not_used(cache, words, left):
    assert run("--clean", *words) == 0
    assert len(cache.facts()) == left
    assert len(cache.listing_names()) == left


@pytest.mark.parametrize("words", [("--all",), ("--older-than", "1d"), ("--clean", "--older-than", "soon")])
def test_mistakes_are_explained(cache, words, capsys):
    assert run(*words) == 2
    assert len(cache.facts()) == 2
    assert "--older-than" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_only_what_discogan_wrote_is_removed(cache, tmp_path, capsys):
    precious = tmp_path / "precious"
    precious.mkdir()
    for name in ("index.json", "pixels.npy"):
        (precious / name).write_text("years of it")
    (cache.stores / ("a" * 32)).symlink_to(precious)
    (cache.listings / ("b" * 32)).symlink_to(precious / "index.json")
    (cache.stores / "building-x").symlink_to(precious)
    (cache.stores / "mine").mkdir()
    (cache.stores / ("c" * 32)).mkdir()
    (cache.stores / ("c" * 32) / "notes.txt").write_text("years of it")
    (cache.path / "other").mkdir()
    assert run("--clean", "--all") == 0
    assert sorted(path.name for path in precious.iterdir()) == ["index.json", "pixels.npy"]
    assert (cache.stores / ("c" * 32) / "notes.txt").exists()
    assert (cache.stores / "mine").exists()
    assert (cache.path / "other").exists()
    assert (cache.stores / ("a" * 32)).is_symlink()
    shown = capsys.readouterr().out
    assert "Left alone" in shown
    assert "mine" in shown


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_linked_folder_of_stores_is_left_alone(cache, tmp_path):
    cache.stores.rename(tmp_path / "elsewhere")
    cache.stores.symlink_to(tmp_path / "elsewhere")
    assert run("--clean", "--all") == 0
    assert len(list((tmp_path / "elsewhere").iterdir())) == 2


def test_a_missing_cache_is_empty(tmp_path, monkeypatch):
    monkeypatch.setenv("DISCOGAN_CACHE", str(tmp_path / "none"))
    assert run() == 0
    assert run("--clean") == 0


def test_remains_of_ended_processes_are_removed_but_not_those_of_running_ones(tmp_path):
    place = Cache(tmp_path)
    script = (
        "import os; from pathlib import Path; from discogan.data.cache import Cache, building_folder\n"
        f"with building_folder(Cache(Path({str(tmp_path)!r}))) as store:\n"
        "    (store / 'pixels.npy').write_text('x'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script])
    assert len(list(place.stores.iterdir())) == 1
    with building_folder(place) as running:
        assert len(list(place.stores.iterdir())) == 1
        assert place.clean(0).unfinished == 0
        assert running.exists()
    assert list(place.stores.iterdir()) == []


def test_an_old_unfinished_store_of_version_0_1_is_removed(tmp_path):
    place = Cache(tmp_path)
    for name, age in (("building-old", 48 * 3600), ("building-new", 0)):
        folder = place.stores / name
        folder.mkdir(parents=True)
        (folder / "pixels.npy").write_text("x")
        os.utime(folder, (time.time() - age,) * 2)
    assert place.clean(0).unfinished == 1
    assert [path.name for path in place.stores.iterdir()] == ["building-new"]
