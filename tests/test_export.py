"""Exported files give PyTorch's outputs, and run without PyTorch."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import discogan
from discogan import extras
from discogan.api import train
from discogan.cli import main
from discogan.errors import ConfigError, DataError, RunError
from discogan.exporting import check_finite, export
from discogan.images import image_files
from tests.conftest import SMALL

EXAMPLE = Path(__file__).parents[1] / "examples" / "onnx_translate.py"


@pytest.fixture(scope="session")
def residual_run(domains, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "residual"
    train(*domains, out=out, preset="cyclegan", image_size=32, steps=2, settings=SMALL)
    return out


@pytest.fixture(scope="session")
def exported(small_run, tmp_path_factory):
    file = tmp_path_factory.mktemp("exported") / "model.onnx"
    result = export(small_run, "a_to_b", file)
    assert result.images == 13
    assert result.largest_difference <= 1
    return file


@pytest.fixture
def images(domains):
    return [Image.open(path) for path in image_files(domains[0])]


def levels(image):
    return np.asarray(image, dtype=int)


def test_an_onnx_file_translates_as_the_run_does(exported, small_run, images):
    run, onnx_file = discogan.load(small_run), discogan.load(exported)
    for batch_size in (1, 5, 13):
        expected = [levels(image) for image in run.translate(images[:batch_size], "a_to_b")]
        translated = [levels(image) for image in onnx_file.translate(images[:batch_size], "a_to_b")]
        assert np.abs(np.subtract(translated, expected)).max() <= 1


def test_an_onnx_file_knows_its_direction(exported, domains, tmp_path):
    with pytest.raises(SystemExit) as end:
        main(["translate", str(exported), str(domains[0]), "--out", str(tmp_path)])
    assert end.value.code == 0
    assert len(list(tmp_path.glob("*.png"))) == 13


@pytest.mark.parametrize("direction", ["a_to_b", "b_to_a"])
def test_the_residual_generator_is_exported_with_float_pixels(residual_run, tmp_path, direction, images):
    file = tmp_path / "model.onnx"
    assert export(residual_run, direction, file, pixels="float").largest_difference < 0.1
    translated = discogan.load(file).translate(images[0], direction)
    expected = discogan.load(residual_run).translate(images[0], direction)
    assert np.abs(levels(translated) - levels(expected)).max() <= 1


def test_a_torch_program_gives_the_same_pixels(small_run, tmp_path, images):
    file = tmp_path / "model.pt2"
    assert export(small_run, "b_to_a", file, format="torch").largest_difference <= 1
    program = torch.export.load(file).module()
    pixels = torch.from_numpy(np.stack([np.asarray(image) for image in images[:3]]))
    expected = discogan.load(small_run).model.translate_pixels(pixels.numpy(), "b_to_a")
    assert np.array_equal(program(pixels).numpy(), expected)


def see_through(image, file):
    image = image.convert("RGBA").resize((48, 40))
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.save(file)


@pytest.mark.parametrize("draw", [lambda image, file: image.save(file), see_through])
def test_the_example_needs_neither_torch_nor_discogan(exported, domains, small_run, tmp_path, draw):
    source, target = tmp_path / "in.png", tmp_path / "out.png"
    draw(Image.open(domains[0] / "003.png"), source)
    alone = "import sys, runpy; sys.modules['torch'] = sys.modules['discogan'] = None; runpy.run_path(sys.argv.pop(1))"
    subprocess.run([sys.executable, "-c", alone, EXAMPLE, exported, source, target], check=True)
    expected = levels(discogan.load(small_run).translate(Image.open(source), "a_to_b"))
    assert np.abs(levels(Image.open(target)) - expected).max() <= 1


def test_an_export_names_no_folder_of_this_machine(exported, domains):
    assert str(domains[0]).encode() not in exported.read_bytes()


def test_an_onnx_file_translates_one_direction(exported, images):
    with pytest.raises(ConfigError, match="translates only a_to_b"):
        discogan.load(exported).translate(images, "b_to_a")


def test_export_is_a_function_after_its_package_was_imported():
    code = "import discogan, discogan.exporting, discogan.exporting.onnx; assert callable(discogan.export)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_export_can_be_compared_on_other_images(domains, tmp_path):
    moved = shutil.copytree(domains[0], tmp_path / "a")
    run = tmp_path / "run"
    train(moved, domains[1], out=run, image_size=32, steps=2, settings=SMALL)
    shutil.rmtree(moved)
    with pytest.raises(DataError, match="--images DIR"):
        export(run, "a_to_b", tmp_path / "model.onnx")
    assert export(run, "a_to_b", tmp_path / "model.onnx", images=domains[1]).images == 10


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"file": "model.bin"}, "must end in .onnx"),
        ({"format": "torch"}, "must end in .pt2"),
        ({"format": "keras"}, "no export format named 'keras'. Choose one of: onnx, torch"),
        ({"pixels": "int4"}, "must be uint8 or float, not 'int4'"),
        ({"direction": "up"}, "a_to_b or b_to_a"),
    ],
)
def test_mistakes_are_explained(small_run, tmp_path, words, message):
    given = {"direction": "a_to_b", "file": "model.onnx", **words}
    with pytest.raises(ConfigError, match=message):
        export(small_run, **{**given, "file": tmp_path / given["file"]})


def test_a_file_from_elsewhere_is_refused(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"not a model")
    with pytest.raises(RunError, match=r"x\.onnx is not a model that discogan export wrote"):
        discogan.load(tmp_path / "x.onnx")


def test_a_missing_extra_is_one_sentence_with_its_command():
    message = r'A thing needs no_such_module\. Install it in a clone of discogan with: pip install "\.\[web\]"'
    with pytest.raises(ConfigError, match=message):
        extras.import_extra("no_such_module", "web", "A thing")


def test_weights_that_are_not_finite_are_refused():
    network = torch.nn.Linear(2, 2)
    check_finite(network, "a_to_b")
    with torch.no_grad():
        network.weight[0, 0] = torch.nan
    with pytest.raises(RunError, match="weight of a_to_b are NaN"):
        check_finite(network, "a_to_b")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "[]",
        "{}",
        "[" * 100_000,
        '{"direction": "up"}',
        '{"direction": "a_to_b", "pixels": "uint8", "range": [0], "config": {}}',
        '{"direction": "a_to_b", "pixels": "uint8", "range": ["a", "b"], "config": {}}',
        '{"direction": "a_to_b", "pixels": "uint8", "range": [0, 1], "config": []}',
        '{"direction": "a_to_b", "pixels": "uint8", "range": [0, 1], "config": {"x": 1}}',
        '{"direction": "a_to_b", "pixels": "uint8", "range": [0, 1], "config": {"data": 3}}',
        '{"direction": "a_to_b", "pixels": "uint8", "range": [0, 1], "config": {}}',
        " " * 2_000_000,
    ],
    ids=range(13),
)
def test_damaged_metadata_of_an_onnx_file_are_one_message(exported, tmp_path, text):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(exported)
    for entry in model.metadata_props:
        if entry.key == "discogan":
            entry.value = text
    onnx.save(model, tmp_path / "damaged.onnx")
    with pytest.raises(RunError, match="not a model that discogan export wrote") as raised:
        discogan.load(tmp_path / "damaged.onnx")
    assert len(str(raised.value)) < 500


def test_a_truncated_onnx_file_is_one_message(exported, tmp_path):
    content = exported.read_bytes()
    for size in (0, 10, len(content) // 2, len(content) - 10):
        (tmp_path / "cut.onnx").write_bytes(content[:size])
        with pytest.raises(RunError, match="not a model that discogan export wrote"):
            discogan.load(tmp_path / "cut.onnx")
    with pytest.raises(RunError, match="There is no file"):
        discogan.load(tmp_path / "missing.onnx")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such language setting")
def test_an_onnx_file_with_any_name_works_in_the_language_c(exported, domains, tmp_path):
    file = shutil.copy(exported, tmp_path / "schön-漢字.onnx")
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    words = ["translate", file, domains[0] / "000.png", "--direction", "a_to_b", "--out", tmp_path / "ö"]
    command = [sys.executable, "-m", "discogan", *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "ö" / "000.png").exists()
