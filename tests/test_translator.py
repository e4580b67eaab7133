"""Translation of images, files and folders with a trained run."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import discogan
from discogan import api
from discogan.cli.console import print_scores, print_verdict
from discogan.errors import ConfigError, DataError, DiscoGANWarning, RunError
from discogan.images.inputs import input_files, target_paths
from discogan.translator import Translator
from tests.conftest import SMALL, write_images


@pytest.fixture(scope="module")
def translator(small_run):
    return discogan.load(small_run, device="cpu")


def random_image(width, height, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_one_image_gives_one_image_and_a_list_gives_a_list(translator):
    image = random_image(50, 40)
    single = translator.translate(image, "a_to_b")
    assert (single.mode, single.size) == ("RGB", (32, 32))
    several = translator.translate([image, np.asarray(image)], "a_to_b")
    assert [result.tobytes() for result in several] == [single.tobytes()] * 2
    assert translator.translate([], "a_to_b") == []


def test_the_directions_differ_and_a_round_trip_uses_both(translator):
    image = random_image(32, 32)
    translated = translator.translate(image, "a_to_b")
    assert translated.tobytes() != translator.translate(image, "b_to_a").tobytes()
    round_trip = translator.translate(image, "a_to_b", round_trip=True)
    assert round_trip.tobytes() == translator.translate(translated, "b_to_a").tobytes()


def test_a_result_does_not_depend_on_its_batch(translator):
    images = [random_image(32, 32, seed) for seed in range(9)]
    together = [np.asarray(result, int) for result in translator.translate(images, "a_to_b", batch_size=9)]
    in_twos = [np.asarray(result, int) for result in translator.translate(images, "a_to_b", batch_size=2)]
    alone = [np.asarray(translator.translate(image, "a_to_b"), int) for image in images]
    for of_nine, of_two, of_one in zip(together, in_twos, alone, strict=True):
        # Kernels can add in another order for another batch size, which changes a rounded value by at most 1.
        assert max(abs(of_nine - of_two).max(), abs(of_nine - of_one).max()) <= 1
        assert (of_nine != of_one).mean() < 0.001


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1", "I;16"])
def test_every_mode_is_accepted(translator, mode):
    image = (
        Image.new("L", (40, 40), 90).convert(mode) if mode != "I;16" else Image.fromarray(np.zeros((40, 40), np.uint16))
    )
    assert translator.translate(image, "a_to_b").size == (32, 32)


def test_results_have_the_original_size_on_request(translator):
    # The run's fit is crop, so the result is the central square of 50x40.
    assert translator.translate(random_image(50, 40), "a_to_b", original_size=True).size == (40, 40)
    assert translator.translate(random_image(90, 90), "b_to_a", original_size=True).size == (90, 90)


def test_mistakes_are_explained(translator, tmp_path):
    with pytest.raises(ConfigError, match="a_to_b or b_to_a"):
        translator.translate(random_image(32, 32), "forwards")
    with pytest.raises(DataError, match="uint8"):
        translator.translate(np.zeros((32, 32, 3)), "a_to_b")
    with pytest.raises(RunError, match="no run at"):
        Translator.load(tmp_path / "nothing")
    with pytest.raises(DataError, match="names no image"):
        translator.translate_files(tmp_path / "*.png", tmp_path / "out", "a_to_b")


def test_a_folder_keeps_its_tree(translator, tmp_path):
    write_images(tmp_path / "in" / "x" / "y", 2, 0)
    write_images(tmp_path / "in", 3, 1)
    reported = []
    results = translator.translate_files(
        tmp_path / "in",
        tmp_path / "out",
        "a_to_b",
        batch_size=2,
        on_file=lambda count, total: reported.append((count, total)),
    )
    written = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png"))
    assert written == ["000.png", "001.png", "002.png", "x/y/000.png", "x/y/001.png"]
    assert reported == [(2, 5), (4, 5), (5, 5)]
    for result in results:
        expected = np.asarray(translator.translate(Image.open(result.source), "a_to_b"), int)
        assert abs(np.asarray(Image.open(result.target), int) - expected).max() <= 1


def test_a_broken_file_is_reported_and_the_others_are_translated(translator, tmp_path):
    folder = write_images(tmp_path / "in", 4, 0)
    (folder / "001.png").write_bytes(b"broken")
    results = translator.translate_files(folder, tmp_path / "out", "a_to_b", batch_size=3)
    assert [result.target is None for result in results] == [False, True, False, False]
    assert "001.png" in results[1].problem
    expected = np.asarray(translator.translate(Image.open(folder / "002.png"), "a_to_b"), int)
    assert abs(np.asarray(Image.open(tmp_path / "out" / "002.png"), int) - expected).max() <= 1


def test_inputs_are_never_overwritten(translator, tmp_path):
    folder = write_images(tmp_path / "in", 2, 0)
    before = (folder / "000.png").read_bytes()
    with pytest.raises(DataError, match="overwrite their own inputs"):
        translator.translate_files(folder, folder, "a_to_b")
    assert (folder / "000.png").read_bytes() == before
    with pytest.raises(ConfigError, match="batch size"):
        translator.translate_files(folder, tmp_path / "out", "a_to_b", batch_size=0)


def test_the_result_of_one_file_can_be_named(translator, tmp_path):
    folder = write_images(tmp_path / "in", 2, 0)
    (result,) = translator.translate_files(folder / "000.png", tmp_path / "new" / "one.png", "a_to_b")
    assert Image.open(result.target).size == (32, 32)
    assert result.target == tmp_path / "new" / "one.png"
    with pytest.raises(DataError, match=r"Name it .*one\.png"):
        translator.translate_files(folder / "000.png", tmp_path / "one.jpg", "a_to_b")


def test_files_and_globs(tmp_path):
    write_images(tmp_path / "x", 2, 0)
    (tmp_path / "x" / "notes.txt").touch()
    assert [relative.name for _, relative in input_files(tmp_path / "x" / "001.png")] == ["001.png"]
    assert len(input_files(f"{tmp_path}/**/*")) == 2


def test_names_that_differ_only_in_suffix_do_not_collide(tmp_path):
    files = [(tmp_path / name, (tmp_path / name).relative_to(tmp_path)) for name in ("a.png", "a.jpg", "b.png")]
    assert [path.name for path in target_paths(files, tmp_path)] == ["a.png.png", "a.jpg.png", "b.png"]


def test_names_that_differ_only_in_case_do_not_collide(tmp_path):
    files = [(Path(name), Path(name)) for name in ("a.png", "A.jpg", "A.png", "b.png")]
    assert [path.name for path in target_paths(files, tmp_path)] == ["a.png.png", "A.jpg.png", "A.png.png", "b.png"]


def test_two_results_with_one_name_are_refused(tmp_path):
    files = [(Path(name), Path(name)) for name in ("a.png", "a.jpg", "a.jpg.png")]
    with pytest.raises(DataError, match="2 inputs would be written to"):
        target_paths(files, tmp_path)


def test_a_direction_that_was_not_trained_is_refused(domains, tmp_path):
    api.train(*domains, out=tmp_path / "run", preset="gan", image_size=32, steps=2, settings=SMALL)
    translator = discogan.load(tmp_path / "run")
    image = Image.new("RGB", (32, 32))
    assert translator.directions == ("a_to_b",)
    assert translator.translate(image, "a_to_b").size == (32, 32)
    for direction, round_trip in (("b_to_a", False), ("a_to_b", True)):
        with pytest.raises(ConfigError, match=r"did not learn (b_to_a|the reverse direction)"):
            translator.translate(image, direction, round_trip=round_trip)
    with pytest.raises(ConfigError, match="did not learn b_to_a"):
        translator.translate_files(domains[1], tmp_path / "out", "b_to_a")
    scores = discogan.evaluate(tmp_path / "run")
    assert "b_to_a" not in scores
    assert "round_trip_l1" not in scores["a_to_b"]
    assert scores["verdict"]["metrics"]["a_to_b"]["round_trip"] is None
    print_scores(scores)
    print_verdict(scores["verdict"])


def test_a_round_trip_works_if_only_its_reconstruction_is_trained(domains, tmp_path):
    api.train(*domains, out=tmp_path / "run", preset="recon_gan", image_size=32, steps=2, settings=SMALL)
    translator = discogan.load(tmp_path / "run")
    assert (*translator.directions, *translator.round_trip_directions) == ("a_to_b", "a_to_b")
    assert translator.translate(Image.new("RGB", (32, 32)), "a_to_b", round_trip=True).size == (32, 32)
    assert discogan.evaluate(tmp_path / "run")["a_to_b"]["round_trip_l1"] > 0


def test_an_unwritable_result_does_not_stop_the_others(translator, tmp_path):
    folder = write_images(tmp_path / "in", 3, 0)
    (tmp_path / "out" / "001.png").mkdir(parents=True)
    results = translator.translate_files(folder, tmp_path / "out", "a_to_b")
    assert [result.target is None for result in results] == [False, True, False]
    assert "Give the name of a file, not of a folder" in results[1].problem
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["000.png", "001.png", "002.png"]


def test_a_file_in_place_of_the_folder_of_results_is_one_error(translator, tmp_path):
    (tmp_path / "out").write_text("kept")
    with pytest.raises(OSError, match="out"):
        translator.translate_files(write_images(tmp_path / "in", 3, 0), tmp_path / "out", "a_to_b")
    assert (tmp_path / "out").read_text() == "kept"


def test_a_shell_may_expand_the_glob(translator, tmp_path):
    folder = write_images(tmp_path / "in", 2, 0)
    write_images(folder / "deep", 1, 0)
    (folder / "empty").mkdir()
    for _ in range(2):
        results = translator.translate_files(sorted(folder.iterdir()), folder / "out", "a_to_b")
        assert [result.target for result in results] == [
            folder / "out" / name for name in ("000.png", "001.png", "deep/000.png")
        ]
    relative = input_files([folder / "deep" / ".." / "000.png", folder / "deep"])
    assert [name.as_posix() for _, name in relative] == ["000.png", "deep/000.png"]


def test_results_inside_the_source_are_not_translated_again(translator, tmp_path):
    folder = write_images(tmp_path / "in", 2, 0)
    for _ in range(2):
        assert len(translator.translate_files(folder, folder / "out", "a_to_b")) == 2


def test_a_path_is_not_an_image(translator, tmp_path):
    for value in ("x.png", tmp_path / "x.png", ["x.png"]):
        with pytest.raises(DataError, match="use translate_files"):
            translator.translate(value, "a_to_b")
    with pytest.raises(DataError, match="got generator"):
        translator.translate((image for image in ()), "a_to_b")


def test_a_link_to_itself_is_explained(translator, tmp_path):
    (tmp_path / "x.png").symlink_to("x.png")
    with pytest.raises(DataError, match="link to itself"):
        translator.translate_files(tmp_path / "x.png", tmp_path / "out", "a_to_b")
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataError, match=r"did you mean .*photos"):
        input_files(tmp_path / "potos")


def test_integers_and_floating_point_values_share_no_range(small_run, tmp_path):
    pattern = np.random.default_rng(0).random((40, 40), dtype=np.float32)
    folder = tmp_path / "mixed"
    folder.mkdir()
    Image.fromarray(pattern).save(folder / "float.tiff")
    Image.fromarray((4095 * pattern).astype(np.uint16)).save(folder / "integer.png")
    Image.fromarray((255 * pattern).astype(np.uint8)).save(folder / "plain.png")
    with pytest.raises(DataError, match="Convert them to one kind"):
        discogan.load(small_run).translate_files(folder, tmp_path / "out", "a_to_b")
    (folder / "integer.png").unlink()
    with pytest.warns(DiscoGANWarning, match="The inputs have floating-point values"):
        discogan.load(small_run).translate_files(folder, tmp_path / "out", "a_to_b")
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_inputs_of_more_than_8_bits_share_one_range(small_run, tmp_path):
    folder = tmp_path / "floats"
    folder.mkdir()
    pattern = np.random.default_rng(0).random((40, 40), dtype=np.float32)
    for number, highest in enumerate((200, 30, 0.9, 250)):
        Image.fromarray(pattern * highest).save(folder / f"{number}.tiff")
    translator = discogan.load(small_run)
    with pytest.warns(UserWarning, match="The inputs have"):
        translator.translate_files(folder, tmp_path / "out", "a_to_b")
    for number, highest in enumerate((200, 30, 0.9, 250)):
        grey = np.clip(pattern * highest + 0.5, 0, 255).astype(np.uint8)
        expected = translator.translate(Image.fromarray(grey).convert("RGB"), "a_to_b")
        found = np.asarray(Image.open(tmp_path / "out" / f"{number}.png"), np.int16)
        assert np.abs(found - np.asarray(expected, np.int16)).mean() < 2
