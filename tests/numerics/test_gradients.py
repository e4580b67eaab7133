"""Gradients of every loss, and of every objective's terms, against finite differences in float64."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from discogan import losses
from discogan.config import Config, DataOptions
from discogan.model import build_model
from discogan.objectives.cyclegan import CycleGAN
from discogan.objectives.discogan import DiscoGAN
from discogan.objectives.gan import GAN
from discogan.objectives.modern import Modern
from discogan.objectives.official import Official
from discogan.objectives.recon_gan import ReconGAN

LOSSES_OF_LOGITS = {
    "adversarial_generator": 1,
    "adversarial_discriminator": 2,
    "least_squares_generator": 1,
    "least_squares_discriminator": 2,
    "relativistic_generator": 2,
    "relativistic_discriminator": 2,
}
"""Losses and the number of logits that they take."""
STEP_SIZE = 1e-6
"""Length of the step of a central difference. A longer one would cross the kinks of some activations."""


def draw(*shape, seed=0, requires_grad=True):
    """Draw normal float64 values."""
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return values.requires_grad_(requires_grad)


@pytest.mark.parametrize("shape", [(5, 1), (2, 1, 3, 3)], ids=["one logit", "patches"])
@pytest.mark.parametrize(("name", "count"), LOSSES_OF_LOGITS.items(), ids=LOSSES_OF_LOGITS)
def test_losses_of_logits(name, count, shape):
    logits = [3 * draw(*shape, seed=seed) for seed in range(count)]
    assert gradcheck(getattr(losses, name), logits)
    assert gradgradcheck(getattr(losses, name), logits)


@pytest.mark.parametrize(("name", "count"), LOSSES_OF_LOGITS.items(), ids=LOSSES_OF_LOGITS)
def test_gradients_of_extreme_logits_are_finite(name, count):
    for sign in (-1, 1):
        logits = [torch.full((2, 1), sign * (-1) ** index * 1e6, requires_grad=True) for index in range(count)]
        loss = getattr(losses, name)(*logits)
        assert loss.isfinite()
        assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(loss, logits))


def test_the_gradient_of_a_fooled_discriminator_is_not_lost():
    """The generator still learns if the discriminator is certain that its images are fakes."""
    logits = torch.full((4, 1), -50.0, requires_grad=True)
    losses.adversarial_generator(logits).backward()
    torch.testing.assert_close(logits.grad, torch.full((4, 1), -1 / 4))


def test_feature_matching():
    real, fake = ([draw(4, 3, seed=seed), draw(4, 2, 2, 2, seed=seed + 1)] for seed in (0, 2))

    def loss(*features):
        return losses.feature_matching(list(features[:2]), list(features[2:]))

    assert gradcheck(loss, [*real, *fake])
    assert gradgradcheck(loss, [*real, *fake])


@pytest.mark.parametrize("distance", losses.DISTANCES)
def test_distances(distance):
    """The differences are far from 0, from the hinge's margin and from the Huber loss's change at 1."""
    original = draw(3, 2, 2, 2, seed=1)
    differences = torch.tensor([-1.7, -0.4, 0.3, 2.2], dtype=torch.float64).repeat(6).view(3, 2, 2, 2)
    reconstructed = (original + differences).detach().requires_grad_()
    assert gradcheck(lambda *images: losses.reconstruction(*images, distance), (reconstructed, original))


def test_the_hinge_has_no_gradient_within_its_margin():
    original = torch.zeros(2, 3)
    near = torch.full((2, 3), 0.04, requires_grad=True)
    losses.hinge(near, original).backward()
    assert not near.grad.any()


def test_gradient_penalty():
    """Its gradient in the weights needs the second derivatives of the discriminator."""
    images = draw(3, 2, 2, 2)
    weights = [draw(8, 4, seed=1), draw(4, 1, seed=2)]

    def penalty(images, first, second):
        return losses.gradient_penalty(torch.tanh(images.flatten(1) @ first) @ second, images)

    assert gradcheck(penalty, (images, *weights))


def test_the_gradient_penalty_is_the_squared_slope_of_the_logit():
    images, weight = draw(3, 2, 2, 2), draw(8, 1, seed=1, requires_grad=False)

    def logit(image):
        return torch.tanh(image.flatten() @ weight[:, 0]).item()

    squares = []
    for image in images.detach():
        slopes = []
        for position in range(8):
            step = torch.zeros(8, dtype=torch.float64)
            step[position] = STEP_SIZE
            slopes.append((logit(image + step.view_as(image)) - logit(image - step.view_as(image))) / (2 * STEP_SIZE))
        squares.append(sum(slope**2 for slope in slopes))
    penalty = losses.gradient_penalty(torch.tanh(images.flatten(1) @ weight), images)
    assert penalty.item() == pytest.approx(sum(squares) / 3, rel=1e-7)


OBJECTIVES = {
    "gan": GAN,
    "recon_gan": ReconGAN,
    "discogan": DiscoGAN,
    "discogan with cosine": lambda: DiscoGAN(distance="cosine"),
    "official": Official,
    "official for azimuths": lambda: Official(first_rate=0.9, first_feature_layer=1),
    "cyclegan": CycleGAN,
    "modern": Modern,
}
NETWORKS = {
    "mlp": ({"name": "mlp", "width": 6, "output": "tanh"}, {"name": "mlp", "width": 6, "layers": 2}),
    "convolutional": (
        {"name": "convolutional", "width": 2, "stages": 3, "output": "tanh"},
        {"name": "convolutional", "width": 2, "norm": "none"},
    ),
}


@pytest.fixture(params=NETWORKS)
def model(request):
    torch.manual_seed(0)
    generator, discriminator = NETWORKS[request.param]
    config = Config("test", data=DataOptions(image_size=32), generator=generator, discriminator=discriminator)
    return build_model(config).double()


def slopes(parameters, loss):
    """Return the derivative in a random direction, by automatic differentiation and as a central difference."""
    generator = torch.Generator().manual_seed(3)
    direction = [torch.randn(value.shape, generator=generator, dtype=torch.float64) for value in parameters]
    length = torch.cat([step.flatten() for step in direction]).norm()
    direction = [step / length for step in direction]
    # A parameter that the loss does not use, such as a network of the reverse direction, has no gradient.
    gradients = torch.autograd.grad(loss(), parameters, allow_unused=True)
    products = [
        (gradient * step).sum() for gradient, step in zip(gradients, direction, strict=True) if gradient is not None
    ]
    values = []
    for sign in (1, -2, 1):
        with torch.no_grad():
            for value, step in zip(parameters, direction, strict=True):
                value += sign * STEP_SIZE * step
        values.append(loss().item())
    return torch.stack(products).sum().item(), (values[0] - values[1]) / (2 * STEP_SIZE)


@pytest.mark.parametrize("step", [0, 1], ids=["first step", "second step"])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_terms_of_an_objective(model, name, step):
    """``modern`` has its penalties, and so second derivatives, in the first step only."""
    a, b = (torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(seed)).double() for seed in (1, 2))

    def loss(kind):
        objective = OBJECTIVES[name]()
        terms = getattr(objective, kind)(model, model.round_trips(a, b), step)
        return torch.stack(list(terms.values())).sum()

    for networks, kind in ((model.generators, "generator_terms"), (model.discriminators, "discriminator_terms")):
        automatic, numeric = slopes(list(networks.parameters()), lambda kind=kind: loss(kind))
        assert numeric != 0
        assert automatic == pytest.approx(numeric, rel=1e-4, abs=1e-8)
