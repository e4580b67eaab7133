"""Covered modes and collisions of a map between two mixtures."""

import pytest
import torch

from discogan.experiments.modes import modes

CENTRES = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]])
ORIGINS = torch.arange(400) % 4
NOISE = 0.1 * torch.randn(400, 2, generator=torch.Generator().manual_seed(1))


def test_a_permutation_covers_everything_without_collision():
    scores = modes(CENTRES[(ORIGINS + 1) % 4] + NOISE, ORIGINS, CENTRES, 0.1)
    assert scores == {"covered": 4, "collisions": 0, "within_3_sigma": pytest.approx(0.99, abs=0.015)}


def test_two_modes_in_one_collide_and_leave_another():
    targets = ORIGINS.clone()
    targets[targets == 3] = 0
    assert modes(CENTRES[targets] + NOISE, ORIGINS, CENTRES, 0.1)["collisions"] == 1
    assert modes(CENTRES[targets] + NOISE, ORIGINS, CENTRES, 0.1)["covered"] == 3


def test_collapse_collides_in_every_pair():
    scores = modes(CENTRES[:1] + NOISE, ORIGINS, CENTRES, 0.1)
    assert (scores["covered"], scores["collisions"]) == (1, 6)


def test_between_the_modes_nothing_is_covered():
    scores = modes(CENTRES[ORIGINS] + 1.0, ORIGINS, CENTRES, 0.1)
    assert (scores["covered"], scores["within_3_sigma"]) == (0, 0)


def test_a_few_stray_points_do_not_cover_a_mode():
    points = CENTRES[ORIGINS.clamp(max=2)] + NOISE
    points[:8] = CENTRES[3]
    assert modes(points, ORIGINS, CENTRES, 0.1)["covered"] == 3
