"""Rules for every source, tested as soon as it is registered."""

import dataclasses

import pytest

from discogan.errors import DataError
from discogan.registry import SOURCES


@pytest.mark.parametrize("name", SOURCES.entries())
def test_a_source_names_its_missing_folders(name, tmp_path):
    """A source gets its folders as ``root``, or as ``a`` and ``b``, and says in one sentence what is missing."""
    entry = SOURCES.get(name)
    folders = [option for option in ("root", "a", "b") if option in entry.option_names]
    required = [option.name for option in dataclasses.fields(entry.options) if option.default is dataclasses.MISSING]
    assert set(required) <= set(folders)
    table = {"name": name, **{option: str(tmp_path / option) for option in required}}
    with pytest.raises(DataError) as caught:
        SOURCES.build(table, "source").records()
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
