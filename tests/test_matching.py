import csv
import sys
from itertools import permutations

import numpy as np
import pytest
import torch
from PIL import Image

from discogan import api, matching
from discogan.errors import ConfigError
from discogan.matching import Matcher, assign, assign_among_nearest, nearest_points
from tests.conftest import SMALL, write_images


def points(count, seed, width=6):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def without_faiss(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)


@pytest.mark.usefixtures("without_faiss")
def test_blocks_find_what_all_pairs_at_once_would(monkeypatch):
    monkeypatch.setattr(matching, "BLOCK_A", 7)
    monkeypatch.setattr(matching, "BLOCK_B", 5)
    here, there = points(23, 0), points(41, 1)
    distances, rows = nearest_points(here, there, 6)
    expected = torch.cdist(here, there).topk(6, largest=False)
    assert np.allclose(distances, expected.values)
    assert np.array_equal(rows, expected.indices)


def test_faiss_finds_what_the_blocks_find(monkeypatch):
    pytest.importorskip("faiss", reason="faiss is not installed (pip install '.[scale]')")
    here, there = points(30, 0), points(50, 1)
    distances, rows = nearest_points(here, there, 4)
    monkeypatch.setitem(sys.modules, "faiss", None)
    assert np.array_equal(rows, nearest_points(here, there, 4)[1])
    assert np.allclose(distances, nearest_points(here, there, 4)[0], atol=1e-3)


def test_the_assignment_is_the_best_of_all():
    here, there = points(5, 0), points(6, 1)
    _, columns, distances = assign(here, there)
    everything = torch.cdist(here, there)
    best = min(sum(everything[row, column] for row, column in enumerate(order)) for order in permutations(range(6), 5))
    assert len(set(columns.tolist())) == 5
    assert distances.sum() == pytest.approx(best.item())


@pytest.mark.usefixtures("without_faiss")
@pytest.mark.parametrize(("here", "there"), [(40, 40), (30, 45), (45, 30)])
def test_with_all_as_candidates_the_sparse_assignment_is_the_dense_one(here, there):
    one, other = points(here, 0), points(there, 1)
    dense, sparse = assign(one, other), assign_among_nearest(one, other, there)
    assert len(set(sparse[1].tolist())) == len(sparse[1]) == min(here, there)
    assert sparse[2].sum() == pytest.approx(dense[2].sum(), rel=1e-4)


@pytest.mark.usefixtures("without_faiss")
def test_an_image_whose_candidates_are_all_taken_stays_alone():
    here = torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.2, 0.0]])
    there = torch.tensor([[0.0, 0.0], [0.1, 0.0], [9.0, 0.0]])
    rows, columns, _ = assign_among_nearest(here, there, 2)
    assert len(rows) == 2
    assert set(columns.tolist()) == {0, 1}


@pytest.fixture
def twins(tmp_path):
    """B holds the images of A in another order, and one more."""
    write_images(tmp_path / "a", 9, 3)
    (tmp_path / "b").mkdir()
    for number in range(9):
        Image.open(tmp_path / "a" / f"{number:03d}.png").save(tmp_path / "b" / f"{(number * 4) % 9:03d}.png")
    write_images(tmp_path / "more", 1, 4)
    Image.open(tmp_path / "more" / "000.png").save(tmp_path / "b" / "other.png")
    return tmp_path / "a", tmp_path / "b"


@pytest.fixture
def copier(monkeypatch):
    """A run whose translation is the image itself."""
    monkeypatch.setattr("discogan.model.TranslationModel.translate_pixels", lambda *given: np.array(given[1]))


@pytest.mark.usefixtures("copier")
@pytest.mark.parametrize("one_to_one", [False, True])
def test_images_meet_their_twins(small_run, twins, one_to_one):
    found = Matcher(small_run, *twins, device="cpu").match(one_to_one=one_to_one)
    assert {match.a: match.b for match in found.matches} == {
        f"{number:03d}.png": f"{(number * 4) % 9:03d}.png" for number in range(9)
    }
    assert all(match.score > 0.3 for match in found.matches)
    assert found.unmatched == []


@pytest.mark.usefixtures("copier")
def test_unrelated_images_score_about_zero(small_run, domains):
    scores = [match.score for match in Matcher(small_run, *domains, device="cpu").match(count=100).matches]
    assert abs(np.mean(scores)) < 0.1


@pytest.mark.usefixtures("copier")
def test_an_image_near_to_everything_is_not_everyone_s_counterpart(small_run, tmp_path):
    """A hub: the mean of all images is the nearest to many of them, and still loses to their own twins."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (30, 8, 8, 3))
    noisy = 0.28 * coarse + 0.72 * rng.integers(0, 256, coarse.shape)
    for folder, images in (("a", coarse), ("b", [*noisy, coarse.mean(0)])):
        (tmp_path / folder).mkdir()
        for number, image in enumerate(images):
            pixels = np.asarray(image).astype(np.uint8).repeat(4, 0).repeat(4, 1)
            Image.fromarray(pixels).save(tmp_path / folder / f"{number}.png")
    matcher = Matcher(small_run, tmp_path / "a", tmp_path / "b", device="cpu")
    hub = matcher.store_b.names.index("30.png")
    nearest = torch.cdist(matcher.points_a, matcher.points_b).argmin(1)
    assert (nearest == hub).float().mean() > 0.3
    assert np.mean([match.a == match.b for match in matcher.match().matches]) > 0.8


@pytest.mark.usefixtures("copier")
def test_more_images_in_a_than_in_b_leave_some_without_a_counterpart(small_run, twins):
    found = Matcher(small_run, twins[1], twins[0], device="cpu").match(one_to_one=True)
    assert found.unmatched == ["other.png"]
    assert len({match.b for match in found.matches}) == 9


def test_counterparts_are_ranked_and_written(small_run, domains, tmp_path):
    matcher = Matcher(small_run, *domains, device="cpu")
    found = matcher.match(count=3)
    found.write_csv(tmp_path / "deeper" / "matches.csv")
    with (tmp_path / "deeper" / "matches.csv").open() as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == 13 * 3
    assert [line["rank"] for line in lines[:4]] == ["1", "2", "3", "1"]
    assert lines[0].keys() == {"path_a", "path_b", "rank", "score"}
    assert float(lines[0]["score"]) >= float(lines[1]["score"]) >= float(lines[2]["score"])
    matcher.draw(found, tmp_path / "sheet.png")
    assert Image.open(tmp_path / "sheet.png").height > 500


def test_a_model_of_one_direction_matches_by_it_alone(domains, tmp_path):
    api.train(*domains, out=tmp_path / "run", preset="gan", image_size=32, steps=2, settings=SMALL)
    matcher = Matcher(tmp_path / "run", *domains, device="cpu")
    assert matcher.points_a.shape == (13, 768)
    assert len(matcher.match().matches) == 13


def test_no_counterparts_are_refused(small_run, domains):
    with pytest.raises(ConfigError, match="count must be at least 1"):
        Matcher(small_run, *domains, device="cpu").match(count=0)
