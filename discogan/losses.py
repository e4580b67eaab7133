"""Losses as pure functions of tensors. Each returns a scalar, the mean over the batch.

``real_logits`` and ``fake_logits`` are a discriminator's outputs before the sigmoid and have the same shape. Images
are float (N, ...) of any range. The generators minimise "generator" losses, the discriminators "discriminator" losses.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from discogan.errors import unknown_choice


def at_least_float32(values: Tensor) -> Tensor:
    """Convert half precision to float32: losses take differences, and bfloat16's eight bits are too few for them."""
    return values if values.dtype == torch.float64 else values.float()


# Adversarial --------------------------------------------------------------------------------------


def adversarial_generator(fake_logits: Tensor) -> Tensor:
    """-E[log D(G(x))], the non-saturating loss (DiscoGAN eq. 4)."""
    return F.softplus(-fake_logits).mean()


def adversarial_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-E[log D(y)] - E[log(1 - D(G(x)))] (DiscoGAN eq. 7)."""
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def least_squares_generator(fake_logits: Tensor) -> Tensor:
    """E[(D(G(x)) - 1)^2] (Mao et al. 2017; CycleGAN section 4)."""
    return (fake_logits - 1).square().mean()


def least_squares_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """E[(D(y) - 1)^2 + D(G(x))^2] / 2; CycleGAN halves it to slow the discriminator down."""
    return 0.5 * ((real_logits - 1).square().mean() + fake_logits.square().mean())


def relativistic_generator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """E[softplus(D(y) - D(G(x)))] over independent x and y (R3GAN: Huang et al. 2024, eq. 2).

    R3GAN compares each fake with one real image. Here every pair of the batch is compared: the expectation is the
    same, the noise is lower, and the value does not depend on the order of either domain.
    """
    return F.softplus(real_logits[None] - fake_logits[:, None]).mean()


def relativistic_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """E[softplus(D(G(x)) - D(y))], with the roles of ``relativistic_generator`` exchanged."""
    return F.softplus(fake_logits[None] - real_logits[:, None]).mean()


def gradient_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """E[|grad_x D(x)|^2]: R1 on real images, R2 on fakes (Mescheder et al. 2018, eq. 9).

    ``images`` (N, ...) are float32, require grad, and are the input from which ``logits`` were computed.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean()


# Feature matching ---------------------------------------------------------------------------------


def feature_matching(real_features: list[Tensor], fake_features: list[Tensor]) -> Tensor:
    """Sum over layers of mean((E[real] - E[fake])^2), the expectation over the batch (Salimans et al. 2016).

    It is in the official DiscoGAN code and not in the paper. It uses no pairs, because it compares batch means.
    """
    distances = []
    for real, fake in zip(real_features, fake_features, strict=True):
        difference = at_least_float32(real).mean(0) - at_least_float32(fake).mean(0)
        distances.append(difference.square().mean())
    return torch.stack(distances).sum()


# Reconstruction -----------------------------------------------------------------------------------


def reconstruction(reconstructed: Tensor, original: Tensor, distance: str = "l2") -> Tensor:
    """d(G_BA(G_AB(x)), x), DiscoGAN eq. 3, for a distance named in ``DISTANCES``."""
    if distance not in DISTANCES:
        raise unknown_choice("distance", distance, DISTANCES)
    return DISTANCES[distance](reconstructed, original)


def cosine(reconstructed: Tensor, original: Tensor) -> Tensor:
    """1 - cos between the flattened images, in [0, 2]."""
    return 1 - F.cosine_similarity(reconstructed.flatten(1), original.flatten(1)).mean()


def hinge(reconstructed: Tensor, original: Tensor, margin: float = 0.05) -> Tensor:
    """E[max(0, |x' - x| - margin)]: differences within the margin are free."""
    return F.relu((reconstructed - original).abs() - margin).mean()


DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": F.l1_loss,
    "l2": F.mse_loss,
    "huber": F.huber_loss,
    "cosine": cosine,
    "hinge": hinge,
}
