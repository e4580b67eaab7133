"""Matching finds the counterparts of images, with and without faiss, ranked or one to one."""

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
def test_blocks_give_the_result_of_all_pairs(monkeypatch):
    monkeypatch.setattr(matching, "BLOCK_A_IMAGES", 7)
    monkeypatch.setattr(matching, "BLOCK_B_IMAGES", 5)
    points_a, points_b = points(23, 0), points(41, 1)
    distances, rows = nearest_points(points_a, points_b, 6)
    expected = torch.cdist(points_a, points_b).topk(6, largest=False)
    assert np.allclose(distances, expected.values)
    assert np.array_equal(rows, expected.indices)


def test_faiss_gives_the_result_of_blocks(monkeypatch):
    pytest.importorskip("faiss", reason="faiss is not installed (pip install '.[scale]')")
    points_a, points_b = points(30, 0), points(50, 1)
    distances, rows = nearest_points(points_a, points_b, 4)
    monkeypatch.setitem(sys.modules, "faiss", None)
    assert np.array_equal(rows, nearest_points(points_a, points_b, 4)[1])
    assert np.allclose(distances, nearest_points(points_a, points_b, 4)[0], atol=1e-3)


def test_the_assignment_has_the_least_total_distance():
    points_a, points_b = points(5, 0), points(6, 1)
    _, columns, distances = assign(points_a, points_b)
    everything = torch.cdist(points_a, points_b)
    best = min(sum(everything[row, column] for row, column in enumerate(order)) for order in permutations(range(6), 5))
    assert len(set(columns.tolist())) == 5
    assert distances.sum() == pytest.approx(best.item())


@pytest.mark.usefixtures("without_faiss")
@pytest.mark.parametrize(("count_a", "count_b"), [(40, 40), (30, 45), (45, 30)])
def test_with_all_candidates_the_sparse_assignment_equals_the_dense_one(count_a, count_b):
    points_a, points_b = points(count_a, 0), points(count_b, 1)
    dense, sparse = assign(points_a, points_b), assign_among_nearest(points_a, points_b, count_b)
    assert len(set(sparse[1].tolist())) == len(sparse[1]) == min(count_a, count_b)
    assert sparse[2].sum() == pytest.approx(dense[2].sum(), rel=1e-4)


@pytest.mark.usefixtures("without_faiss")
def test_an_image_whose_candidates_are_all_taken_is_unmatched():
    points_a = torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.2, 0.0]])
    points_b = torch.tensor([[0.0, 0.0], [0.1, 0.0], [9.0, 0.0]])
    rows, columns, _ = assign_among_nearest(points_a, points_b, 2)
    assert len(rows) == 2
    assert set(columns.tolist()) == {0, 1}


@pytest.fixture
def twins(tmp_path):
    """Folders A and B; B holds the images of A in another order and one more."""
    write_images(tmp_path / "a", 9, 3)
    (tmp_path / "b").mkdir()
    for number in range(9):
        Image.open(tmp_path / "a" / f"{number:03d}.png").save(tmp_path / "b" / f"{(number * 4) % 9:03d}.png")
    write_images(tmp_path / "more", 1, 4)
    Image.open(tmp_path / "more" / "000.png").save(tmp_path / "b" / "other.png")
    return tmp_path / "a", tmp_path / "b"


@pytest.fixture
def copier(monkeypatch):
    """Let every model return its input as the translation."""
    monkeypatch.setattr("discogan.model.TranslationModel.translate_pixels", lambda *given: np.array(given[1]))


@pytest.mark.usefixtures("copier")
@pytest.mark.parametrize("one_to_one", [False, True])
def test_images_are_matched_with_their_copies(small_run, twins, one_to_one):
    result = Matcher(small_run, *twins, device="cpu").match(one_to_one=one_to_one)
    assert {match.a: match.b for match in result.matches} == {
        f"{number:03d}.png": f"{(number * 4) % 9:03d}.png" for number in range(9)
    }
    assert all(match.score > 0.3 for match in result.matches)
    assert result.unmatched == []


@pytest.mark.usefixtures("copier")
def test_unrelated_images_score_about_zero(small_run, domains):
    scores = [match.score for match in Matcher(small_run, *domains, device="cpu").match(count=100).matches]
    assert abs(np.mean(scores)) < 0.1


@pytest.mark.usefixtures("copier")
def test_an_image_near_to_all_others_is_not_the_counterpart_of_all(small_run, tmp_path):
    """The mean of all images is nearest to more than 30% of them, but is matched with few."""
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
    result = Matcher(small_run, twins[1], twins[0], device="cpu").match(one_to_one=True)
    assert result.unmatched == ["other.png"]
    assert len({match.b for match in result.matches}) == 9


def test_counterparts_are_ranked_and_written(small_run, domains, tmp_path):
    matcher = Matcher(small_run, *domains, device="cpu")
    result = matcher.match(count=3)
    result.write_csv(tmp_path / "deeper" / "matches.csv")
    with (tmp_path / "deeper" / "matches.csv").open() as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == 13 * 3
    assert [line["rank"] for line in lines[:4]] == ["1", "2", "3", "1"]
    assert lines[0].keys() == {"path_a", "path_b", "rank", "score"}
    assert float(lines[0]["score"]) >= float(lines[1]["score"]) >= float(lines[2]["score"])
    matcher.draw(result, tmp_path / "sheet.png")
    assert Image.open(tmp_path / "sheet.png").height > 500


def test_a_model_of_one_direction_matches_with_one_half(domains, tmp_path):
    api.train(*domains, out=tmp_path / "run", preset="gan", image_size=32, steps=2, settings=SMALL)
    matcher = Matcher(tmp_path / "run", *domains, device="cpu")
    assert matcher.points_a.shape == (13, 768)
    assert len(matcher.match().matches) == 13


def test_a_count_of_zero_is_refused(small_run, domains):
    with pytest.raises(ConfigError, match="count must be at least 1"):
        Matcher(small_run, *domains, device="cpu").match(count=0)
