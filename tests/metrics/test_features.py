"""Metrics on features: with small networks in place of Inception and AlexNet, whose weights are never downloaded."""

import pytest
import torch
from torch import nn

from discogan.errors import ConfigError
from discogan.evaluation.extra import extra_scores
from discogan.metrics.coverage import coverage, manifold_scores
from discogan.metrics.inception import fid, inception, kid
from discogan.metrics.perceptual import lpips


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
    other = (images * 0.5 + 0.3).clamp(0, 1)
    assert fid(images, images, Means())["fid"] == pytest.approx(0, abs=1e-3)
    one, two = (Means()((255 * batch).round().byte()).double() for batch in (images, other))
    covariances = [values.T.cov() for values in (one, two)]
    eigenvalues = torch.linalg.eigvals(covariances[0] @ covariances[1]).sqrt().real.sum()
    expected = (one.mean(0) - two.mean(0)).square().sum() + sum(c.trace() for c in covariances) - 2 * eigenvalues
    assert fid(other, images, Means())["fid"] == pytest.approx(expected.item(), rel=1e-3)


def test_kid_is_about_zero_for_the_same_and_grows(images):
    assert abs(kid(images[::2], images[1::2], Means())["kid"]) < 0.02
    near, far = (kid((images + shift).clamp(0, 1), images, Means())["kid"] for shift in (0.1, 0.4))
    assert 0 < near < far
    assert kid(images, images, Means()) == kid(images, images, Means())


def test_missing_weights_and_names_are_explained(images, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(ConfigError, match="download pt_inception"):
        inception()
    with pytest.raises(ConfigError, match=r"weights\.pth"):
        inception(tmp_path / "weights.pth")
    with pytest.raises(ConfigError, match="LPIPS needs"):
        lpips(images, images)
    with pytest.raises(ConfigError, match="choose one of: coverage, fid, kid, lpips"):
        extra_scores(["is"], images, images, paired=True)
    with pytest.raises(ConfigError, match="true pairs"):
        extra_scores(["lpips"], images, images, paired=False)


def test_lpips_is_the_mean_over_pairs(images):
    def distance(one, other):
        return (one - other).abs().mean()

    expected = 2 * (images - images.flip(0)).abs().mean().item()
    assert lpips(images, images.flip(0), distance)["lpips"] == pytest.approx(expected, rel=1e-5)


def test_coverage_tells_leaving_the_manifold_from_leaving_parts_out():
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
    assert coverage(images, images)["coverage"] == 1
    assert coverage(images[:1].expand_as(images), images)["coverage"] < 0.2
    assert extra_scores(["coverage"], images, images, paired=False)["precision"] == 1
