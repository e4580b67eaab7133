"""Model 2 of the paper: a GAN with a reconstruction loss in one direction (section 3.1, figure 2b)."""

from dataclasses import dataclass
from typing import Literal

from discogan.directions import Direction
from discogan.losses import adversarial_discriminator, adversarial_generator, reconstruction
from discogan.model import RoundTrips, TranslationModel
from discogan.objectives import Objective, Terms
from discogan.registry import OBJECTIVES


@OBJECTIVES.register("recon_gan")
@dataclass(frozen=True)
class ReconGAN(Objective):
    """The paper's model 2: L_G = L_GAN_B + L_CONST_A. A to B must be undone, so it becomes an injection."""

    distance: Literal["l1", "l2", "huber", "cosine", "hinge"] = "l2"
    """d in L_CONST."""
    reconstruction_weight: float = 1.0
    """Weight of L_CONST_A; the paper has 1."""

    @property
    def directions(self) -> tuple[Direction]:
        return ("a_to_b",)

    @property
    def round_trip_directions(self) -> tuple[Direction]:
        return ("a_to_b",)

    def generator_terms(self, model: TranslationModel, trips: RoundTrips, step: int) -> Terms:
        return {
            "adversarial_b": adversarial_generator(model.discriminate_b(trips.fake_b).logits),
            "reconstruction_a": self.reconstruction_weight
            * reconstruction(trips.reconstructed_a, trips.real_a, self.distance),
        }

    def discriminator_terms(self, model: TranslationModel, trips: RoundTrips, step: int) -> Terms:
        real, fake = model.discriminate_b(trips.real_b), model.discriminate_b(trips.fake_b.detach())
        return {"discriminator_b": adversarial_discriminator(real.logits, fake.logits)}
