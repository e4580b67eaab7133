"""Model 1 of the paper: a GAN whose generator takes an image (section 3.1, figure 2a)."""

from dataclasses import dataclass

from discogan.directions import Direction
from discogan.losses import adversarial_discriminator, adversarial_generator
from discogan.model import RoundTrips, TranslationModel
from discogan.objectives import Objective, Terms
from discogan.registry import OBJECTIVES


@OBJECTIVES.register("gan")
@dataclass(frozen=True)
class GAN(Objective):
    """The paper's model 1: L_G = L_GAN_B. It trains A to B only, and no loss relates an output to its input."""

    @property
    def directions(self) -> tuple[Direction]:
        return ("a_to_b",)

    def generator_terms(self, model: TranslationModel, trips: RoundTrips, step: int) -> Terms:
        return {"adversarial_b": adversarial_generator(model.discriminate_b(trips.fake_b).logits)}

    def discriminator_terms(self, model: TranslationModel, trips: RoundTrips, step: int) -> Terms:
        real, fake = model.discriminate_b(trips.real_b), model.discriminate_b(trips.fake_b.detach())
        return {"discriminator_b": adversarial_discriminator(real.logits, fake.logits)}
