"""The sources for folders, CycleGAN's layout, side-by-side files and CelebA."""

import pytest
from PIL import Image

from discogan.data.celeba import TEST_COUNT, CelebA
from discogan.data.decoding import Decoding, decode_record
from discogan.data.folders import Folders
from discogan.data.side_by_side import SideBySide
from discogan.data.train_ab import TrainAB
from discogan.errors import ConfigError, DataError
from discogan.registry import SOURCES
from tests.conftest import write_images


def names(records):
    return [record.name for record in records]


def test_folders_include_subfolders_and_may_differ_in_size(tmp_path):
    write_images(tmp_path / "a" / "deep" / "er", 2, 0)
    write_images(tmp_path / "b", 3, 0)
    a, b = Folders(str(tmp_path / "a"), str(tmp_path / "b")).records()
    assert names(a) == ["deep/er/000.png", "deep/er/001.png"]
    assert len(b) == 3


def test_an_empty_or_missing_folder_is_refused(tmp_path):
    write_images(tmp_path / "a", 1, 0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="contains no images"):
        Folders(str(tmp_path / "a"), str(tmp_path / "empty")).records()
    with pytest.raises(DataError, match="There is no folder"):
        Folders(str(tmp_path / "a"), str(tmp_path / "missing")).records()


def test_the_same_folder_twice_is_refused(tmp_path):
    write_images(tmp_path / "a" / "inner", 1, 0)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    for second, message in (("a", "the same folder"), ("link", "the same folder"), ("a/inner", "inside the other")):
        with pytest.raises(DataError, match=message):
            Folders(str(tmp_path / "a"), str(tmp_path / second)).records()


def test_train_ab(tmp_path):
    for folder, count in (("trainA", 2), ("trainB", 3), ("testA", 1), ("testB", 1)):
        write_images(tmp_path / folder, count, 0)
    assert [len(records) for records in TrainAB(str(tmp_path)).records()] == [2, 3]
    assert [len(records) for records in TrainAB(str(tmp_path), "test").records()] == [1, 1]


@pytest.fixture
def edges2shoes(tmp_path):
    """Files [edges | photo]: white with one black pixel, and a colour that differs from file to file."""
    for split, count in (("train", 5), ("val", 2)):
        (tmp_path / split).mkdir()
        for number in range(count):
            image = Image.new("RGB", (128, 64), "white")
            image.putpixel((20, 20), (0, 0, 0))
            image.paste((40 * number, 99, 0), (64, 0, 128, 64))
            image.save(tmp_path / split / f"{number + 1}_AB.png")
    return tmp_path


def test_no_side_by_side_file_is_in_both_domains(edges2shoes):
    a, b = SideBySide(str(edges2shoes)).records()
    assert (len(a), len(b)) == (2, 3)
    assert not set(names(a)) & set(names(b))


def test_validation_files_are_true_pairs(edges2shoes):
    a, b = SideBySide(str(edges2shoes), split="val").records()
    assert names(a) == names(b) == ["1_AB.png", "2_AB.png"]


def test_halves_are_cut_and_edges_dilated_at_full_size(edges2shoes):
    a, b = SideBySide(str(edges2shoes)).records()
    edges, photo = (decode_record(record, Decoding(64, 3)) for record in (a[0], b[0]))
    assert (edges == 0).all(2).sum() == 9
    assert (photo == (80, 99, 0)).all()
    thin, _ = SideBySide(str(edges2shoes), dilate_edges=False).records()
    assert (decode_record(thin[0], Decoding(64, 3)) == 0).all(2).sum() == 1


ATTRIBUTES = ["Male", "Smiling", "Young"]


@pytest.fixture
def celeba(tmp_path):
    """3,000 rows whose attributes depend on their number. Listing needs no image files."""
    (tmp_path / "img_align_celeba").mkdir()
    rows = [
        f"{n:06d}.jpg {1 if n % 2 else -1:2d} {1 if n % 3 else -1:2d} {1 if n % 5 else -1:2d}" for n in range(1, 3001)
    ]
    (tmp_path / "list_attr_celeba.txt").write_text("\n".join(["3000", " ".join(ATTRIBUTES), *rows]))
    return str(tmp_path)


def numbers(records):
    return [int(record.path.stem) for record in records]


def test_celeba_with_and_without_an_attribute(celeba):
    a, b = map(numbers, CelebA(celeba, "Male").records())
    assert (len(a), len(b)) == (1500 - TEST_COUNT, 1500 - TEST_COUNT)
    assert all(number % 2 == 1 for number in a)
    assert all(number % 2 == 0 for number in b)
    test_a, _ = map(numbers, CelebA(celeba, "Male", split="test").records())
    assert len(test_a) == TEST_COUNT
    assert min(test_a) > max(a)


def test_celeba_against_another_attribute_under_a_constraint(celeba):
    a, b = map(numbers, CelebA(celeba, "Male", against="Young", constraint="Smiling").records())
    assert all(number % 2 == 1 and number % 3 for number in a)
    assert all(number % 5 and number % 3 for number in b)
    a, _ = map(numbers, CelebA(celeba, "Male", constraint="Smiling", constraint_value=-1).records())
    assert all(number % 2 and number % 3 == 0 for number in a)


def test_celeba_mistakes_are_explained(celeba, tmp_path):
    with pytest.raises(ConfigError, match="no CelebA attribute named 'Bald'"):
        CelebA(celeba, "Bald").records()
    with pytest.raises(DataError, match="Download CelebA"):
        CelebA(str(tmp_path / "nothing")).records()
    with pytest.raises(DataError, match="last 200 are the test part"):
        CelebA(celeba, "Young", against="Male", constraint="Young", constraint_value=-1).records()


def test_a_source_is_built_from_its_table():
    assert SOURCES.build({"name": "train_ab", "root": "x"}, "source") == TrainAB("x")
    with pytest.raises(ConfigError, match=r"--set source\.root="):
        SOURCES.build({"name": "side_by_side"}, "source")
