"""The Python interface: public names, and the folders and settings of a call."""

import subprocess
import sys
from pathlib import Path

import pytest

import discogan
from discogan import api
from discogan.errors import ConfigError
from tests.conftest import SMALL, write_images

DEFAULTS = {"preset": "modern", "image_size": 64, "steps": None, "minutes": None, "seed": 0, "settings": ()}


def test_public_names_are_sorted_and_documented():
    assert list(discogan.__all__) == sorted(discogan.__all__)
    for name in discogan.__all__:
        assert getattr(discogan, name).__doc__
    with pytest.raises(AttributeError, match="translte"):
        _ = discogan.translte


def test_folders_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = api.resolve_config("x", "y", **DEFAULTS).source
    assert source == {"name": "folders", "a": str(tmp_path / "x"), "b": str(tmp_path / "y")}


def test_a_tilde_means_the_home_folder():
    assert api.resolve_config("~/x", "~/y", **DEFAULTS).source["a"] == str(Path.home() / "x")


def test_one_folder_is_the_root_of_a_named_source(tmp_path):
    settings = ("source.name=celeba", "source.attribute=Smiling")
    source = api.resolve_config(tmp_path, None, **{**DEFAULTS, "settings": settings}).source
    assert source == {"name": "celeba", "attribute": "Smiling", "root": str(tmp_path)}


def test_one_folder_without_a_layout_is_explained(tmp_path):
    with pytest.raises(ConfigError, match="Give two folders, A and B"):
        api.resolve_config(tmp_path, None, **DEFAULTS)


def test_errors_share_a_base():
    for error in (discogan.ConfigError, discogan.DataError, discogan.RunError, discogan.DivergedError):
        assert issubclass(error, discogan.DiscoGANError)


def test_a_plain_script_needs_no_main_guard(tmp_path):
    """Decoding in several processes must not run the user's script again."""
    for name, seed in (("a", 0), ("b", 1)):
        write_images(tmp_path / name, 200, seed)
    script = tmp_path / "script.py"
    script.write_text(
        "import discogan\n"
        "print('once')\n"
        f"outcome = discogan.train('a', 'b', out='run', image_size=32, steps=2, settings={SMALL!r})\n"
        "image = discogan.load(outcome.run).translate(__import__('PIL.Image').Image.new('RGB', (9, 9)), 'a_to_b')\n"
        "print(outcome.ended, image.size)\n"
    )
    finished = subprocess.run([sys.executable, script.name], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split() == ["once", "budget", "(32,", "32)"]
