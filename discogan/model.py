"""The networks of one run as one module, and the round trips from which every objective computes its losses."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from discogan.config import Config
from discogan.directions import DIRECTIONS, Direction, check_direction
from discogan.images import PIXEL_RANGES, PixelRange, Pixels
from discogan.losses import at_least_float32
from discogan.networks import DiscriminatorOutput, Shape
from discogan.registry import DISCRIMINATORS, GENERATORS


class RoundTrips:
    """A batch of both domains with its translations and round trips, each computed when first used.

    ``real_a`` -> ``fake_b`` -> ``reconstructed_a`` and ``real_b`` -> ``fake_a`` -> ``reconstructed_b``, all float
    (N, C, H, W). Passes that an objective does not use cost nothing. If ``differentiable`` is False, no graph is kept,
    because a step that only trains the discriminators needs none.
    """

    def __init__(self, model: TranslationModel, real_a: Tensor, real_b: Tensor, differentiable: bool = True) -> None:
        self.real_a = real_a
        self.real_b = real_b
        self._model = model
        self._differentiable = differentiable

    @cached_property
    def fake_b(self) -> Tensor:
        return self._run(self._model.generator_ab, self.real_a)

    @cached_property
    def fake_a(self) -> Tensor:
        return self._run(self._model.generator_ba, self.real_b)

    @cached_property
    def reconstructed_a(self) -> Tensor:
        return self._run(self._model.generator_ba, self.fake_b)

    @cached_property
    def reconstructed_b(self) -> Tensor:
        return self._run(self._model.generator_ab, self.fake_a)

    @cached_property
    def restored_a(self) -> Tensor:
        """``reconstructed_a`` with gradients for its second generator only: the translation counts as given."""
        return self._run(self._model.generator_ba, self.fake_b.detach())

    @cached_property
    def restored_b(self) -> Tensor:
        """``reconstructed_b`` with gradients for its second generator only."""
        return self._run(self._model.generator_ab, self.fake_a.detach())

    def _run(self, generator: nn.Module, images: Tensor) -> Tensor:
        with torch.set_grad_enabled(self._differentiable):
            translated: Tensor = generator(images)
        return translated


class TranslationModel(nn.Module):
    """Two generators and two discriminators; ``discriminator_a`` takes images of domain A.

    ``directions`` and ``round_trip_directions`` are the directions that training covers, both by default. ``step`` is
    that of the checkpoint that the networks were loaded from, 0 for new ones.
    """

    def __init__(
        self,
        generator_ab: nn.Module,
        generator_ba: nn.Module,
        discriminator_a: nn.Module,
        discriminator_b: nn.Module,
        pixel_range: PixelRange,
    ) -> None:
        super().__init__()
        self.generator_ab = generator_ab
        self.generator_ba = generator_ba
        self.discriminator_a = discriminator_a
        self.discriminator_b = discriminator_b
        self.pixel_range = pixel_range
        self.step = 0
        self.directions: tuple[Direction, ...] = DIRECTIONS
        self.round_trip_directions: tuple[Direction, ...] = DIRECTIONS

    @property
    def generators(self) -> nn.ModuleDict:
        """Both generators by name."""
        return nn.ModuleDict({"generator_ab": self.generator_ab, "generator_ba": self.generator_ba})

    def generator(self, direction: Direction) -> nn.Module:
        """Return the generator of a direction."""
        return self.generator_ab if direction == "a_to_b" else self.generator_ba

    @property
    def discriminators(self) -> nn.ModuleDict:
        """Both discriminators by name."""
        return nn.ModuleDict({"discriminator_a": self.discriminator_a, "discriminator_b": self.discriminator_b})

    def round_trips(self, real_a: Tensor, real_b: Tensor, differentiable: bool = True) -> RoundTrips:
        """Return the round trips of a batch, computed as they are used."""
        return RoundTrips(self, real_a, real_b, differentiable)

    def discriminate_a(self, images: Tensor) -> DiscriminatorOutput:
        """Return the output of the discriminator of domain A for float images (N, C_a, H, W)."""
        return _precise(self.discriminator_a(images))

    def discriminate_b(self, images: Tensor) -> DiscriminatorOutput:
        """Return the output of the discriminator of domain B for float images (N, C_b, H, W)."""
        return _precise(self.discriminator_b(images))

    def translate(self, images: Tensor, direction: str) -> Tensor:
        """Apply one generator to float images (N, C, H, W) in the model's pixel range.

        Raises ``ConfigError`` if the direction is neither a_to_b nor b_to_a.
        """
        translated: Tensor = self.generator(check_direction(direction))(images)
        return translated

    def translate_pixels(self, pixels: Pixels, direction: str, batch_size: int = 64) -> Pixels:
        """Translate uint8 (N, H, W, C) to uint8 (N, H, W, C'), in batches; the model must be in evaluation mode."""
        device = next(self.generator_ab.parameters()).device
        batches = []
        with torch.inference_mode():
            for start in range(0, len(pixels), batch_size):
                batch = torch.from_numpy(np.array(pixels[start : start + batch_size]))
                images = self.pixel_range.encode(batch.to(device))
                batches.append(self.pixel_range.decode(self.translate(images, direction)).cpu())
        return torch.cat(batches).numpy()


def _precise(output: DiscriminatorOutput) -> DiscriminatorOutput:
    return output._replace(logits=at_least_float32(output.logits))


def build_model(config: Config, shapes: tuple[Shape, Shape] | None = None) -> TranslationModel:
    """Build networks for a configuration, initialised from PyTorch's current random state.

    They take images of the configuration's size, or data of other ``shapes`` (of A, of B).
    """
    size = config.data.image_size
    shape_a, shape_b = shapes or [(config.data.channels_of(domain), size, size) for domain in "ab"]
    return TranslationModel(
        GENERATORS.build(config.generator, "generator", shape_a, shape_b),
        GENERATORS.build(config.generator, "generator", shape_b, shape_a),
        DISCRIMINATORS.build(config.discriminator, "discriminator", shape_a),
        DISCRIMINATORS.build(config.discriminator, "discriminator", shape_b),
        PIXEL_RANGES[GENERATORS.resolve(config.generator, "generator")[1].output],
    )


@contextlib.contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode, and restore the mode of every module afterwards."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, was_training in modes:
            module.training = was_training


def averaged_copy(generators: nn.ModuleDict) -> nn.ModuleDict:
    """Return a frozen copy of the generators, to hold their running average."""
    return copy.deepcopy(generators).requires_grad_(False).eval()


@torch.no_grad()
def update_average(average: nn.ModuleDict, live: nn.ModuleDict, decay: float, step: int) -> None:
    """Move the average towards the live generators. In step t the decay is at most (1 + t) / (10 + t).

    Statistics of norm layers are averaged too.
    """
    weight = 1 - min(decay, (1 + step) / (10 + step))
    averaged = [value for value in average.state_dict().values() if value.is_floating_point()]
    current = [value for value in live.state_dict().values() if value.is_floating_point()]
    torch._foreach_lerp_(averaged, current, weight)
