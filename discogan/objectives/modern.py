"""DiscoGAN's coupling with a current adversarial loss: relativistic, with both zero-centred penalties."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from discogan.config import AtLeast
from discogan.losses import (
    at_least_float32,
    gradient_penalty,
    reconstruction,
    relativistic_discriminator,
    relativistic_generator,
)
from discogan.model import RoundTrips, TranslationModel
from discogan.networks import DiscriminatorOutput
from discogan.objectives import Objective, Terms
from discogan.registry import OBJECTIVES

Discriminate = Callable[[Tensor], DiscriminatorOutput]


@OBJECTIVES.register("modern")
@dataclass(frozen=True)
class Modern(Objective):
    """Relativistic pairing with R1 and R2 (R3GAN: Huang et al. 2024) on DiscoGAN's two round trips.

    Use discriminators without norm, because a batch norm mixes images and the penalties need each image's own gradient.
    """

    gamma: Annotated[float, AtLeast(0)] = 10.0
    """Strength of R1 and R2. The right value grows with the image size, and the result depends on it most."""
    penalty_every_steps: Annotated[int, AtLeast(1)] = 4
    """Steps between two penalties; their weight is multiplied by the same number (lazy regularisation)."""
    distance: Literal["l1", "l2", "huber", "cosine", "hinge"] = "l1"
    """The distance d in the round trips."""
    reconstruction_weight: Annotated[float, AtLeast(0)] = 5.0
    """Weight of each round trip."""
    round_trips_train: Literal["both", "second"] = "both"
    """Whether a round trip trains both of its generators, or only the second one. If it trains the first one, this one
    also learns to hide its input in its output, as invisible patterns (Chu et al. 2017)."""

    def generator_terms(self, model: TranslationModel, trips: RoundTrips, step: int) -> Terms:
        with torch.no_grad():
            real_a, real_b = model.discriminate_a(trips.real_a).logits, model.discriminate_b(trips.real_b).logits
        weight, distance = self.reconstruction_weight, self.distance
        if self.round_trips_train == "both":
            back_a, back_b = trips.reconstructed_a, trips.reconstructed_b
        else:
            back_a, back_b = trips.restored_a, trips.restored_b
        return {
            "adversarial_a": relativistic_generator(real_a, model.discriminate_a(trips.fake_a).logits),
            "adversarial_b": relativistic_generator(real_b, model.discriminate_b(trips.fake_b).logits),
            "reconstruction_a": weight * reconstruction(back_a, trips.real_a, distance),
            "reconstruction_b": weight * reconstruction(back_b, trips.real_b, distance),
        }

    def discriminator_terms(self, model: TranslationModel, trips: RoundTrips, step: int) -> Terms:
        fake_a, fake_b = trips.fake_a.detach(), trips.fake_b.detach()
        if step % self.penalty_every_steps:
            return {
                "discriminator_a": _relativistic(model.discriminate_a, trips.real_a, fake_a),
                "discriminator_b": _relativistic(model.discriminate_b, trips.real_b, fake_b),
            }
        terms_a = self._penalised("a", model.discriminate_a, trips.real_a, fake_a)
        terms_b = self._penalised("b", model.discriminate_b, trips.real_b, fake_b)
        return terms_a | terms_b

    def _penalised(self, domain: str, discriminate: Discriminate, real: Tensor, fake: Tensor) -> Terms:
        """Return the terms of one discriminator with both penalties."""
        # Second derivatives lose too much in bfloat16, so this step is in float32 throughout.
        real, fake = (at_least_float32(images.detach()).requires_grad_() for images in (real, fake))
        with torch.autocast(real.device.type, enabled=False):
            of_real, of_fake = discriminate(real), discriminate(fake)
            penalty = gradient_penalty(_penalised_logits(of_real), real)
            penalty = penalty + gradient_penalty(_penalised_logits(of_fake), fake)
        return {
            f"discriminator_{domain}": relativistic_discriminator(of_real.logits, of_fake.logits),
            f"penalty_{domain}": self.gamma / 2 * self.penalty_every_steps * penalty,
        }


def _penalised_logits(output: DiscriminatorOutput) -> Tensor:
    return output.logits if output.penalised_logits is None else output.penalised_logits


def _relativistic(discriminate: Discriminate, real: Tensor, fake: Tensor) -> Tensor:
    return relativistic_discriminator(discriminate(real).logits, discriminate(fake).logits)
