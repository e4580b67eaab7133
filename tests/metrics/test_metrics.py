"""The functions behind the metrics, at their best, at their worst, and in between."""

import pytest
import torch

from discogan.images import make_thumbnails
from discogan.metrics.diversity import diversity
from discogan.metrics.retrieval import chance_retrieval, retrieval
from discogan.metrics.round_trip import round_trip
from discogan.metrics.similarity import similarity
from discogan.metrics.sliced_wasserstein import sliced_wasserstein


@pytest.fixture
def images():
    torch.manual_seed(0)
    return torch.rand(20, 3, 32, 32)


def test_retrieval_counts_true_partners(images):
    assert retrieval(images, images) == {"top_1": 1, "top_5": 1}
    swapped = images.clone()
    swapped[[0, 1]] = images[[1, 0]]
    assert retrieval(swapped, images)["top_1"] == 18 / 20
    assert retrieval(images.roll(1, 0), images)["top_1"] == 0


def test_retrieval_of_a_constant_output_is_not_above_chance(images):
    assert retrieval(images[:1].expand_as(images), images)["top_1"] <= 1 / 20
    assert retrieval(images, images[:1].expand_as(images)) == {"top_1": 0, "top_5": 0}


def test_retrieval_of_noise_is_chance():
    torch.manual_seed(1)
    scores = [retrieval(torch.rand(50, 3, 16, 16), torch.rand(50, 3, 16, 16)) for _ in range(40)]
    chance = chance_retrieval(50)
    assert sum(score["top_1"] for score in scores) / 40 == pytest.approx(chance["top_1"], abs=0.015)
    assert sum(score["top_5"] for score in scores) / 40 == pytest.approx(chance["top_5"], abs=0.03)
    assert chance_retrieval(3)["top_5"] == 1


def test_thumbnails_are_area_averages_in_rgb():
    grey = torch.arange(32.0).view(1, 1, 1, 32).expand(1, 1, 32, 32)
    assert make_thumbnails(grey)[0, 2, 5].tolist() == [0.5 + 2 * column for column in range(16)]


def test_similarity(images):
    assert similarity(images, images) == pytest.approx({"l1": 0, "ssim": 1})
    far = similarity(images, 1 - images)
    assert far["ssim"] < 0
    noisy = similarity((images + 0.1 * torch.randn_like(images)).clamp(0, 1), images)
    assert far["ssim"] < noisy["ssim"] < 1
    assert similarity(torch.zeros(2, 1, 32, 32), torch.ones(2, 3, 32, 32))["l1"] == 1


def test_round_trip(images):
    assert round_trip(images, images) == {"round_trip_l1": 0}
    assert round_trip(images.zero_(), torch.ones_like(images)) == {"round_trip_l1": 1}


def test_diversity_falls_to_zero_at_collapse(images):
    assert diversity(images.flip(0), images)["diversity"] == pytest.approx(1)
    assert diversity(images[:1].expand_as(images), images)["diversity"] == pytest.approx(0, abs=1e-6)
    assert diversity(images * 0.5, images)["diversity"] == pytest.approx(0.5)
    assert diversity(images, images[:1].expand_as(images))["diversity"] == 0


def test_sliced_wasserstein_measures_a_shift_and_ignores_order(images):
    assert sliced_wasserstein(images.flip(0), images)["sliced_wasserstein"] == pytest.approx(0, abs=1e-6)
    near, far = (sliced_wasserstein(images + shift, images)["sliced_wasserstein"] for shift in (0.1, 0.3))
    assert far == pytest.approx(3 * near, rel=1e-3)
    assert near > 0
    assert sliced_wasserstein(images[:7], images)["sliced_wasserstein"] > 0
    assert sliced_wasserstein(images, images[:7] + 0.1) == sliced_wasserstein(images, images[:7] + 0.1)
