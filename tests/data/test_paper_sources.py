"""The sources of the paper's data sets, on small files in their layouts."""

import numpy as np
import pytest
from scipy.io import savemat

from discogan.data.decoding import Decoding, decode_record
from discogan.data.facescrub import TEST_COUNT, FaceScrub
from discogan.data.handbags_shoes import HandbagsShoes
from discogan.data.official_renders import OfficialRenders
from discogan.data.store import open_store
from discogan.errors import DataError
from discogan.registry import SOURCES
from tests.conftest import write_images

DECODING = Decoding(32, 3)


def write_car(folder, number, views=24):
    """Write a car in the official layout. Red is the number of the view, green the elevation."""
    folder.mkdir(parents=True, exist_ok=True)
    renders = np.zeros((40, 40, 3, views, 4), np.uint8)
    renders[:, :, 0] = 10 * np.arange(views)[:, None]
    renders[:, :, 1] = 60 * np.arange(4)
    renders[:, :, 2] = number
    savemat(folder / f"00_car_{number:03d}_mesh.mat", {"im": renders})


@pytest.fixture(scope="module")
def renders(tmp_path_factory):
    """20 cars, 14 chairs with 4 views each, 10 faces with 3 views each."""
    root = tmp_path_factory.mktemp("official")
    for number in range(20):
        write_car(root / "data" / "cars", number)
    for chair in range(14):
        folder = write_images(root / "rendered_chairs" / f"chair{chair:02d}" / "renders", 4, chair)
        for path, angle in zip(sorted(folder.iterdir()), (0, 90, 200, 340), strict=True):
            path.rename(folder / f"image_{chair:03d}_p020_t{angle:03d}_r096.png")
    faces = write_images(root / "PublicMM1" / "05_renderings", 30, 0)
    for number, path in enumerate(sorted(faces.iterdir())):
        path.rename(faces / f"{number // 3:020d}_view{number % 3}.png")
    return root


def test_cars_are_the_views_of_the_official_code(renders):
    a, b = OfficialRenders(str(renders)).records()
    assert len(a) == len(b) == 3 * 11
    assert [record.view for record in a[:11]] == [5, 4, 3, 2, 1, 0, 23, 22, 21, 20, 19]
    assert not {record.path for record in a} & {record.path for record in b}
    pixels = decode_record(b[3], DECODING)
    assert pixels.shape == (32, 32, 3)
    assert pixels[16, 16].tolist() == [20, 180, 3]  # view 2, elevation 3, car 3
    store = open_store(a, DECODING)
    assert len(store) == 33
    assert (store.pixels[:, 16, 16, 0] == np.tile([50, 40, 30, 20, 10, 0, 230, 220, 210, 200, 190], 3)).all()


def test_the_last_cars_are_the_test_part(renders):
    test_a, test_b = OfficialRenders(str(renders), split="test").records()
    assert [record.path for record in test_a] == [record.path for record in test_b]
    assert len(test_a) == 14 * 11
    train = OfficialRenders(str(renders), turn="full").records()
    assert not {record.path for record in test_a} & {record.path for part in train for record in part}
    assert len(train[0]) == 3 * 24


def test_chairs_and_faces(renders):
    chairs, faces = OfficialRenders(str(renders), a="chair", b="face").records()
    assert len(chairs) == 4 * 2
    assert all("_t200_" in record.name or "_t340_" in record.name for record in chairs)
    assert len(faces) == 8 * 3
    assert len(OfficialRenders(str(renders), a="chair", b="face", split="test").records()[1]) == 2 * 3
    assert len(OfficialRenders(str(renders), a="chair", b="chair", turn="full").records()[0]) == 2 * 4


def test_a_damaged_matlab_file_is_skipped_with_a_message(tmp_path):
    for number in range(40):
        write_car(tmp_path / "data" / "cars", number)
    (tmp_path / "data" / "cars" / "00_car_000_mesh.mat").write_bytes(b"no")
    savemat(tmp_path / "data" / "cars" / "00_car_001_mesh.mat", {"im": np.zeros((4, 4), np.uint8)})
    a, _ = OfficialRenders(str(tmp_path)).records()
    with pytest.raises(DataError, match="not a MATLAB file"):
        decode_record(a[0], DECODING)
    with pytest.raises(DataError, match=r"not uint8 \(height, width, 3, 24, 4\)"):
        decode_record(a[11], DECODING)


def test_facescrub(tmp_path):
    write_images(tmp_path / "actors" / "face", TEST_COUNT + 3, 0, size=4)
    write_images(tmp_path / "actresses" / "face", TEST_COUNT + 2, 1, size=4)
    a, b = FaceScrub(str(tmp_path)).records()
    assert (len(a), len(b)) == (3, 2)
    test = FaceScrub(str(tmp_path), "test").records()
    assert [len(part) for part in test] == [TEST_COUNT, TEST_COUNT]
    assert not {record.path for record in a} & {record.path for record in test[0]}


def test_handbags_and_shoes_are_the_photographs_only(tmp_path):
    for number, name in enumerate(("edges2handbags", "edges2shoes")):
        write_images(tmp_path / name / "train", 2 + number, number)
    a, b = HandbagsShoes(str(tmp_path)).records()
    assert (len(a), len(b)) == (2, 3)
    assert {record.half for record in (*a, *b)} == {"right"}
    assert not any(record.dilate for record in a)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("handbags_shoes", {}),
        ("facescrub", {}),
        ("official_renders", {"a": "car"}),
        ("official_renders", {"a": "chair", "b": "chair"}),
        ("official_renders", {"a": "face", "b": "face"}),
    ],
)
def test_a_missing_data_set_says_what_to_download_and_where_to_put_it(name, options, tmp_path):
    with pytest.raises(DataError, match=rf"There is no folder {tmp_path}.*Download .* unpack it there"):
        SOURCES.build({"name": name, "root": str(tmp_path), **options}, "source").records()
