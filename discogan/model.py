"""The networks of one run as one module, and the round trips that every objective is written in."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from discogan.config import Config, Table
from discogan.errors import ConfigError
from discogan.images import PIXEL_RANGES, PixelRange, Pixels
from discogan.losses import at_least_float32
from discogan.networks import Judgement, Shape
from discogan.registry import DISCRIMINATORS, GENERATORS, Registry

Direction = Literal["a_to_b", "b_to_a"]
DIRECTIONS: tuple[Direction, Direction] = ("a_to_b", "b_to_a")


def check_direction(direction: str) -> None:
    """Raises ``ConfigError`` unless it is ``a_to_b`` or ``b_to_a``."""
    if direction not in DIRECTIONS:
        raise ConfigError(f"The direction must be a_to_b or b_to_a, not {direction!r}.")


def opposite(direction: str) -> Direction:
    """The way back."""
    return "b_to_a" if direction == "a_to_b" else "a_to_b"


class RoundTrips:
    """A batch of both domains and what the generators make of it, each pass run when first asked for.

    ``real_a`` -> ``fake_b`` -> ``reconstructed_a`` and ``real_b`` -> ``fake_a`` -> ``reconstructed_b``;
    all float (N, C, H, W). An objective pays only for the passes it names. With ``differentiable``
    False the passes keep no graph: a step that trains the discriminators alone needs none.
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

    def _run(self, generator: nn.Module, images: Tensor) -> Tensor:
        with torch.set_grad_enabled(self._differentiable):
            translated: Tensor = generator(images)
        return translated


class TranslationModel(nn.Module):
    """Two generators and two discriminators; ``discriminator_a`` judges images of domain A."""

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

    @property
    def generators(self) -> nn.ModuleDict:
        """Both generators by name."""
        return nn.ModuleDict({"generator_ab": self.generator_ab, "generator_ba": self.generator_ba})

    @property
    def discriminators(self) -> nn.ModuleDict:
        """Both discriminators by name."""
        return nn.ModuleDict({"discriminator_a": self.discriminator_a, "discriminator_b": self.discriminator_b})

    def round_trips(self, real_a: Tensor, real_b: Tensor, differentiable: bool = True) -> RoundTrips:
        """The round trips of a batch, run as they are asked for."""
        return RoundTrips(self, real_a, real_b, differentiable)

    def judge_a(self, images: Tensor) -> Judgement:
        """What the discriminator of domain A says of float images (N, C_a, H, W)."""
        return _precise(self.discriminator_a(images))

    def judge_b(self, images: Tensor) -> Judgement:
        """What the discriminator of domain B says of float images (N, C_b, H, W)."""
        return _precise(self.discriminator_b(images))

    def translate(self, images: Tensor, direction: str) -> Tensor:
        """One generator applied to float images (N, C, H, W) in the model's pixel range."""
        check_direction(direction)
        translated: Tensor = (self.generator_ab if direction == "a_to_b" else self.generator_ba)(images)
        return translated

    def translate_pixels(self, pixels: Pixels, direction: str, batch_size: int = 64) -> Pixels:
        """uint8 (N, H, W, C) to uint8 (N, H, W, C'), batch by batch; the model must be in evaluation mode."""
        device = next(self.generator_ab.parameters()).device
        batches = []
        with torch.inference_mode():
            for start in range(0, len(pixels), batch_size):
                batch = torch.from_numpy(np.array(pixels[start : start + batch_size]))
                images = self.pixel_range.encode(batch.to(device))
                batches.append(self.pixel_range.decode(self.translate(images, direction)).cpu())
        return torch.cat(batches).numpy()


def _precise(judgement: Judgement) -> Judgement:
    return judgement._replace(logits=at_least_float32(judgement.logits))


def build_model(config: Config, shapes: tuple[Shape, Shape] | None = None) -> TranslationModel:
    """Fresh networks for a configuration, initialised from PyTorch's current random state.

    They are for images of the configuration's size, or for data of other ``shapes`` (of A, of B).
    """
    size = config.data.image_size
    shape_a, shape_b = shapes or ((config.data.channels_a, size, size), (config.data.channels_b, size, size))
    generator, discriminator = config.generator, config.discriminator
    generator_ab = _build(GENERATORS, generator, "generator", shape_a, shape_b)
    return TranslationModel(
        generator_ab,
        _build(GENERATORS, generator, "generator", shape_b, shape_a),
        _build(DISCRIMINATORS, discriminator, "discriminator", shape_a),
        _build(DISCRIMINATORS, discriminator, "discriminator", shape_b),
        PIXEL_RANGES[GENERATORS.resolve(generator, "generator")[1].output],
    )


def averaged_copy(generators: nn.ModuleDict) -> nn.ModuleDict:
    """A frozen copy of the generators, to hold their running average."""
    return copy.deepcopy(generators).requires_grad_(False).eval()


@torch.no_grad()
def update_average(average: nn.ModuleDict, live: nn.ModuleDict, decay: float, step: int) -> None:
    """Move the average towards the live generators, faster in the first steps (``decay`` at most (1+t)/(10+t)).

    Norm statistics are averaged like the weights they belong to.
    """
    weight = 1 - min(decay, (1 + step) / (10 + step))
    averaged = [value for value in average.state_dict().values() if value.is_floating_point()]
    current = [value for value in live.state_dict().values() if value.is_floating_point()]
    torch._foreach_lerp_(averaged, current, weight)


def _build(registry: Registry, table: Table, part: str, *shapes: Shape) -> nn.Module:
    entry, options = registry.resolve(table, part)
    network: nn.Module = entry.build(*shapes, options)
    return network
