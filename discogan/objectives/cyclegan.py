"""CycleGAN (Zhu et al. 2017): least squares, an L1 cycle, identity, and a buffer of past fakes."""

from dataclasses import dataclass, field
from typing import Annotated

import torch
from torch import Tensor

from discogan.config import AtLeast
from discogan.losses import least_squares_discriminator, least_squares_generator, reconstruction
from discogan.model import RoundTrips, TranslationModel
from discogan.objectives import Objective, Terms
from discogan.registry import OBJECTIVES


class ImageBuffer:
    """Past fakes. About half of each batch is replaced by images from it (Shrivastava et al. 2017, section 2.3)."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.images: Tensor | None = None

    def exchange(self, fakes: Tensor) -> Tensor:
        """Return fakes (N, ...), each swapped with probability 1/2 for a past one; a swapped fake enters the buffer.

        Fakes pass unchanged until the buffer is full.
        """
        if self.size == 0:
            return fakes
        kept = fakes[:0] if self.images is None else self.images
        room = max(0, self.size - len(kept))
        self.images = torch.cat([kept, fakes[:room]])
        fresh, beyond = fakes[room : room + self.size], fakes[room + self.size :]
        # Places without repetition: two fakes in one place would overwrite each other in no defined order.
        places = torch.randperm(self.size, device=fakes.device)[: len(fresh)]
        swapped = (torch.rand(len(fresh), device=fakes.device) < 0.5).view(-1, *[1] * (fakes.dim() - 1))
        past = self.images[places]
        self.images[places] = torch.where(swapped, fresh, past)
        return torch.cat([fakes[:room], torch.where(swapped, past, fresh), beyond])


@OBJECTIVES.register("cyclegan")
@dataclass(frozen=True)
class CycleGAN(Objective):
    """CycleGAN's losses: L_GAN (least squares) + 10 L_cyc + 5 L_identity, discriminators on past fakes."""

    cycle_weight: Annotated[float, AtLeast(0)] = 10.0
    """Weight of the L1 round trips (lambda in eq. 3)."""
    identity_weight: Annotated[float, AtLeast(0)] = 5.0
    """Weight of |G_AB(y) - y| (section 5.2); ignored if A and B differ in channels."""
    buffer_size: Annotated[int, AtLeast(0)] = 50
    """Past fakes kept for each domain; with 0 the discriminators see only the newest."""
    buffers: dict[str, ImageBuffer] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "buffers", {domain: ImageBuffer(self.buffer_size) for domain in ("a", "b")})

    def generator_terms(self, model: TranslationModel, trips: RoundTrips, step: int) -> Terms:
        real_a, real_b, cycle, identity = trips.real_a, trips.real_b, self.cycle_weight, self.identity_weight
        terms = {
            "adversarial_a": least_squares_generator(model.discriminate_a(trips.fake_a).logits),
            "adversarial_b": least_squares_generator(model.discriminate_b(trips.fake_b).logits),
            "reconstruction_a": cycle * reconstruction(trips.reconstructed_a, real_a, "l1"),
            "reconstruction_b": cycle * reconstruction(trips.reconstructed_b, real_b, "l1"),
        }
        if identity and real_a.shape[1] == real_b.shape[1]:
            terms["identity_a"] = identity * reconstruction(model.translate(real_a, "b_to_a"), real_a, "l1")
            terms["identity_b"] = identity * reconstruction(model.translate(real_b, "a_to_b"), real_b, "l1")
        return terms

    def discriminator_terms(self, model: TranslationModel, trips: RoundTrips, step: int) -> Terms:
        fake_a = self.buffers["a"].exchange(trips.fake_a.detach())
        fake_b = self.buffers["b"].exchange(trips.fake_b.detach())
        real_a, real_b = model.discriminate_a(trips.real_a).logits, model.discriminate_b(trips.real_b).logits
        return {
            "discriminator_a": least_squares_discriminator(real_a, model.discriminate_a(fake_a).logits),
            "discriminator_b": least_squares_discriminator(real_b, model.discriminate_b(fake_b).logits),
        }

    def state_dict(self) -> dict[str, Tensor]:
        return {name: buffer.images for name, buffer in self.buffers.items() if buffer.images is not None}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        for name, buffer in self.buffers.items():
            buffer.images = state.get(name)
