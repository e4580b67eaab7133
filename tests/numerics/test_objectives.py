"""Every objective against the equations of its paper, computed in NumPy from the networks' weights."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from discogan.config import Config
from discogan.errors import ConfigError
from discogan.images import PIXEL_RANGES
from discogan.losses import DISTANCES
from discogan.model import TranslationModel
from discogan.networks import DiscriminatorOutput
from discogan.objectives import Objective
from discogan.objectives.cyclegan import CycleGAN, ImageBuffer
from discogan.objectives.discogan import DiscoGAN
from discogan.objectives.gan import GAN
from discogan.objectives.modern import Modern
from discogan.objectives.official import Official
from discogan.objectives.recon_gan import ReconGAN
from discogan.registry import OBJECTIVES
from discogan.training.learner import Learner

SHAPE = (2, 1, 4)
"""Channels, height and width of the images."""
BATCH = 5


class TinyGenerator(nn.Module):
    """tanh(scale x + shift), with a scale and a shift for each channel."""

    def __init__(self, scale, shift):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale, dtype=torch.float64).view(2, 1, 1))
        self.shift = nn.Parameter(torch.tensor(shift, dtype=torch.float64).view(2, 1, 1))

    def forward(self, images):
        return torch.tanh(self.scale * images + self.shift)


class TinyDiscriminator(nn.Module):
    """Two layers with leaky ReLUs, which are the features, and a logit."""

    def __init__(self, seed):
        super().__init__()
        rng = np.random.default_rng(seed)
        sizes = ((8, 4), (4, 3), (3, 1))
        self.first, self.second, self.last = (nn.Parameter(torch.from_numpy(rng.normal(size=size))) for size in sizes)

    def forward(self, images):
        first = nn.functional.leaky_relu(images.flatten(1) @ self.first, 0.2)
        second = nn.functional.leaky_relu(first @ self.second, 0.2)
        return DiscriminatorOutput(second @ self.last, [first, second])


def new_model():
    return TranslationModel(
        TinyGenerator([0.9, -0.6], [0.1, 0.3]),
        TinyGenerator([-1.2, 0.8], [0.2, -0.4]),
        TinyDiscriminator(1),
        TinyDiscriminator(2),
        PIXEL_RANGES["tanh"],
    )


class Equations:
    """The same networks and losses, written out in NumPy: ``a`` and ``b`` are batches of real images."""

    def __init__(self, model, a, b):
        self.weights = {name: value.detach().numpy() for name, value in model.named_parameters()}
        self.real = {"a": a.numpy(), "b": b.numpy()}
        self.fake = {"b": self.generate("ab", self.real["a"]), "a": self.generate("ba", self.real["b"])}
        self.reconstructed = {"a": self.generate("ba", self.fake["b"]), "b": self.generate("ab", self.fake["a"])}

    def generate(self, direction, images):
        scale, shift = (self.weights[f"generator_{direction}.{name}"] for name in ("scale", "shift"))
        return np.tanh(scale * images + shift)

    def discriminate(self, domain, images):
        """Return the features and the logits, (N,)."""
        first, second, last = (self.weights[f"discriminator_{domain}.{name}"] for name in ("first", "second", "last"))
        before_first = images.reshape(len(images), -1) @ first
        features_1 = np.where(before_first > 0, before_first, 0.2 * before_first)
        before_second = features_1 @ second
        features_2 = np.where(before_second > 0, before_second, 0.2 * before_second)
        return [features_1, features_2], (features_2 @ last)[:, 0]

    def probability(self, domain, images):
        """The discriminator's D(x): the sigmoid of its logit."""
        _, logits = self.discriminate(domain, images)
        return 1 / (1 + np.exp(-logits))

    def squared_slope(self, domain, images):
        """E[|grad D(x)|^2] of the logit, by the chain rule."""
        first, second, last = (self.weights[f"discriminator_{domain}.{name}"] for name in ("first", "second", "last"))
        total = 0.0
        for image in images:
            before_first = image.reshape(-1) @ first
            slope_first = np.where(before_first > 0, 1, 0.2)
            before_second = (slope_first * before_first) @ second
            slope_second = np.where(before_second > 0, 1, 0.2)
            gradient = first @ (slope_first * (second @ (slope_second * last[:, 0])))
            total += (gradient**2).sum()
        return total / len(images)

    def gan_generator(self, domain):
        """-E[log D(G(x))]."""
        return -np.log(self.probability(domain, self.fake[domain])).mean()

    def gan_discriminator(self, domain):
        """-E[log D(y)] - E[log(1 - D(G(x)))]."""
        real, fake = (self.probability(domain, images[domain]) for images in (self.real, self.fake))
        return -np.log(real).mean() - np.log(1 - fake).mean()

    def squared_error(self, domain):
        return ((self.reconstructed[domain] - self.real[domain]) ** 2).mean()

    def absolute_error(self, domain):
        return np.abs(self.reconstructed[domain] - self.real[domain]).mean()

    def feature_matching(self, domain, first_layer=0):
        """Sum over layers of mean((E[real features] - E[fake features])^2)."""
        real, _ = self.discriminate(domain, self.real[domain])
        fake, _ = self.discriminate(domain, self.fake[domain])
        layers = list(zip(real, fake, strict=True))[first_layer:]
        return sum(((of_real.mean(0) - of_fake.mean(0)) ** 2).mean() for of_real, of_fake in layers)

    def relativistic(self, domain, sign):
        """E[softplus(sign (D(y) - D(G(x))))] over all pairs: 1 for the generator, -1 for the discriminator."""
        _, real = self.discriminate(domain, self.real[domain])
        _, fake = self.discriminate(domain, self.fake[domain])
        values = [np.log1p(np.exp(sign * (y - x))) for y in real for x in fake]
        return sum(values) / len(values)


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    return [2 * torch.rand(BATCH, *SHAPE, generator=generator, dtype=torch.float64) - 1 for _ in range(2)]


@pytest.fixture
def model():
    return new_model()


@pytest.fixture
def equations(model, images):
    return Equations(model, *images)


def compute(objective, model, images, step=0):
    """Return the generators' and the discriminators' terms as numbers."""
    trips = model.round_trips(*images)
    generator_terms = objective.generator_terms(model, trips, step)
    discriminator_terms = objective.discriminator_terms(model, trips, step)
    return tuple(
        {name: value.item() for name, value in terms.items()} for terms in (generator_terms, discriminator_terms)
    )


def assert_terms(terms, expected):
    assert terms == pytest.approx(expected, rel=1e-10)


def test_gan(model, images, equations):
    generator_terms, discriminator_terms = compute(GAN(), model, images)
    assert_terms(generator_terms, {"adversarial_b": equations.gan_generator("b")})
    assert_terms(discriminator_terms, {"discriminator_b": equations.gan_discriminator("b")})
    assert GAN().directions == ("a_to_b",)
    assert GAN().round_trip_directions == []


@pytest.mark.parametrize("weight", [1.0, 2.5])
def test_recon_gan(model, images, equations, weight):
    objective = ReconGAN(reconstruction_weight=weight)
    generator_terms, discriminator_terms = compute(objective, model, images)
    expected = {
        "adversarial_b": equations.gan_generator("b"),
        "reconstruction_a": weight * equations.squared_error("a"),
    }
    assert_terms(generator_terms, expected)
    assert_terms(discriminator_terms, {"discriminator_b": equations.gan_discriminator("b")})
    assert objective.directions == objective.round_trip_directions == ("a_to_b",)


@pytest.mark.parametrize("weight", [1.0, 2.5])
def test_discogan(model, images, equations, weight):
    generator_terms, discriminator_terms = compute(DiscoGAN(reconstruction_weight=weight), model, images)
    expected = {f"adversarial_{domain}": equations.gan_generator(domain) for domain in "ab"}
    expected |= {f"reconstruction_{domain}": weight * equations.squared_error(domain) for domain in "ab"}
    assert_terms(generator_terms, expected)
    assert_terms(
        discriminator_terms, {f"discriminator_{domain}": equations.gan_discriminator(domain) for domain in "ab"}
    )


def test_the_paper_s_weights_are_the_defaults():
    assert (DiscoGAN().reconstruction_weight, ReconGAN().reconstruction_weight) == (1.0, 1.0)
    assert (DiscoGAN().distance, ReconGAN().distance) == ("l2", "l2")


def distance_in_numpy(name, x, y):
    """The distances d of the paper's section 3.2."""
    difference = np.abs(x - y)
    if name == "l1":
        return difference.mean()
    if name == "l2":
        return (difference**2).mean()
    if name == "huber":
        return np.where(difference < 1, difference**2 / 2, difference - 0.5).mean()
    if name == "hinge":
        return np.maximum(0, difference - 0.05).mean()
    rows = [(u.ravel() @ v.ravel()) / np.linalg.norm(u) / np.linalg.norm(v) for u, v in zip(x, y, strict=True)]
    return 1 - np.mean(rows)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("kind", [ReconGAN, DiscoGAN, Modern])
def test_each_distance(model, images, equations, kind, distance):
    generator_terms, _ = compute(kind(distance=distance, reconstruction_weight=3.0), model, images)
    expected = 3 * distance_in_numpy(distance, equations.reconstructed["a"], equations.real["a"])
    assert generator_terms["reconstruction_a"] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(
    ("step", "rate"), [(0, 0.01), (9_999, 0.01), (10_000, 0.5), (1_000_000, 0.5)], ids=["0", "last", "first", "later"]
)
@pytest.mark.parametrize("name", ["discogan", "recon_gan"])
def test_official(model, images, equations, name, step, rate):
    """(0.1 adversarial + 0.9 feature matching) (1 - rate) + rate MSE, and half of the discriminators' loss."""
    generator_terms, discriminator_terms = compute(Official(model=name), model, images, step)
    domains = "ab" if name == "discogan" else "b"
    expected = {}
    for domain in domains:
        expected[f"adversarial_{domain}"] = (1 - rate) * 0.1 * equations.gan_generator(domain)
        expected[f"feature_matching_{domain}"] = (1 - rate) * 0.9 * equations.feature_matching(domain)
    for domain in "ab" if name == "discogan" else "a":
        expected[f"reconstruction_{domain}"] = rate * equations.squared_error(domain)
    assert_terms(generator_terms, expected)
    expected = {f"discriminator_{domain}": equations.gan_discriminator(domain) / 2 for domain in domains}
    assert_terms(discriminator_terms, expected)


def test_official_for_azimuths(model, images, equations):
    objective = Official(first_rate=0.9, last_rate=0.9, first_feature_layer=1)
    for step in (1, 10_000):
        generator_terms, _ = compute(objective, model, images, step)
        expected = {}
        for domain in "ab":
            expected[f"adversarial_{domain}"] = 0.1 * 0.1 * equations.gan_generator(domain)
            expected[f"feature_matching_{domain}"] = 0.1 * 0.9 * equations.feature_matching(domain, first_layer=1)
            expected[f"reconstruction_{domain}"] = 0.9 * equations.squared_error(domain)
        assert_terms(generator_terms, expected)


@pytest.mark.parametrize("step", [0, 10_000])
def test_the_official_plain_gan(model, images, equations, step):
    generator_terms, _ = compute(Official(model="gan"), model, images, step)
    expected = {
        "adversarial_b": 0.1 * equations.gan_generator("b"),
        "feature_matching_b": 0.9 * equations.feature_matching("b"),
    }
    assert_terms(generator_terms, expected)
    for_azimuths = Official(model="gan", adversarial_weight=1.0, feature_matching_weight=0.0)
    assert_terms(compute(for_azimuths, model, images, step)[0], {"adversarial_b": equations.gan_generator("b")})


def test_the_official_schedule():
    """Of three steps, the first updates the discriminators and the others update the generators."""
    objective = Official(rate_steps=4)
    assert [objective.steps_discriminators(step) for step in range(7)] == [True, False, False, True, False, False, True]
    assert [objective.steps_generators(step) for step in range(7)] == [False, True, True, False, True, True, False]
    for other in (GAN(), ReconGAN(), DiscoGAN(), CycleGAN(), Modern()):
        assert all(other.steps_discriminators(step) and other.steps_generators(step) for step in range(4))


def test_the_official_directions():
    both, forward = ("a_to_b", "b_to_a"), ("a_to_b",)
    directions = {name: Official(model=name).directions for name in ("gan", "recon_gan", "discogan")}
    assert directions == {"gan": forward, "recon_gan": forward, "discogan": both}
    round_trips = {name: Official(model=name).round_trip_directions for name in directions}
    assert round_trips == {"gan": (), "recon_gan": forward, "discogan": both}
    for objective in (DiscoGAN(), CycleGAN(), Modern()):
        assert tuple(objective.directions) == tuple(objective.round_trip_directions) == both


def test_cyclegan(model, images, equations):
    """E[(D(G(x)) - 1)^2] + 10 |F(G(x)) - x| + 5 |G(y) - y|, and half of E[(D(y) - 1)^2 + D(G(x))^2]."""
    generator_terms, discriminator_terms = compute(CycleGAN(), model, images)
    expected, expected_of_discriminators = {}, {}
    for domain, direction in (("a", "ba"), ("b", "ab")):
        _, real = equations.discriminate(domain, equations.real[domain])
        _, fake = equations.discriminate(domain, equations.fake[domain])
        identity = equations.generate(direction, equations.real[domain])
        expected[f"adversarial_{domain}"] = ((fake - 1) ** 2).mean()
        expected[f"reconstruction_{domain}"] = 10 * equations.absolute_error(domain)
        expected[f"identity_{domain}"] = 5 * np.abs(identity - equations.real[domain]).mean()
        expected_of_discriminators[f"discriminator_{domain}"] = (((real - 1) ** 2).mean() + (fake**2).mean()) / 2
    assert_terms(generator_terms, expected)
    assert_terms(discriminator_terms, expected_of_discriminators)
    without_identity, _ = compute(CycleGAN(identity_weight=0.0), model, images)
    assert_terms(without_identity, {name: value for name, value in expected.items() if "identity" not in name})


def test_cyclegan_discriminates_past_fakes(model, images, equations, monkeypatch):
    """With a full buffer, fakes 0 and 2 are swapped for the past images 3 and 1; the others are the new ones."""
    objective = CycleGAN(buffer_size=BATCH)
    past = [0.5 * image for image in images]
    for domain, buffer_images in zip("ab", past, strict=True):
        objective.buffers[domain].exchange(buffer_images.clone())
    monkeypatch.setattr(torch, "randperm", lambda _count, **_: torch.tensor([3, 0, 1, 2, 4]))
    monkeypatch.setattr(torch, "rand", lambda *_, **__: torch.tensor([0.49, 0.5, 0.0, 0.99, 0.7]))
    terms = objective.discriminator_terms(model, model.round_trips(*images), 0)
    for domain, buffer_images in zip("ab", past, strict=True):
        shown = equations.fake[domain].copy()
        shown[0], shown[2] = buffer_images.numpy()[3], buffer_images.numpy()[1]
        _, real = equations.discriminate(domain, equations.real[domain])
        _, fake = equations.discriminate(domain, shown)
        expected = (((real - 1) ** 2).mean() + (fake**2).mean()) / 2
        assert terms[f"discriminator_{domain}"].item() == pytest.approx(expected, rel=1e-10)
        kept = buffer_images.numpy().copy()
        kept[3], kept[1] = equations.fake[domain][0], equations.fake[domain][2]
        np.testing.assert_allclose(objective.buffers[domain].images.numpy(), kept, rtol=1e-12)


def test_only_equal_channels_have_an_identity_term(images):
    model = new_model()
    generator_terms, _ = compute(CycleGAN(), model, images)
    assert "identity_a" in generator_terms
    grey = images[0][:, :1]
    trips = model.round_trips(*images)
    trips.real_a = grey
    trips.__dict__["reconstructed_a"] = grey
    trips.__dict__["fake_b"] = images[1]
    assert "identity_a" not in CycleGAN().generator_terms(model, trips, 0)


def test_a_restored_buffer_continues_with_the_saved_images():
    first, second = CycleGAN(buffer_size=2), CycleGAN(buffer_size=2)
    assert first.state_dict() == {}
    first.buffers["a"].exchange(torch.ones(2, 1, 1, 1))
    assert list(first.state_dict()) == ["a"]
    second.buffers["b"].exchange(torch.ones(2, 1, 1, 1))
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.buffers["a"].images, torch.ones(2, 1, 1, 1))
    assert second.buffers["b"].images is None


def test_a_buffer_places_the_fakes_beyond_its_room():
    """Three of five fakes fill the buffer, one is exchanged, and none is lost."""
    torch.manual_seed(0)
    buffer = ImageBuffer(3)
    fakes = torch.arange(5.0).view(5, 1, 1, 1)
    returned = buffer.exchange(fakes)
    assert returned[:3].flatten().tolist() == [0, 1, 2]
    together = sorted([*returned.flatten().tolist()[3:], *buffer.images.flatten().tolist()])
    assert together == [0, 1, 2, 3, 4]
    assert ImageBuffer(0).exchange(fakes) is fakes


@pytest.mark.parametrize(("step", "has_penalty"), [(0, True), (1, False), (3, False), (4, True), (6, False)])
def test_modern(model, images, equations, step, has_penalty):
    """Relativistic losses, an L1 round trip of weight 5, and gamma / 2 (R1 + R2) in every fourth step, times four."""
    generator_terms, discriminator_terms = compute(Modern(gamma=3.0), model, images, step)
    expected, expected_of_discriminators = {}, {}
    for domain in "ab":
        expected[f"adversarial_{domain}"] = equations.relativistic(domain, 1)
        expected[f"reconstruction_{domain}"] = 5 * equations.absolute_error(domain)
        expected_of_discriminators[f"discriminator_{domain}"] = equations.relativistic(domain, -1)
        if has_penalty:
            real, fake = (equations.squared_slope(domain, kind[domain]) for kind in (equations.real, equations.fake))
            expected_of_discriminators[f"penalty_{domain}"] = 3.0 / 2 * 4 * (real + fake)
    assert_terms(generator_terms, expected)
    assert_terms(discriminator_terms, expected_of_discriminators)


def test_modern_defaults():
    objective = Modern()
    assert (objective.gamma, objective.penalty_every_steps) == (10.0, 4)
    assert (objective.distance, objective.reconstruction_weight) == ("l1", 5.0)


def test_the_penalty_s_strength_does_not_depend_on_its_interval(model, images, equations):
    for interval in (1, 2, 7):
        objective = Modern(gamma=1.0, penalty_every_steps=interval)
        total = 0.0
        for step in range(14):
            _, terms = compute(objective, model, images, step)
            total += terms.get("penalty_b", 0.0)
        slopes = [equations.squared_slope("b", kind["b"]) for kind in (equations.real, equations.fake)]
        assert total == pytest.approx(14 * sum(slopes) / 2, rel=1e-10)


@pytest.mark.parametrize(
    ("kind", "field", "too_low"),
    [
        (ReconGAN, "reconstruction_weight", -0.1),
        (DiscoGAN, "reconstruction_weight", -0.1),
        (Official, "adversarial_weight", -0.1),
        (Official, "feature_matching_weight", -0.1),
        (Official, "first_rate", -0.1),
        (Official, "last_rate", -0.1),
        (Official, "rate_steps", -1),
        (CycleGAN, "cycle_weight", -0.1),
        (CycleGAN, "identity_weight", -0.1),
        (CycleGAN, "buffer_size", -1),
        (Modern, "gamma", -0.1),
        (Modern, "reconstruction_weight", -0.1),
        (Modern, "penalty_every_steps", 0),
    ],
)
def test_the_lowest_values_of_the_options(kind, field, too_low):
    lowest = 1 if field == "penalty_every_steps" else 0
    assert getattr(kind(**{field: lowest}), field) == lowest
    with pytest.raises(ConfigError, match=field):
        kind(**{field: too_low})


def test_rates_are_at_most_one():
    for field in ("first_rate", "last_rate"):
        assert getattr(Official(**{field: 1.0}), field) == 1.0
        with pytest.raises(ConfigError, match=field):
            Official(**{field: 1.1})


def new_learner(state=None):
    """A learner in float64, with the weights given."""
    network = {"name": "mlp", "width": 8}
    config = Config("test", generator=network, discriminator=network, objective={"name": "discogan"})
    learner = Learner(config, shapes=(SHAPE, SHAPE))
    learner.model.double()
    learner.average = None
    if state is not None:
        learner.model.load_state_dict(state)
    return learner


def test_the_first_adam_steps_by_hand(images):
    """Adam (Kingma and Ba 2015) in NumPy: discriminators first, then the generators against the new discriminators."""
    learner = new_learner()
    options = learner.config.training
    moments = {}
    for step in range(3):
        expected = new_learner(learner.model.state_dict())
        for networks, kind in (
            (expected.discriminators, "discriminator_terms"),
            (expected.generators, "generator_terms"),
        ):
            terms = getattr(expected.objective, kind)(expected.model, expected.model.round_trips(*images), step)
            parameters = dict(networks.named_parameters())
            gradients = torch.autograd.grad(sum(terms.values()), list(parameters.values()))
            for (name, value), gradient in zip(parameters.items(), gradients, strict=True):
                slope = gradient.numpy()
                mean, square = moments.get(name, (0.0, 0.0))
                mean = options.beta1 * mean + (1 - options.beta1) * slope
                square = options.beta2 * square + (1 - options.beta2) * slope**2
                moments[name] = mean, square
                mean, square = mean / (1 - options.beta1 ** (step + 1)), square / (1 - options.beta2 ** (step + 1))
                with torch.no_grad():
                    value -= torch.from_numpy(options.learning_rate * mean / (np.sqrt(square) + 1e-8))
        learner.step(*images, step)
        for (name, value), other in zip(learner.model.named_parameters(), expected.model.parameters(), strict=True):
            torch.testing.assert_close(value, other, rtol=1e-7, atol=1e-9, msg=name)


@pytest.mark.parametrize("name", ["cyclegan", "discogan", "gan", "modern", "official", "recon_gan"])
def test_objectives_are_registered_frozen_and_abstract(name):
    objective = OBJECTIVES.build({"name": name}, "objective")
    assert isinstance(objective, Objective)
    assert objective == OBJECTIVES.build({"name": name}, "objective")
    with pytest.raises(dataclasses.FrozenInstanceError):
        objective.distance = "l1"


def test_an_objective_needs_both_kinds_of_terms():
    class OnlyGenerators(Objective):
        def generator_terms(self, model, trips, step):
            return {}

    class OnlyDiscriminators(Objective):
        def discriminator_terms(self, model, trips, step):
            return {}

    for kind in (OnlyGenerators, OnlyDiscriminators):
        with pytest.raises(TypeError, match="abstract"):
            kind()


def test_buffers_are_no_option():
    """They are neither shown nor compared, so two objectives with the same options are equal."""
    assert "buffers" not in repr(CycleGAN())
    used = CycleGAN()
    used.buffers["a"].exchange(torch.ones(1, 1, 1, 1))
    assert used == CycleGAN()


@pytest.mark.parametrize("step", [0, 1], ids=["penalty", "no penalty"])
@pytest.mark.parametrize("kind", [GAN, ReconGAN, DiscoGAN, Official, CycleGAN, Modern])
def test_terms_have_gradients_only_in_their_own_networks(model, images, kind, step):
    """Real features are constants for a generator, and fakes are constants for a discriminator."""
    terms = kind().discriminator_terms(model, model.round_trips(*images), step)
    generators = list(model.generators.parameters())
    gradients = torch.autograd.grad(sum(terms.values()), generators, allow_unused=True)
    assert gradients == (None,) * len(generators)


def test_real_features_are_constants_for_the_generators(model, images):
    real_b = images[1].clone().requires_grad_()
    terms = Official(model="gan").generator_terms(model, model.round_trips(images[0], real_b), 1)
    assert torch.autograd.grad(terms["feature_matching_b"], real_b, allow_unused=True) == (None,)


def test_a_buffer_restored_at_a_smaller_size_takes_no_more_images():
    buffer = ImageBuffer(2)
    buffer.images = torch.zeros(5, 1, 1, 1)
    assert buffer.exchange(torch.ones(3, 1, 1, 1)).shape == (3, 1, 1, 1)
    assert buffer.images.shape == (5, 1, 1, 1)
