"""Azimuths are compared as angles, and the regressor measures its own error."""

import pytest
import torch

from discogan.errors import DataError
from discogan.evaluation.angles import (
    angle_between,
    best_offset,
    circular_correlation,
    compare_azimuths,
    reached,
)
from discogan.evaluation.azimuth_regressor import fit_regressor


@pytest.fixture
def inputs():
    return torch.arange(-75.0, 76.0, 15.0).repeat(9)


def test_angles_wrap():
    assert angle_between(torch.tensor([179.0, 350.0]), torch.tensor([-179.0, 10.0])).tolist() == [-2.0, -20.0]
    assert best_offset(torch.tensor([170.0, 180.0]), torch.tensor([-170.0, -160.0]))[0] == 0


def test_equal_turned_and_mirrored_azimuths_have_no_error(inputs):
    for outputs, mirrored in ((inputs, 0), (inputs + 200, 0), (-inputs, 1), (33 - inputs, 1)):
        scores = compare_azimuths(outputs, inputs)
        assert scores["median_error"] == pytest.approx(0, abs=1e-4)
        assert scores["circular_correlation"] == pytest.approx(1)
        assert scores["is_mirrored"] == mirrored
    assert compare_azimuths(inputs, inputs)["circular_correlation_mirrored"] == pytest.approx(-1)
    assert compare_azimuths(inputs + 200, inputs)["offset"] == 160


def test_noise_and_collapse_are_no_better_than_chance(inputs):
    noise = torch.rand(len(inputs), generator=torch.Generator().manual_seed(0)) * 360
    scores = compare_azimuths(noise, inputs)
    assert scores["median_error"] > 0.7 * scores["chance_median_error"]
    assert abs(scores["circular_correlation"]) < 0.35
    collapsed = compare_azimuths(torch.zeros_like(inputs), inputs)
    assert collapsed["circular_correlation"] == 0
    assert collapsed["median_error"] == collapsed["chance_median_error"] > 30


def test_scores_lie_between_for_noisy_angles(inputs):
    errors = [
        compare_azimuths(inputs + spread * torch.randn(len(inputs), generator=torch.Generator().manual_seed(1)), inputs)
        for spread in (5, 20, 60)
    ]
    assert [score["median_error"] for score in errors] == sorted(score["median_error"] for score in errors)
    assert 0.2 < errors[2]["circular_correlation"] < errors[0]["circular_correlation"] < 1


def test_a_map_onto_three_azimuths_reaches_three(inputs):
    coarse = torch.where(inputs.abs() > 25, 52 * inputs.sign(), 0.0)
    scores = compare_azimuths(coarse, inputs)
    assert scores["median_error"] < 16
    assert scores["circular_correlation"] > 0.9
    assert scores["reached"] <= 4 / 11
    assert compare_azimuths(inputs + 90, inputs)["reached"] == compare_azimuths(-inputs, inputs)["reached"] == 1
    assert reached(torch.zeros_like(inputs), inputs) == pytest.approx(1 / 11)


def test_a_map_that_is_correct_for_half_the_azimuths_follows_half(inputs):
    noise = 360 * torch.rand(len(inputs), generator=torch.Generator().manual_seed(0))
    scores = compare_azimuths(torch.where(inputs >= 0, inputs, noise), inputs)
    assert scores["median_error"] < 5
    assert scores["followed"] < 0.75
    assert compare_azimuths(40 - inputs, inputs)["followed"] == 1


@pytest.mark.parametrize("offset", [0.0, 50.0, 90.0, 137.0])
def test_correlation_over_the_full_turn_does_not_depend_on_the_zero(offset):
    full = torch.arange(0.0, 360.0, 15.0)
    assert circular_correlation(full + offset, full) == pytest.approx(1)
    assert circular_correlation(offset - full, full) == pytest.approx(-1)


def test_circular_correlation_ignores_offsets():
    first, second = torch.randn(2, 50, generator=torch.Generator().manual_seed(2)) * 40
    assert circular_correlation(first + 77, second) == pytest.approx(circular_correlation(first, second))
    assert circular_correlation(-first, second) == pytest.approx(-circular_correlation(first, second))


def draw_spots(degrees):
    """White images with a dark spot in the direction of the angle."""
    grid = torch.linspace(-1, 1, 32)
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    turn = degrees.deg2rad()[:, None, None]
    spot = ((x - 0.6 * turn.sin()) ** 2 + (y - 0.6 * turn.cos()) ** 2) < 0.06
    return 1 - 0.8 * spot.float()[:, None]


def test_a_regressor_measures_a_small_error_on_spots_and_a_large_one_on_noise():
    degrees = torch.rand(240, generator=torch.Generator().manual_seed(3)) * 360 - 180
    identities = [str(number % 24) for number in range(240)]
    fitted = fit_regressor(draw_spots(degrees), degrees, identities)
    assert fitted.test_error < 10
    assert fitted.test_images == 60
    blind = fit_regressor(torch.rand(240, 1, 32, 32), degrees, identities)
    assert blind.test_error > 50


def test_a_regressor_needs_two_identities():
    with pytest.raises(DataError, match="at least two identities, not 1"):
        fit_regressor(torch.rand(4, 3, 32, 32), torch.zeros(4), ["one"] * 4)
