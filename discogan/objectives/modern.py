"""DiscoGAN's coupling with a current adversarial loss: relativistic, with both zero-centred penalties."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from discogan.config import require
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


@OBJECTIVES.register("modern")
@dataclass(frozen=True)
class Modern(Objective):
    """Relativistic pairing with R1 and R2 (R3GAN: Huang et al. 2024) on DiscoGAN's two round trips.

    Use discriminators without norm: a batch norm mixes images, so no image would have a gradient of its own.
    """

    gamma: float = 10.0
    """Strength of R1 and R2; decides whether the relation is found, and grows with the image size."""
    penalty_every_steps: int = 4
    """The penalties are computed every so many steps and weigh that much more (lazy regularisation)."""
    distance: Literal["l1", "l2", "huber", "cosine", "hinge"] = "l1"
    """d in the round trips."""
    reconstruction_weight: float = 5.0
    """Weight of each round trip."""

    def __post_init__(self) -> None:
        require("objective.penalty_every_steps", self.penalty_every_steps, at_least=1)

    def generator_terms(self, model: TranslationModel, trips: RoundTrips, step: int) -> Terms:
        with torch.no_grad():
            real_a, real_b = model.discriminate_a(trips.real_a).logits, model.discriminate_b(trips.real_b).logits
        weight, distance = self.reconstruction_weight, self.distance
        return {
            "adversarial_a": relativistic_generator(real_a, model.discriminate_a(trips.fake_a).logits),
            "adversarial_b": relativistic_generator(real_b, model.discriminate_b(trips.fake_b).logits),
            "reconstruction_a": weight * reconstruction(trips.reconstructed_a, trips.real_a, distance),
            "reconstruction_b": weight * reconstruction(trips.reconstructed_b, trips.real_b, distance),
        }

    def discriminator_terms(self, model: TranslationModel, trips: RoundTrips, step: int) -> Terms:
        fake_a, fake_b = trips.fake_a.detach(), trips.fake_b.detach()
        if step % self.penalty_every_steps:
            return {
                "discriminator_a": _judge(model.discriminate_a, trips.real_a, fake_a),
                "discriminator_b": _judge(model.discriminate_b, trips.real_b, fake_b),
            }
        return self._penalised("a", model.discriminate_a, trips.real_a, fake_a) | self._penalised(
            "b", model.discriminate_b, trips.real_b, fake_b
        )

    def _penalised(
        self, domain: str, judge: Callable[[Tensor], DiscriminatorOutput], real: Tensor, fake: Tensor
    ) -> Terms:
        # Second derivatives lose too much in bfloat16, so this step is in float32 throughout.
        real, fake = (at_least_float32(images.detach()).requires_grad_() for images in (real, fake))
        with torch.autocast(real.device.type, enabled=False):
            real_logits, fake_logits = judge(real).logits, judge(fake).logits
            penalty = gradient_penalty(real_logits, real) + gradient_penalty(fake_logits, fake)
        return {
            f"discriminator_{domain}": relativistic_discriminator(real_logits, fake_logits),
            f"penalty_{domain}": self.gamma / 2 * self.penalty_every_steps * penalty,
        }


def _judge(judge: Callable[[Tensor], DiscriminatorOutput], real: Tensor, fake: Tensor) -> Tensor:
    return relativistic_discriminator(judge(real).logits, judge(fake).logits)
