"""The objective of the official code, which differs from the paper's: feature matching, a rate, a 1:2 schedule."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from discogan.config import AtLeast, AtMost
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
    """Which of the three models; both baselines use the same terms in one direction."""
    adversarial_weight: Annotated[float, AtLeast(0)] = 0.1
    """Weight of the adversarial loss, multiplied by 1 - rate."""
    feature_matching_weight: Annotated[float, AtLeast(0)] = 0.9
    """Weight of feature matching, multiplied by 1 - rate. The azimuth tasks' plain GAN has the weights 1.0 and 0.0."""
    first_rate: Annotated[float, AtLeast(0), AtMost(1)] = 0.01
    """Weight of the reconstruction in the first ``rate_steps`` steps; 0.9 in the azimuth tasks."""
    last_rate: Annotated[float, AtLeast(0), AtMost(1)] = 0.5
    """Weight of the reconstruction after ``rate_steps`` steps; 0.9 in the azimuth tasks."""
    rate_steps: Annotated[int, AtLeast(0)] = 10_000
    """Steps before the rate changes."""
    first_feature_layer: Literal[0, 1] = 0
    """1 omits the shallowest features, as in the azimuth tasks."""

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
        # The plain GAN has no reconstruction, so its other terms keep their full weight.
        rate = 0.0 if self.model == "gan" else self.first_rate if step < self.rate_steps else self.last_rate
        real_b, fake_b = model.discriminate_b(trips.real_b), model.discriminate_b(trips.fake_b)
        terms = self._adversarial_and_matching("b", real_b, fake_b, 1 - rate)
        if self.model != "gan":
            terms["reconstruction_a"] = rate * reconstruction(trips.reconstructed_a, trips.real_a)
        if self.model == "discogan":
            real_a, fake_a = model.discriminate_a(trips.real_a), model.discriminate_a(trips.fake_a)
            terms |= self._adversarial_and_matching("a", real_a, fake_a, 1 - rate)
            terms["reconstruction_b"] = rate * reconstruction(trips.reconstructed_b, trips.real_b)
        return terms

    def discriminator_terms(self, model: TranslationModel, trips: RoundTrips, step: int) -> Terms:
        real_b, fake_b = model.discriminate_b(trips.real_b), model.discriminate_b(trips.fake_b.detach())
        terms = {"discriminator_b": 0.5 * adversarial_discriminator(real_b.logits, fake_b.logits)}
        if self.model == "discogan":
            real_a, fake_a = model.discriminate_a(trips.real_a), model.discriminate_a(trips.fake_a.detach())
            terms["discriminator_a"] = 0.5 * adversarial_discriminator(real_a.logits, fake_a.logits)
        return terms

    def _adversarial_and_matching(
        self, domain: str, real: DiscriminatorOutput, fake: DiscriminatorOutput, share: float
    ) -> Terms:
        """Return one generator's adversarial and feature matching terms, multiplied by ``share``."""
        terms = {f"adversarial_{domain}": share * self.adversarial_weight * adversarial_generator(fake.logits)}
        if self.feature_matching_weight:
            layers = slice(self.first_feature_layer, None)
            real_features = [features.detach() for features in real.features[layers]]
            matching = feature_matching(real_features, fake.features[layers])
            terms[f"feature_matching_{domain}"] = share * self.feature_matching_weight * matching
        return terms
