import pytest

from discogan.data.labels import labelled_images
from discogan.errors import DataError
from tests.conftest import write_images


def test_labels_from_a_csv(tmp_path):
    write_images(tmp_path, 3, 0)
    (tmp_path / "labels.csv").write_text("name,azimuth\n000.png,-30\n002.png,345.5\nmissing.png,1\n")
    listed = labelled_images(tmp_path)
    assert [(image.record.name, image.azimuth) for image in listed] == [("000.png", -30), ("002.png", 345.5)]
    assert listed[0].identity != listed[1].identity


def test_labels_from_names(tmp_path):
    write_images(tmp_path, 2, 0)
    (tmp_path / "000.png").rename(tmp_path / "07_az345_el20.png")
    (tmp_path / "001.png").rename(tmp_path / "car-1_az-15.png")
    assert {(image.identity, image.azimuth) for image in labelled_images(tmp_path)} == {("07", 345), ("car-1", -15)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"file,angle\n000.png,3\n", "line 1 does not name the column name"),
        (b"", "line 1 does not name the column name"),
        (b"name,azimuth\n000.png,3\n000.png,east\n", "line 3 has the azimuth 'east'"),
        (b"name,azimuth\n000.png,nan\n", "line 2 has the azimuth 'nan'"),
        (b"name,azimuth\n\n000.png\n", "line 3 has no azimuth"),
        (b"name,azimuth\n\xe9.png,3\n", "line 2 is not UTF-8"),
        (b"name,azimuth\n000.png,3\0\n", "line 2 contains a NUL character"),
        (b'name,azimuth\n"000.png,3\n', "line 2 is not valid CSV"),
        (b"name,azimuth\n" + b"x" * 200_000 + b",3\n", "line 2 is not valid CSV"),
    ],
)
def test_a_wrong_csv_is_explained(tmp_path, content, message):
    write_images(tmp_path, 1, 0)
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(DataError, match=rf"labels\.csv, {message}"):
        labelled_images(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfname,azimuth\n000.png,3\n",
        b"name;azimuth\r\n000.png;3\r\n",
        b"azimuth\tname\n3\t000.png\n",
        b' name , azimuth \n "000.png" , 3 \n'.replace(b' "', b'"').replace(b'" ', b'"'),
    ],
    ids=["byte order mark", "semicolons", "tabs", "spaces"],
)
def test_what_spreadsheets_write_is_read(tmp_path, content):
    write_images(tmp_path, 1, 0)
    (tmp_path / "labels.csv").write_bytes(content)
    assert [image.azimuth for image in labelled_images(tmp_path)] == [3]


def test_a_folder_without_labels_is_refused(tmp_path):
    write_images(tmp_path, 1, 0)
    with pytest.raises(DataError, match="has no azimuths"):
        labelled_images(tmp_path)
