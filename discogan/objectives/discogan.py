"""Model 3, the paper's own: two coupled GANs that share both generators (section 3.2, figure 2c)."""

from dataclasses import dataclass
from typing import Annotated, Literal

from discogan.config import AtLeast
from discogan.losses import adversarial_discriminator, adversarial_generator, reconstruction
from discogan.model import RoundTrips, TranslationModel
from discogan.objectives import Objective, Terms
from discogan.registry import OBJECTIVES


@OBJECTIVES.register("discogan")
@dataclass(frozen=True)
class DiscoGAN(Objective):
    """The paper's model 3: L_G = L_GAN_B + L_CONST_A + L_GAN_A + L_CONST_B and L_D = L_D_A + L_D_B."""

    distance: Literal["l1", "l2", "huber", "cosine", "hinge"] = "l2"
    """The distance d in L_CONST."""
    reconstruction_weight: Annotated[float, AtLeast(0)] = 1.0
    """Weight of L_CONST_A and L_CONST_B; 1 in the paper."""

    def generator_terms(self, model: TranslationModel, trips: RoundTrips, step: int) -> Terms:
        weight, distance = self.reconstruction_weight, self.distance
        return {
            "adversarial_a": adversarial_generator(model.discriminate_a(trips.fake_a).logits),
            "adversarial_b": adversarial_generator(model.discriminate_b(trips.fake_b).logits),
            "reconstruction_a": weight * reconstruction(trips.reconstructed_a, trips.real_a, distance),
            "reconstruction_b": weight * reconstruction(trips.reconstructed_b, trips.real_b, distance),
        }

    def discriminator_terms(self, model: TranslationModel, trips: RoundTrips, step: int) -> Terms:
        real_a, fake_a = model.discriminate_a(trips.real_a), model.discriminate_a(trips.fake_a.detach())
        real_b, fake_b = model.discriminate_b(trips.real_b), model.discriminate_b(trips.fake_b.detach())
        return {
            "discriminator_a": adversarial_discriminator(real_a.logits, fake_a.logits),
            "discriminator_b": adversarial_discriminator(real_b.logits, fake_b.logits),
        }
