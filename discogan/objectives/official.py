"""The official code's objective, which is not the paper's: feature matching, a rate, a 1:2 schedule."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from discogan.directions import DIRECTIONS, Direction
from discogan.losses import adversarial_discriminator, adversarial_generator, feature_matching, reconstruction
from discogan.model import RoundTrips, TranslationModel
from discogan.networks import DiscriminatorOutput
from discogan.objectives import Objective, Terms
from discogan.registry import OBJECTIVES


@OBJECTIVES.register("official")
@dataclass(frozen=True)
class Official(Objective):
    """The official code: (0.1 adversarial + 0.9 feature matching) (1 - rate) + rate * reconstruction."""

    model: Literal["gan", "recon_gan", "discogan"] = "discogan"
    """Which of the three models; the two baselines use the same terms in one direction."""
    adversarial_weight: float = 0.1
    """Weight of the adversarial loss before the rate."""
    feature_matching_weight: float = 0.9
    """Weight of feature matching before the rate; the azimuth tasks' plain GAN has 1.0 and 0.0."""
    first_rate: float = 0.01
    """The reconstruction rate in the first ``rate_steps`` steps; 0.9 in the azimuth tasks."""
    last_rate: float = 0.5
    """The reconstruction rate after them; 0.9 in the azimuth tasks."""
    rate_steps: int = 10_000
    """Steps before the rate changes."""
    first_feature_layer: Literal[0, 1] = 0
    """1 leaves the shallowest features out, as the azimuth tasks do."""

    @property
    def directions(self) -> Sequence[Direction]:
        return DIRECTIONS if self.model == "discogan" else DIRECTIONS[:1]

    @property
    def round_trip_directions(self) -> Sequence[Direction]:
        return () if self.model == "gan" else self.directions

    def steps_discriminators(self, step: int) -> bool:
        return step % 3 == 0

    def steps_generators(self, step: int) -> bool:
        return step % 3 != 0

    def generator_terms(self, model: TranslationModel, trips: RoundTrips, step: int) -> Terms:
        # The plain GAN has no reconstruction to share its weight with.
        rate = 0.0 if self.model == "gan" else self.first_rate if step < self.rate_steps else self.last_rate
        terms = self._matching("b", model.discriminate_b(trips.real_b), model.discriminate_b(trips.fake_b), 1 - rate)
        if self.model != "gan":
            terms["reconstruction_a"] = rate * reconstruction(trips.reconstructed_a, trips.real_a)
        if self.model == "discogan":
            terms |= self._matching(
                "a", model.discriminate_a(trips.real_a), model.discriminate_a(trips.fake_a), 1 - rate
            )
            terms["reconstruction_b"] = rate * reconstruction(trips.reconstructed_b, trips.real_b)
        return terms

    def discriminator_terms(self, model: TranslationModel, trips: RoundTrips, step: int) -> Terms:
        terms = {
            "discriminator_b": self._judge(
                model.discriminate_b(trips.real_b), model.discriminate_b(trips.fake_b.detach())
            )
        }
        if self.model == "discogan":
            terms["discriminator_a"] = self._judge(
                model.discriminate_a(trips.real_a), model.discriminate_a(trips.fake_a.detach())
            )
        return terms

    def _matching(self, domain: str, real: DiscriminatorOutput, fake: DiscriminatorOutput, share: float) -> Terms:
        terms = {f"adversarial_{domain}": share * self.adversarial_weight * adversarial_generator(fake.logits)}
        if self.feature_matching_weight:
            layers = slice(self.first_feature_layer, None)
            matching = feature_matching([layer.detach() for layer in real.features[layers]], fake.features[layers])
            terms[f"feature_matching_{domain}"] = share * self.feature_matching_weight * matching
        return terms

    def _judge(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Tensor:
        return 0.5 * adversarial_discriminator(real.logits, fake.logits)
