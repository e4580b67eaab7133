"""Names of files as text: reversible, safe to print, and the same in every locale."""

import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discogan.names import name_of, path_of

posix_only = pytest.mark.skipif(os.name == "nt", reason="file names are not bytes on Windows")


@pytest.mark.parametrize("name", ["a.png", "deep/är ger.png", "日本/10 \u202f pm.png", "👩‍🎨.png"])
def test_usual_names_do_not_change(name):
    assert name_of(Path(name)) == name
    assert path_of(name) == Path(name)


@posix_only
@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"\xff.png", "\\xff.png"),
        (b"\x1b[31m.png", "\\x1b[31m.png"),
        (b"two\nlines.png", "two\\x0alines.png"),
        (b"back\\slash.png", "back\\\\slash.png"),
        ("\u202egnp.exe".encode(), "\\xe2\\x80\\xaegnp.exe"),
    ],
)
def test_other_bytes_are_escaped(raw, name):
    path = Path(os.fsdecode(raw))
    assert name_of(path) == name
    assert path_of(name) == path


@posix_only
@given(st.binary(min_size=1).filter(lambda raw: b"\0" not in raw and b"/" not in raw and raw not in (b".", b"..")))
def test_any_name_is_restored_and_can_be_stored_and_printed(raw):
    path = Path(os.fsdecode(raw))
    name = name_of(path)
    assert path_of(name) == path
    assert msgspec.json.decode(msgspec.json.encode(name)) == name
    assert not any(unicodedata.category(character) == "Cc" for character in name)


@posix_only
def test_names_are_the_same_in_a_locale_without_unicode():
    script = (
        "import os; from pathlib import Path; from discogan.names import name_of, path_of;"
        "path = Path(os.fsdecode(b'\\xc3\\xa9.png'));"
        "print(ascii(name_of(path)), path_of(name_of(path)) == path)"
    )
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["'\\xe9.png'", "True"]
