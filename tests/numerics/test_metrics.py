"""Metrics against scikit-learn, SciPy, torchmetrics, or a plain loop in NumPy."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import scipy.signal
import scipy.stats
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist, pdist
from torch import nn

from discogan import metrics
from discogan.errors import ConfigError
from discogan.evaluation.angles import best_offset, circular_correlation, compare_azimuths, followed, reached
from discogan.experiments.modes import modes
from discogan.images import PIXEL_RANGES, make_thumbnails
from discogan.matching import assign, nearest_points
from discogan.metrics import Metric, Value, describe_values, inception, metric_kinds, perceptual
from discogan.metrics.agreement import SYMMETRIES, agreement, symmetric_agreements
from discogan.metrics.colours import colours
from discogan.metrics.coverage import Coverage, manifold_scores
from discogan.metrics.diversity import diversity
from discogan.metrics.grain import grain
from discogan.metrics.inception import FID, fid, kid
from discogan.metrics.perceptual import LPIPS, lpips
from discogan.metrics.retrieval import Retrieval, chance_retrieval, retrieval
from discogan.metrics.round_trip import round_trip
from discogan.metrics.similarity import similarity
from discogan.metrics.sliced_wasserstein import sliced_wasserstein
from discogan.model import TranslationModel
from discogan.networks import DiscriminatorOutput
from discogan.verdict import Probe

sklearn_metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
sklearn_neighbours = pytest.importorskip("sklearn.neighbors", reason="scikit-learn is not installed")


def draw(count, seed, channels=3, size=32):
    """Draw smooth random images in [0, 1], which have more structure than noise."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, channels, 4, 4, generator=generator)
    fine = torch.rand(count, channels, size, size, generator=generator)
    return 0.8 * nn.functional.interpolate(coarse, (size, size), mode="bilinear") + 0.2 * fine


def noisy(images, seed, strength=0.25):
    generator = torch.Generator().manual_seed(seed)
    return (images + strength * torch.randn(images.shape, generator=generator)).clamp(0, 1)


def thumbnails(images):
    """Average blocks of pixels in NumPy: (N, 768)."""
    array = np.broadcast_to(images.numpy(), (len(images), 3, *images.shape[2:]))
    count, channels, side, _ = array.shape
    return array.reshape(count, channels, 16, side // 16, 16, side // 16).mean((3, 5)).reshape(count, -1)


@pytest.mark.parametrize("channels", [1, 3])
def test_thumbnails(channels):
    images = draw(5, 0, channels)
    np.testing.assert_allclose(make_thumbnails(images).flatten(1), thumbnails(images), atol=1e-6)


# Retrieval and agreement --------------------------------------------------------------------------


@pytest.mark.parametrize("count", [7, 40, 150])
def test_retrieval_is_top_k_accuracy(count):
    partners = draw(count, 0)
    translated = noisy(partners.mean((1, 2, 3), keepdim=True) * 0.5 + 0.5 * partners, 1, 1.5)
    nearness = -cdist(thumbnails(translated), thumbnails(partners))
    scores = retrieval(translated, partners)
    for k in (1, 5):
        expected = sklearn_metrics.top_k_accuracy_score(np.arange(count), nearness, k=k)
        assert 1 / count < expected < 1 or count < 10
        assert scores[f"top_{k}"] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("count", [20, 26, 58, 76])
def test_equal_candidates_count_against_the_translation(count):
    """Images in two copies: no partner is nearer than its copy, whatever the number of images."""
    originals = draw(count // 2, 0)
    images = originals.repeat(2, 1, 1, 1)
    assert retrieval(images, images)["top_1"] == 0
    assert retrieval(images, images)["top_5"] == 1
    equal = originals[:1].expand_as(images)
    assert retrieval(images, equal) == {"top_1": 0, "top_5": 0}
    assert retrieval(equal, images)["top_1"] <= 2 / count


def test_chance_of_retrieval():
    assert chance_retrieval(200) == {"top_1": 1 / 200, "top_5": 5 / 200}
    assert chance_retrieval(4) == {"top_1": 1 / 4, "top_5": 1}
    assert Retrieval().chance(draw(3, 0), draw(8, 1)) == chance_retrieval(8)


def test_agreement_is_the_mean_of_both_orders():
    first = draw(60, 0)
    second = noisy(first, 1, 2.0)
    distances = cdist(thumbnails(first), thumbnails(second))
    forward = (distances.argmin(1) == np.arange(60)).mean()
    backward = (distances.argmin(0) == np.arange(60)).mean()
    assert forward != backward
    assert agreement(first, second) == pytest.approx((forward + backward) / 2, abs=1e-12)


def test_symmetries_are_those_that_their_names_say():
    image = np.arange(12).reshape(1, 1, 3, 4)
    expected = {
        "mirrored left to right": image[..., ::-1],
        "mirrored upside down": image[..., ::-1, :],
        "turned by 180 degrees": np.rot90(image, 2, (2, 3)),
    }
    assert SYMMETRIES.keys() == expected.keys()
    for name, apply in SYMMETRIES.items():
        np.testing.assert_array_equal(apply(torch.from_numpy(image)), expected[name])
    first = draw(12, 0)
    for name, apply in SYMMETRIES.items():
        shares = symmetric_agreements(first, apply(first))
        assert shares[name] == 1
        assert max(share for other, share in shares.items() if other != name) < 1


# Pixels -------------------------------------------------------------------------------------------


def structural_similarity(x, y):
    """SSIM of two planes in [0, 1] with Wang et al.'s window: 11x11, Gaussian, standard deviation 1.5.

    Each pixel has a window, and planes are reflected at their borders.
    """
    line = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    window = np.outer(line, line) / line.sum() ** 2

    def average(values):
        return scipy.signal.convolve2d(np.pad(values, 5, mode="reflect"), window, mode="valid")

    mean_x, mean_y = average(x), average(y)
    variance_x, variance_y = average(x * x) - mean_x**2, average(y * y) - mean_y**2
    covariance = average(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
    return (luminance * (2 * covariance + 0.03**2) / (variance_x + variance_y + 0.03**2)).mean()


@pytest.mark.parametrize("count", [3, 64, 70])
def test_similarity(count):
    partners = draw(count, 0)
    translated = noisy(partners, 1) * torch.linspace(0.2, 1, count).view(-1, 1, 1, 1)
    scores = similarity(translated, partners)
    flat_translated, flat_partners = translated.flatten().numpy(), partners.flatten().numpy()
    expected = sklearn_metrics.mean_absolute_error(flat_partners, flat_translated)
    assert scores["l1"] == pytest.approx(expected, rel=1e-5)
    planes = zip(translated.double().flatten(0, 1).numpy(), partners.double().flatten(0, 1).numpy(), strict=True)
    assert scores["ssim"] == pytest.approx(np.mean([structural_similarity(x, y) for x, y in planes]), abs=1e-4)


def test_similarity_of_grey_to_colour():
    grey, colour = draw(4, 0, channels=1), draw(4, 1)
    assert similarity(grey, colour) == pytest.approx(similarity(grey.repeat(1, 3, 1, 1), colour))


def test_round_trip():
    originals = draw(9, 0)
    reconstructed = noisy(originals, 1)
    expected = sklearn_metrics.mean_absolute_error(originals.flatten().numpy(), reconstructed.flatten().numpy())
    assert round_trip(reconstructed, originals)["round_trip_l1"] == pytest.approx(expected, rel=1e-5)


def test_lpips_weighs_each_image_equally():
    """130 images are compared in batches of 64, 64 and 2."""
    images = draw(130, 0)
    partners = images.clone()
    partners[-2:] = 1 - partners[-2:]

    def distance(first, second):
        return (first - second).abs().mean()

    expected = 2 * np.abs(images.numpy() - partners.numpy()).mean()
    assert lpips(images, partners, distance)["lpips"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("compare", [similarity, lambda *images: lpips(*images, lambda *_: torch.tensor(0.0))])
def test_pairs_need_equal_numbers_of_images(compare):
    with pytest.raises(ValueError, match="shorter"):
        compare(draw(65, 0), draw(64, 1))


def test_lpips_gets_colour_images_from_minus_one_to_one():
    seen = []

    def distance(first, second):
        seen.extend([first, second])
        return torch.tensor(0.0)

    lpips(torch.zeros(2, 1, 8, 8), torch.ones(2, 3, 8, 8), distance)
    assert [tuple(images.shape) for images in seen] == [(2, 3, 8, 8)] * 2
    assert [images.unique().tolist() for images in seen] == [[-1.0], [1.0]]


# Distributions ------------------------------------------------------------------------------------


def test_diversity_is_a_ratio_of_mean_distances():
    translated, references = draw(30, 0) * 0.6, draw(21, 1)
    expected = pdist(thumbnails(translated)).mean() / pdist(thumbnails(references)).mean()
    assert diversity(translated, references)["diversity"] == pytest.approx(expected, rel=1e-5)
    faint = diversity(0.01 * translated, 0.01 * references)
    assert faint["diversity"] == pytest.approx(expected, rel=1e-4)
    two = pdist(thumbnails(translated[:2])).mean() / pdist(thumbnails(references[:2])).mean()
    assert diversity(translated[:2], references[:2])["diversity"] == pytest.approx(two, rel=1e-5)
    assert diversity(translated[:1], references) == {"diversity": 0.0}
    assert diversity(translated, references[:1]) == {"diversity": 0.0}


def projections():
    """The metric's fixed directions in the space of thumbnails, (768, 256)."""
    values = torch.randn(768, 256, generator=torch.Generator().manual_seed(0)).numpy()
    return values / np.linalg.norm(values, axis=0)


@pytest.mark.parametrize(("count", "reference_count"), [(40, 40), (64, 25), (1, 30)])
def test_sliced_wasserstein_compares_quantiles(count, reference_count):
    translated, references = noisy(draw(count, 0), 2), draw(reference_count, 1)
    levels = (np.arange(256) + 0.5) / 256
    quantiles = [np.quantile(thumbnails(images) @ projections(), levels, axis=0) for images in (translated, references)]
    expected = np.abs(quantiles[0] - quantiles[1]).mean()
    assert sliced_wasserstein(translated, references)["sliced_wasserstein"] == pytest.approx(expected, rel=1e-5)


def test_sliced_wasserstein_is_the_mean_of_one_dimensional_distances():
    """SciPy computes each distance exactly; the quantiles approximate it."""
    translated, references = draw(200, 0) * 0.7, draw(200, 1)
    first, second = (thumbnails(images) @ projections() for images in (translated, references))
    exact = np.mean([scipy.stats.wasserstein_distance(*columns) for columns in zip(first.T, second.T, strict=True)])
    assert sliced_wasserstein(translated, references)["sliced_wasserstein"] == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize(("count", "reference_count", "neighbours"), [(40, 30, 5), (25, 60, 3), (3, 40, 5), (40, 2, 5)])
def test_precision_recall_density_and_coverage(count, reference_count, neighbours):
    rng = np.random.default_rng(0)
    translated, references = rng.normal(size=(count, 3)), 0.3 + rng.normal(size=(reference_count, 3))
    used = min(neighbours, count - 1, reference_count - 1)

    def radii(points):
        """Distance to the k-th nearest other point; scikit-learn counts the point itself too."""
        search = sklearn_neighbours.NearestNeighbors(n_neighbors=used + 1).fit(points)
        return search.kneighbors(points)[0][:, used]

    distances = cdist(translated, references)
    in_reference_ball = distances <= radii(references)[None, :]
    in_translated_ball = distances <= radii(translated)[:, None]
    expected = {
        "precision": np.mean([in_reference_ball[row].any() for row in range(count)]),
        "recall": np.mean([in_translated_ball[:, column].any() for column in range(reference_count)]),
        "density": np.mean([in_reference_ball[row].sum() / used for row in range(count)]),
        "coverage": np.mean([in_reference_ball[:, column].any() for column in range(reference_count)]),
    }
    scores = manifold_scores(torch.from_numpy(translated), torch.from_numpy(references), neighbours)
    assert scores == pytest.approx(expected, abs=1e-12)


def test_distances_are_exact():
    """A matrix product would give 1e-8 for the distance of equal rows."""
    rows = torch.rand(60, 768, generator=torch.Generator().manual_seed(0))
    distances = metrics.pairwise_distances(rows, rows)
    assert not distances.diagonal().any()
    np.testing.assert_allclose(distances, cdist(rows.double().numpy(), rows.double().numpy()), rtol=1e-12)


def test_copies_of_real_images_are_in_the_balls_of_their_originals():
    """Rounding must not move a copy out of a ball of radius 0: eight copies of each image, and five neighbours."""
    images = draw(9, 0).repeat(8, 1, 1, 1)
    scores = Coverage().compute(images, images)
    assert (scores["precision"], scores["recall"], scores["coverage"]) == (1, 1, 1)
    assert scores["density"] == pytest.approx(8 / 5)


class Means(nn.Module):
    """Area averages of uint8 images as features (N, 12)."""

    num_features = 12

    def forward(self, images):
        assert images.dtype == torch.uint8
        return nn.functional.adaptive_avg_pool2d(images.float() / 255, 2).flatten(1).double()


def features(images):
    """The same features in NumPy, from images rounded to uint8."""
    rounded = np.round(255 * images.numpy()) / 255
    return rounded.reshape(len(images), 3, 2, 16, 2, 16).mean((3, 5)).reshape(len(images), 12)


def test_fid():
    """|mean difference|^2 + trace(C + C' - 2 sqrt(C C')), for 90 images in batches of 64."""
    translated, references = draw(90, 0) * 0.8, draw(70, 1)
    first, second = features(translated), features(references)
    covariances = [np.cov(values, rowvar=False) for values in (first, second)]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    expected = ((first.mean(0) - second.mean(0)) ** 2).sum() + np.trace(sum(covariances) - 2 * root)
    assert fid(translated, references, Means())["fid"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance`")
def test_kid():
    """The unbiased squared MMD with the kernel (x y / D + 1)^3; each subset here is the whole set."""
    translated, references = draw(40, 0) * 0.8, draw(40, 1)
    first, second = features(translated), features(references)

    def kernel(x, y):
        from sklearn.metrics.pairwise import polynomial_kernel

        return polynomial_kernel(x, y, degree=3, gamma=1 / 12, coef0=1)

    def mean_of_pairs(values):
        return (kernel(values, values).sum() - np.trace(kernel(values, values))) / (len(values) * (len(values) - 1))

    expected = mean_of_pairs(first) + mean_of_pairs(second) - 2 * kernel(first, second).mean()
    assert kid(translated, references, Means())["kid"] == pytest.approx(expected, rel=1e-3)


# Angles -------------------------------------------------------------------------------------------


def draw_angles(count, seed, spread):
    rng = np.random.default_rng(seed)
    inputs = rng.choice(np.arange(-75, 76, 15), count).astype(float)
    return inputs, inputs + spread * rng.normal(size=count)


@pytest.mark.parametrize("spread", [5, 40, 120])
def test_circular_correlation_is_fisher_and_lee_s_sum_over_pairs(spread):
    first, second = draw_angles(60, 0, spread)
    a, b = np.deg2rad(first), np.deg2rad(second)
    above = below_a = below_b = 0.0
    for i, j in itertools.combinations(range(60), 2):
        above += np.sin(a[i] - a[j]) * np.sin(b[i] - b[j])
        below_a += np.sin(a[i] - a[j]) ** 2
        below_b += np.sin(b[i] - b[j]) ** 2
    correlation = circular_correlation(torch.from_numpy(first), torch.from_numpy(second))
    assert correlation == pytest.approx(above / np.sqrt(below_a * below_b), abs=1e-9)


def test_circular_correlation_of_small_angles_is_pearson_s():
    rng = np.random.default_rng(0)
    first = 0.5 * rng.normal(size=200)
    second = first + 0.5 * rng.normal(size=200)
    expected = scipy.stats.pearsonr(first, second).statistic
    assert circular_correlation(torch.from_numpy(first), torch.from_numpy(second)) == pytest.approx(expected, abs=1e-3)


def wrapped(degrees):
    return np.abs((degrees + 180) % 360 - 180)


@pytest.mark.parametrize("spread", [5, 40])
def test_the_median_error_is_scikit_learn_s(spread):
    inputs, outputs = draw_angles(61, 1, spread)
    errors = []
    for offset in range(-180, 180):
        differences = wrapped(outputs + offset - inputs)
        errors.append(sklearn_metrics.median_absolute_error(np.zeros(61), differences))
    error, offset = best_offset(torch.from_numpy(outputs + 70), torch.from_numpy(inputs))
    assert error == pytest.approx(min(errors), abs=1e-9)
    assert (offset + 70 + 180) % 360 - 180 == np.argmin(errors) - 180


@pytest.mark.parametrize("sign", [1, -1])
def test_compared_azimuths(sign):
    inputs, outputs = draw_angles(61, 2, 20)
    scores = compare_azimuths(torch.from_numpy(sign * outputs + 30), torch.from_numpy(inputs))
    assert scores["is_mirrored"] == (sign == -1)
    aligned = sign * (sign * outputs + 30) + scores["offset"]
    errors = wrapped(aligned - inputs)
    assert scores["median_error"] == pytest.approx(np.median(errors), abs=1e-9)
    azimuths = np.unique(inputs)
    nearest = azimuths[wrapped(aligned[:, None] - azimuths).argmin(1)]
    share = np.mean([(nearest == azimuth).sum() >= (inputs == azimuth).sum() / 4 for azimuth in azimuths])
    assert scores["reached"] == pytest.approx(share)
    for azimuth in azimuths:
        own = np.sort(errors[inputs == azimuth])
        assert len(own) > 1
    medians = [np.sort(errors[inputs == azimuth])[((inputs == azimuth).sum() - 1) // 2] for azimuth in azimuths]
    assert scores["followed"] == pytest.approx(np.mean(np.array(medians) <= 15))


def test_shares_of_azimuths_by_hand():
    inputs = torch.tensor([0.0] * 4 + [30.0] * 4)
    outputs = torch.tensor([0.0, 1, 2, 3, 4, 5, 6, 29])
    assert reached(outputs, inputs) == 1.0
    assert reached(outputs[:-1], inputs[:-1]) == 0.5
    assert followed(outputs, inputs) == 0.5
    assert followed(outputs, inputs, degrees=25) == 1.0


# Matching, discrimination, modes ------------------------------------------------------------------


def test_the_assignment_has_the_least_total_distance():
    points = [torch.randn(7, 5, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    distances = cdist(*(values.double().numpy() for values in points))
    orders = itertools.permutations(range(7))
    best = min(orders, key=lambda order: distances[np.arange(7), list(order)].sum())
    rows_a, rows_b, chosen = assign(*points)
    assert (rows_a.tolist(), rows_b.tolist()) == (list(range(7)), list(best))
    np.testing.assert_allclose(chosen, distances[rows_a, rows_b], rtol=1e-4)
    assert linear_sum_assignment(distances)[1].tolist() == list(best)


def test_nearest_points_are_scikit_learn_s():
    first, second = (torch.randn(count, 6, generator=torch.Generator().manual_seed(count)) for count in (40, 90))
    search = sklearn_neighbours.NearestNeighbors(n_neighbors=8).fit(second.numpy())
    expected_distances, expected_rows = search.kneighbors(first.numpy())
    distances, rows = nearest_points(first, second, 8)
    np.testing.assert_array_equal(rows, expected_rows)
    np.testing.assert_allclose(distances, expected_distances, rtol=1e-3)


class Brightness(nn.Module):
    """A discriminator whose logit is the mean pixel."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, images):
        return DiscriminatorOutput(images.mean((1, 2, 3)).unsqueeze(1), [])


def test_the_discriminator_s_accuracy_is_the_area_under_its_roc_curve():
    rng = np.random.default_rng(0)
    # Few distinct values, so that some pairs are ties.
    pixels_a, pixels_b = (
        np.broadcast_to(rng.integers(low, low + 6, (count, 1, 1, 1)), (count, 32, 32, 3)).astype(np.uint8)
        for count, low in ((30, 0), (20, 2))
    )
    networks = [nn.Identity(), nn.Identity(), Brightness(), Brightness()]
    model = TranslationModel(*networks, PIXEL_RANGES["sigmoid"]).eval()
    model.generator_ab.register_parameter("unused", nn.Parameter(torch.zeros(1)))
    metrics_of_directions, _ = Probe(pixels_a, pixels_b).measure(model)
    for direction, real, translated in (("a_to_b", pixels_b, pixels_a), ("b_to_a", pixels_a, pixels_b)):
        labels = [1] * len(real) + [0] * len(translated)
        expected = sklearn_metrics.roc_auc_score(labels, np.concatenate([real, translated])[:, 0, 0, 0])
        assert metrics_of_directions[direction].discriminator_accuracy == pytest.approx(expected, abs=1e-6)


def test_modes_by_a_plain_loop():
    rng = np.random.default_rng(0)
    centres, sigma = rng.normal(size=(6, 2)) * 2, 0.2
    origins = rng.integers(0, 5, 400)
    translated = centres[np.array([0, 1, 1, 3, 5])[origins]] + 0.3 * rng.normal(size=(400, 2))
    distances = cdist(translated, centres)
    nearest, near = distances.argmin(1), distances.min(1) < 3 * sigma
    covered = sum((near & (nearest == mode)).sum() >= 400 / 6 / 4 for mode in range(6))
    targets = [np.bincount(nearest[origins == mode]).argmax() for mode in range(5)]
    collisions = sum(first == second for first, second in itertools.combinations(targets, 2))
    arrays = (torch.from_numpy(values) for values in (translated, origins, centres))
    scores = modes(*arrays, sigma)
    assert scores == pytest.approx({"covered": covered, "collisions": collisions, "within_3_sigma": near.mean()})


# What all metrics share ---------------------------------------------------------------------------


def test_chance_compares_each_image_with_an_unrelated_one():
    compared = []

    class Recording(Metric):
        def compute(self, images, references):
            compared.append(references.tolist())
            return {}

    numbers = torch.arange(8)[:, None].expand(8, 2) + torch.tensor([0, 10])
    for count in (1, 2, 5, 8):
        Recording().chance(numbers[:count], numbers[:count])
    orders = [[0], [1, 0], [3, 4, 0, 1, 2], [4, 5, 6, 7, 0, 1, 2, 3]]
    assert compared == [[[row, row + 10] for row in order] for order in orders]


def test_metrics_are_shown_in_a_fixed_order():
    """Metrics that are always computed come first, and among them metrics that need pairs; then by name."""
    paired = ["retrieval", "similarity"]
    unpaired = ["colours", "diversity", "grain", "round_trip", "sliced_wasserstein"]
    expected = [*paired, *unpaired, "lpips", "coverage", "features", "fid", "kid"]
    assert [name for name in metric_kinds() if name in expected] == expected


def test_values_are_described_with_what_reads_them():
    rows = describe_values({"retrieval": Retrieval, "coverage": Coverage()})
    assert rows[0] == {
        "metric": "retrieval",
        "key": "top_1",
        "label": "top-1",
        "better": "higher",
        "ideal": 1.0,
        "has_baselines": True,
        "on_demand": False,
    }
    assert [row["key"] for row in rows] == ["top_1", "top_5", "precision", "recall", "density", "coverage"]
    assert all(row["on_demand"] and not row["has_baselines"] for row in rows[2:])


def test_options_of_a_metric_are_frozen():
    for kind in metric_kinds().values():
        metric = kind()
        assert metric == kind()
        with pytest.raises(AttributeError):
            metric.extra = 1
    with pytest.raises(AttributeError):
        Value("key", "label", "higher", 1.0).key = "other"


def test_a_metric_of_another_class_is_refused(monkeypatch):
    class Entry:
        build = dict

    monkeypatch.setattr(metrics.METRICS, "entries", lambda: {"strange": Entry})
    with pytest.raises(ConfigError, match="strange must be a class derived from"):
        metric_kinds()


def test_the_first_label_names_a_metric_whose_library_is_missing(monkeypatch):
    monkeypatch.setattr(Retrieval, "libraries", {"no_such_library": "pip install no-such-library"})
    with pytest.raises(ConfigError, match=r"^top-1 needs no_such_library"):
        Retrieval().check()


def test_a_metric_must_compute():
    class Empty(Metric):
        values = ()

    with pytest.raises(TypeError, match="abstract"):
        Empty()


def test_how_each_value_is_read():
    """The ideal of a value that is better if higher or lower is its bound."""
    expected = {
        "top_1": ("higher", 1.0),
        "top_5": ("higher", 1.0),
        "l1": ("lower", 0.0),
        "ssim": ("higher", 1.0),
        "round_trip_l1": ("lower", 0.0),
        "diversity": ("closer", 1.0),
        "grain": ("closer", 1.0),
        "colour_distance": ("lower", 0.0),
        "feature_distance": ("lower", 0.0),
        "feature_precision": ("higher", 1.0),
        "feature_recall": ("higher", 1.0),
        "sliced_wasserstein": ("lower", 0.0),
        "precision": ("higher", 1.0),
        "recall": ("higher", 1.0),
        "density": ("higher", 1.0),
        "coverage": ("higher", 1.0),
        "fid": ("lower", 0.0),
        "kid": ("lower", 0.0),
        "lpips": ("lower", 0.0),
    }
    values = [value for kind in metric_kinds().values() for value in kind.values]
    assert {value.key: (value.better, value.ideal) for value in values if value.key in expected} == expected


def test_which_metrics_need_pairs_and_have_baselines():
    """Only values of true pairs can be compared with those of a random partner."""
    kinds = {name: kind for name, kind in metric_kinds().items() if kind.__module__.startswith("discogan.metrics.")}
    assert {name for name, kind in kinds.items() if kind.needs_pairs} == {"retrieval", "similarity", "lpips"}
    assert {name for name, kind in kinds.items() if kind.has_baselines} == {"retrieval", "similarity"}
    assert {name for name, kind in kinds.items() if kind.on_demand} == {"coverage", "features", "fid", "kid", "lpips"}
    assert {name for name, kind in kinds.items() if kind.compares == "round_trips"} == {"round_trip"}


def test_registered_metrics_compute_the_functions_of_their_names():
    images, references = draw(30, 0), noisy(draw(30, 0), 1)
    functions = {
        "retrieval": retrieval,
        "similarity": similarity,
        "colours": colours,
        "diversity": diversity,
        "grain": grain,
        "round_trip": round_trip,
        "sliced_wasserstein": sliced_wasserstein,
    }
    for name, function in functions.items():
        assert metric_kinds()[name]().compute(images, references) == function(images, references)
    points = [make_thumbnails(batch).flatten(1) for batch in (images, references)]
    assert Coverage().compute(images, references) == manifold_scores(*points, neighbours=5)


class Shared(nn.Module):
    """A stand-in for Inception, which is never downloaded."""


def test_inception_is_loaded_once_from_the_given_file(monkeypatch, tmp_path):
    loaded = []

    def load(name, layers, feature_extractor_weights_path):
        loaded.append((name, layers, feature_extractor_weights_path))
        return Shared()

    monkeypatch.setattr("torchmetrics.image.fid.NoTrainInceptionV3", load)
    inception.load_inception.cache_clear()
    file = str(tmp_path / "weights.pth")
    assert inception.load_inception(file) is inception.load_inception(file)
    assert loaded == [("inception-v3-compat", ["2048"], file)]
    inception.load_inception.cache_clear()


def test_the_weights_file_is_in_pytorch_s_cache_unless_it_is_given(monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: "/cache")
    assert str(inception.weights_file()) == "/cache/checkpoints/pt_inception-2015-12-05-6726825d.pth"
    assert inception.weights_file("~/x.pth") == Path("~/x.pth").expanduser()


def test_files_of_weights_that_exist_pass_the_check(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(inception.InceptionMetric, "libraries", {})
    monkeypatch.setattr(LPIPS, "libraries", {})
    (tmp_path / "checkpoints").mkdir()
    for name, metric in ((inception.WEIGHTS_NAME, FID()), (perceptual.WEIGHTS_NAME, LPIPS())):
        (tmp_path / "checkpoints" / name).touch()
        metric.check()


def test_grey_images_have_features_of_three_equal_channels():
    grey = draw(20, 0, channels=1)
    assert fid(grey, draw(20, 1), Means()) == fid(grey.expand(-1, 3, -1, -1), draw(20, 1), Means())


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance`")
def test_kid_leaves_the_random_state_and_repeats():
    images, references = draw(30, 0), draw(20, 1)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first = kid(images, references, Means())
    assert torch.equal(torch.rand(1), expected)
    assert kid(images, references, Means()) == first
