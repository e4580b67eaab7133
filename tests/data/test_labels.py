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


@pytest.mark.parametrize("text", ["file,angle\n000.png,3\n", "name,azimuth\n000.png,east\n", "name,azimuth\n000.png\n"])
def test_a_wrong_csv_is_explained(tmp_path, text):
    write_images(tmp_path, 1, 0)
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(DataError, match="columns name and azimuth"):
        labelled_images(tmp_path)


def test_a_folder_without_labels_is_refused(tmp_path):
    write_images(tmp_path, 1, 0)
    with pytest.raises(DataError, match="has no azimuths"):
        labelled_images(tmp_path)
