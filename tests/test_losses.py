"""Losses against values worked out by hand or by PyTorch's own."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import tensor

from discogan import losses
from discogan.errors import ConfigError

REAL, FAKE = tensor([[2.0], [0.0]]), tensor([[-1.0], [1.0]])


def test_adversarial_is_binary_cross_entropy():
    ones, zeros = torch.ones_like(REAL), torch.zeros_like(REAL)
    bce = F.binary_cross_entropy
    expected = bce(REAL.sigmoid(), ones) + bce(FAKE.sigmoid(), zeros)
    torch.testing.assert_close(losses.adversarial_discriminator(REAL, FAKE), expected)
    torch.testing.assert_close(losses.adversarial_generator(FAKE), bce(FAKE.sigmoid(), ones))


def test_adversarial_does_not_saturate():
    assert losses.adversarial_generator(tensor([-200.0])).item() == 200


def test_least_squares_by_hand():
    assert losses.least_squares_generator(FAKE).item() == (4 + 0) / 2
    assert losses.least_squares_discriminator(REAL, FAKE).item() == 0.5 * ((1 + 1) / 2 + (1 + 1) / 2)


def test_relativistic_compares_every_pair():
    softplus = [math.log1p(math.exp(real - fake)) for real in (2, 0) for fake in (-1, 1)]
    assert losses.relativistic_generator(REAL, FAKE).item() == pytest.approx(sum(softplus) / 4)
    mirrored = [math.log1p(math.exp(fake - real)) for real in (2, 0) for fake in (-1, 1)]
    assert losses.relativistic_discriminator(REAL, FAKE).item() == pytest.approx(sum(mirrored) / 4)


def test_relativistic_patches_are_compared_in_place():
    real, fake = torch.randn(2, 1, 3, 3), torch.randn(2, 1, 3, 3)
    expected = torch.stack([F.softplus(real[i] - fake[j]).mean() for i in range(2) for j in range(2)]).mean()
    torch.testing.assert_close(losses.relativistic_generator(real, fake), expected)


def test_gradient_penalty_of_a_linear_discriminator_is_its_squared_norm():
    weight = torch.randn(12, requires_grad=True)
    images = torch.randn(5, 3, 2, 2, requires_grad=True)
    penalty = losses.gradient_penalty(images.flatten(1) @ weight, images)
    torch.testing.assert_close(penalty, weight.square().sum())
    penalty.backward()
    torch.testing.assert_close(weight.grad, 2 * weight.detach())


def test_feature_matching_compares_batch_means_layer_by_layer():
    real = [tensor([[1.0, 3.0], [3.0, 5.0]]), tensor([[0.0], [2.0]])]
    fake = [tensor([[0.0, 0.0], [0.0, 2.0]]), tensor([[1.0], [1.0]])]
    assert losses.feature_matching(real, fake).item() == ((2 - 0) ** 2 + (4 - 1) ** 2) / 2 + 0


def test_feature_matching_averages_in_float32():
    """257 and 258 are one number in bfloat16; means of a batch must not be rounded to it."""
    features = torch.full((2, 1), 256.0, dtype=torch.bfloat16)
    features[0] = 258.0
    assert losses.feature_matching([features], [torch.full_like(features, 256.0)]).item() == 1.0


@pytest.mark.parametrize("distance", losses.DISTANCES)
def test_distances_are_zero_at_equality_and_grow(distance):
    torch.manual_seed(0)
    image = torch.rand(4, 3, 8, 8) + 0.1
    noise = torch.randn_like(image)
    values = [losses.reconstruction(image + scale * noise, image, distance).item() for scale in (0, 0.2, 0.6)]
    assert values[0] == pytest.approx(0, abs=1e-6)
    assert values[0] < values[1] < values[2]


def test_distances_by_hand():
    a, b = tensor([[3.0, 4.0]]), tensor([[3.0, 0.0]])
    assert losses.reconstruction(a, b, "l1").item() == 2
    assert losses.reconstruction(a, b, "l2").item() == 8
    assert losses.reconstruction(a, b, "huber").item() == pytest.approx((4 - 0.5) / 2)
    assert losses.reconstruction(a, b, "cosine").item() == pytest.approx(1 - 3 / 5)
    assert losses.reconstruction(a, b, "hinge").item() == pytest.approx((4 - 0.05) / 2)


def test_an_unknown_distance_lists_the_known():
    with pytest.raises(ConfigError, match="cosine, hinge, huber, l1, l2"):
        losses.reconstruction(REAL, FAKE, "l3")


def test_least_squares_labels_are_one_for_real_and_zero_for_fake():
    real, fake = tensor([[3.0], [-1.0]]), tensor([[2.0], [4.0]])
    assert losses.least_squares_generator(fake).item() == (1**2 + 3**2) / 2
    assert losses.least_squares_discriminator(real, fake).item() == ((2**2 + 2**2) / 2 + (2**2 + 4**2) / 2) / 2


def test_the_mean_is_over_the_batch_not_over_features():
    real, fake = [tensor([[1.0, 2.0, 6.0], [3.0, 2.0, 0.0]])], [torch.zeros(2, 3)]
    assert losses.feature_matching(real, fake).item() == pytest.approx((2**2 + 2**2 + 3**2) / 3)


def test_features_of_different_networks_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        losses.feature_matching([torch.zeros(2, 3)] * 2, [torch.zeros(2, 3)])


def test_the_distance_is_l2_by_default():
    a, b = tensor([[3.0, 4.0]]), tensor([[3.0, 0.0]])
    assert losses.reconstruction(a, b).item() == 8


def test_the_cosine_distance_of_opposite_images_is_two():
    image = torch.rand(2, 3, 4, 4) + 0.1
    assert losses.reconstruction(image, -image, "cosine").item() == pytest.approx(2)


def test_half_precision_becomes_float32_and_float64_stays():
    kinds = {torch.float16: torch.float32, torch.bfloat16: torch.float32, torch.float64: torch.float64}
    for given, expected in kinds.items():
        assert losses.at_least_float32(torch.zeros(1, dtype=given)).dtype == expected
