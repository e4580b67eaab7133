"""Rendered domains: closed solids, correct azimuths, complete folders."""

import csv

import numpy as np
import pytest
from PIL import Image

from discogan.data.labels import labelled_images
from discogan.errors import ConfigError, DataError
from discogan.experiments.renders.atlas import Atlas, View, viewing_rotation
from discogan.experiments.renders.folder import FRONT, FULL, parse_azimuths, render_folder
from discogan.experiments.renders.mesh import box, ellipsoid, join, rod
from discogan.images import to_pixels
from discogan.registry import RENDERS

SOLIDS = {
    "box": (box((1, 2, 3), (1, 2, 3), (1, 0, 0)), 6.0),
    "ellipsoid": (ellipsoid((0, 0, 1), (1, 1, 1), (1, 0, 0), 40, 80), 4 / 3 * np.pi),
    "rod": (rod((0, 0, 0), (0, 3, 0), 0.5, (1, 0, 0)), 3 * np.pi / 4),
    "cone": (rod((0, 0, 0), (2, 0, 0), 0.5, (1, 0, 0), 0.0), np.pi / 6),
}


@pytest.mark.parametrize("name", SOLIDS)
def test_solids_are_closed_face_outwards_and_have_their_volume(name):
    mesh, volume = SOLIDS[name]
    one, two, three = (mesh.points[mesh.corners[:, place]] for place in range(3))
    assert np.einsum("ij,ij->", one, np.cross(two, three)) / 6 == pytest.approx(volume, rel=0.07)
    outwards = np.einsum("ij,ij->i", np.cross(two - one, three - one), (one + two + three) / 3 - mesh.points.mean(0))
    assert outwards.min() > -1e-9


@pytest.mark.parametrize("kind", RENDERS.entries())
def test_objects_vary_and_are_reproducible(kind):
    build = RENDERS.get(kind).build
    first, again, other = (build(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.points, again.points)
    assert np.array_equal(first.colours, again.colours)
    assert first.points.shape != other.points.shape or not np.allclose(first.points, other.points)
    assert 0 <= first.colours.min() <= first.colours.max() <= 1
    assert np.linalg.norm(first.fitted().points, axis=1).max() == pytest.approx(1)


def test_a_positive_azimuth_turns_the_front_to_the_viewer_s_right():
    forward, left, up = np.eye(3)
    assert viewing_rotation(0, 0) @ forward == pytest.approx([0, 0, 1])  # towards the viewer
    assert viewing_rotation(90, 0) @ forward == pytest.approx([1, 0, 0])  # to the viewer's right
    assert viewing_rotation(0, 0) @ left == pytest.approx([1, 0, 0])
    assert viewing_rotation(180, 0) @ forward == pytest.approx([0, 0, -1])
    assert (viewing_rotation(0, 30) @ up)[2] > 0  # seen from above, the top comes nearer
    assert np.linalg.det(viewing_rotation(37, 12)) == pytest.approx(1)


@pytest.mark.usefixtures("rendering")
def test_pixels_show_the_azimuth():
    """Render a grey bar with a red nose; it is right of the middle if the azimuth is between 0 and 180 degrees."""
    nosed = join([box((0, 0, 0), (1.6, 0.3, 0.3), (0.5, 0.5, 0.5)), box((0.9, 0, 0), (0.2, 0.3, 0.3), (1, 0, 0))])
    azimuths = (-90, -45, 45, 90, 135, 225)
    with Atlas(32) as atlas:
        pixels = atlas.draw([View(nosed.fitted(), azimuth) for azimuth in azimuths]).astype(int)
    for azimuth, image in zip(azimuths, pixels, strict=True):
        red = (image[..., 0] - image[..., 1] > 60).nonzero()[1]
        assert (red.mean() > 15.5) == (np.sin(np.radians(azimuth)) > 0), azimuth
    assert (pixels[:, 0, 0] == 255).all()


@pytest.mark.usefixtures("rendering")
def test_a_folder_has_every_view_and_its_labels(tmp_path):
    assert render_folder("car", tmp_path / "cars", 7, FRONT, image_size=32) == 77
    listed = labelled_images(tmp_path / "cars")
    assert len(listed) == 77
    assert {image.azimuth for image in listed} == set(FRONT)
    assert len({image.identity for image in listed}) == 7
    with (tmp_path / "cars" / "labels.csv").open() as file:
        assert all(5 <= float(row["elevation"]) <= 25 for row in csv.DictReader(file))
    with Image.open(listed[0].record.path) as image:
        assert image.size == (32, 32)


@pytest.mark.usefixtures("rendering")
def test_identities_are_reproducible_and_differ(tmp_path):
    for name, first in (("one", 0), ("again", 0), ("other", 2)):
        render_folder("chair", tmp_path / name, 2, (0.0,), first=first, image_size=32)
    one, again, other = (
        [to_pixels(Image.open(path)) for path in sorted((tmp_path / name).glob("*.png"))]
        for name in ("one", "again", "other")
    )
    assert np.array_equal(one, again)
    assert not any(np.array_equal(mine, theirs) for mine in one for theirs in other)


def test_mistakes_are_explained(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(DataError, match="already contains files"):
        render_folder("car", tmp_path / "full", 1)
    with pytest.raises(ConfigError, match="Choose one of: car, chair, head"):
        render_folder("boat", tmp_path / "new", 1)
    with pytest.raises(ConfigError, match="at least 1"):
        render_folder("car", tmp_path / "new", 0)
    with pytest.raises(ConfigError, match="front, full or degrees"):
        parse_azimuths("left")
    assert parse_azimuths("0,-15.5") == (0.0, -15.5)
    assert parse_azimuths("full") == FULL
