"""Metrics on features, with small networks instead of Inception and AlexNet, whose weights are never downloaded."""

import pytest
import torch
from torch import nn

from discogan.errors import ConfigError
from discogan.metrics.coverage import Coverage, manifold_scores
from discogan.metrics.inception import FID, KID, InceptionMetric, fid, kid
from discogan.metrics.perceptual import LPIPS, lpips


class Means(nn.Module):
    """Four area averages of uint8 images as features (N, 12)."""

    num_features = 12

    def forward(self, images):
        return nn.functional.adaptive_avg_pool2d(images.float() / 255, 2).flatten(1)


@pytest.fixture
def images():
    return (
        torch.rand(120, 3, 16, 16, generator=torch.Generator().manual_seed(0))
        * torch.linspace(0.2, 1, 120)[:, None, None, None]
    )


def test_fid_is_the_distance_of_gaussians(images):
    darker = (images * 0.5 + 0.3).clamp(0, 1)
    assert fid(images, images, Means())["fid"] == pytest.approx(0, abs=1e-3)
    first, second = (Means()((255 * batch).round().byte()).double() for batch in (images, darker))
    covariances = [values.T.cov() for values in (first, second)]
    eigenvalues = torch.linalg.eigvals(covariances[0] @ covariances[1]).sqrt().real.sum()
    expected = (first.mean(0) - second.mean(0)).square().sum() + sum(c.trace() for c in covariances) - 2 * eigenvalues
    assert fid(darker, images, Means())["fid"] == pytest.approx(expected.item(), rel=1e-3)


def test_kid_is_about_zero_for_equal_distributions_and_grows_with_a_shift(images):
    assert abs(kid(images[::2], images[1::2], Means())["kid"]) < 0.02
    near, far = (kid((images + shift).clamp(0, 1), images, Means())["kid"] for shift in (0.1, 0.4))
    assert 0 < near < far
    assert kid(images, images, Means()) == kid(images, images, Means())


def test_missing_weights_are_explained(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(InceptionMetric, "libraries", {})
    monkeypatch.setattr(LPIPS, "libraries", {})
    with pytest.raises(ConfigError, match="Download pt_inception"):
        FID().check()
    with pytest.raises(ConfigError, match=r"weights\.pth"):
        KID(weights=str(tmp_path / "weights.pth")).check()
    with pytest.raises(ConfigError, match="Download alexnet"):
        LPIPS().check()


def test_a_missing_library_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(LPIPS, "libraries", {"no_such_library": "pip install no-such-library"})
    with pytest.raises(ConfigError, match="LPIPS needs no_such_library"):
        LPIPS().check()


def test_lpips_is_the_mean_over_pairs(images):
    def distance(first, second):
        return (first - second).abs().mean()

    expected = 2 * (images - images.flip(0)).abs().mean().item()
    assert lpips(images, images.flip(0), distance)["lpips"] == pytest.approx(expected, rel=1e-5)


def test_precision_falls_outside_the_manifold_and_recall_falls_if_parts_are_left_out():
    generator = torch.Generator().manual_seed(1)
    real = torch.cat([torch.randn(100, 4, generator=generator), 20 + torch.randn(100, 4, generator=generator)])
    same = torch.cat([torch.randn(100, 4, generator=generator), 20 + torch.randn(100, 4, generator=generator)])
    good, half, strayed = (manifold_scores(fake, real) for fake in (same, same[:100], same + 100))
    assert min(good["precision"], good["recall"], good["coverage"]) > 0.8
    assert good["density"] == pytest.approx(1, abs=0.25)
    assert half["precision"] > 0.8 > 0.6 > half["recall"]
    assert half["coverage"] < 0.6
    assert strayed == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}


def test_coverage_of_images(images):
    assert Coverage().compute(images, images)["coverage"] == 1
    assert Coverage().compute(images[:1].expand_as(images), images)["coverage"] < 0.2
