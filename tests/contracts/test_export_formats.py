"""Rules for every export format, tested as soon as it is registered."""

import numpy as np
import pytest

from discogan.errors import ConfigError, RunError
from discogan.exporting import MAX_COMPARED_IMAGES, export
from discogan.registry import EXPORT_FORMATS

NAMES = list(EXPORT_FORMATS.entries())


def test_suffixes_differ():
    suffixes = [EXPORT_FORMATS.get(name).build.suffix for name in NAMES]
    assert len(set(suffixes)) == len(suffixes)
    assert all(suffix.startswith(".") for suffix in suffixes)


@pytest.mark.parametrize("pixels", ["uint8", "float"])
@pytest.mark.parametrize("name", NAMES)
def test_an_exported_file_gives_pytorch_s_outputs_for_any_batch_size(small_run, tmp_path, name, pixels):
    export_format = EXPORT_FORMATS.get(name).build()
    file = tmp_path / f"model{export_format.suffix}"
    exported = export(small_run, "a_to_b", file, format=name, pixels=pixels)
    assert exported.file == file
    assert 0 < exported.images <= MAX_COMPARED_IMAGES
    assert exported.largest_difference <= 1
    batch = (
        np.zeros((3, 32, 32, 3), dtype=np.uint8) if pixels == "uint8" else np.zeros((3, 3, 32, 32), dtype=np.float32)
    )
    outputs = export_format.run(file, batch)
    assert (outputs.shape, outputs.dtype) == (batch.shape, batch.dtype)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_must_have_the_suffix_of_its_format(small_run, tmp_path, name):
    with pytest.raises(ConfigError, match=f"must end in {EXPORT_FORMATS.get(name).build.suffix}"):
        export(small_run, "a_to_b", tmp_path / "model.wrong", format=name)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_differs_from_pytorch_is_removed(small_run, tmp_path, monkeypatch, name):
    export_format = EXPORT_FORMATS.get(name).build
    monkeypatch.setattr(export_format, "run", lambda _self, _file, batch: 0 * batch)
    with pytest.raises(RunError, match="differs from PyTorch by up to"):
        export(small_run, "a_to_b", tmp_path / f"model{export_format.suffix}", format=name)
    assert list(tmp_path.iterdir()) == []
