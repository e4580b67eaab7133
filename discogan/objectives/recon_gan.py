"""Model 2 of the paper: a GAN with a reconstruction loss in one direction (section 3.1, figure 2b)."""

from dataclasses import dataclass
from typing import Annotated, Literal

from discogan.config import AtLeast
from discogan.directions import Direction
from discogan.losses import adversarial_discriminator, adversarial_generator, reconstruction
from discogan.model import RoundTrips, TranslationModel
from discogan.objectives import Objective, Terms
from discogan.registry import OBJECTIVES


@OBJECTIVES.register("recon_gan")
@dataclass(frozen=True)
class ReconGAN(Objective):
    """The paper's model 2: L_G = L_GAN_B + L_CONST_A. It trains A to B, so that B to A recovers the input."""

    distance: Literal["l1", "l2", "huber", "cosine", "hinge"] = "l2"
    """The distance d in L_CONST."""
    reconstruction_weight: Annotated[float, AtLeast(0)] = 1.0
    """Weight of L_CONST_A; 1 in the paper."""

    @property
    def directions(self) -> tuple[Direction]:
        return ("a_to_b",)

    @property
    def round_trip_directions(self) -> tuple[Direction]:
        return ("a_to_b",)

    def generator_terms(self, model: TranslationModel, trips: RoundTrips, step: int) -> Terms:
        weight, distance = self.reconstruction_weight, self.distance
        return {
            "adversarial_b": adversarial_generator(model.discriminate_b(trips.fake_b).logits),
            "reconstruction_a": weight * reconstruction(trips.reconstructed_a, trips.real_a, distance),
        }

    def discriminator_terms(self, model: TranslationModel, trips: RoundTrips, step: int) -> Terms:
        real, fake = model.discriminate_b(trips.real_b), model.discriminate_b(trips.fake_b.detach())
        return {"discriminator_b": adversarial_discriminator(real.logits, fake.logits)}
