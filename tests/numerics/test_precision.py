"""How far bfloat16, the memory layout and the batch size may change losses, gradients and translations.

The bounds are about five times the differences measured with both presets and two seeds.
"""

from typing import NamedTuple

import pytest
import torch
from torch.nn.functional import interpolate

from discogan import devices
from discogan.config import load_config
from discogan.model import build_model
from discogan.registry import OBJECTIVES

CPU = torch.device("cpu")
SIDE, BATCH = 32, 8
PRESETS = ("modern", "official")
"""The default, whose discriminators have no norm, and a preset with batch norms everywhere."""


class Computed(NamedTuple):
    terms: dict[str, float]
    gradients: dict[str, torch.Tensor]
    """All gradients of the generators and of the discriminators as one vector each."""
    translated: torch.Tensor


def build(preset, layout):
    config = load_config(preset, image_size=SIDE, settings=["generator.width=16", "discriminator.width=16"])
    torch.manual_seed(0)
    model = devices.place(build_model(config), CPU, layout)
    return model, OBJECTIVES.build(config.objective, "objective")


def draw(model, seed, layout="contiguous"):
    coarse = torch.rand(BATCH, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    unit = interpolate(coarse, (SIDE, SIDE), mode="bilinear")
    images = unit * (model.pixel_range.high - model.pixel_range.low) + model.pixel_range.low
    return images.contiguous(memory_format=devices.memory_format(CPU, layout, model))


def compute(preset, step, precision="float32", layout="contiguous"):
    """Return the terms and gradients of one step, and translations in evaluation mode."""
    model, objective = build(preset, layout)
    batches = [draw(model, seed, layout) for seed in (1, 2)]
    terms, gradients = {}, {}
    for networks in ("discriminators", "generators"):
        with devices.autocast(CPU, precision):
            trips = model.train().round_trips(*batches)
            own_terms = getattr(objective, f"{networks.removesuffix('s')}_terms")(model, trips, step)
        terms |= {name: term.item() for name, term in own_terms.items()}
        own_gradients = torch.autograd.grad(sum(own_terms.values()), list(getattr(model, networks).parameters()))
        gradients[networks] = torch.cat([gradient.flatten() for gradient in own_gradients]).double()
    with torch.inference_mode(), devices.autocast(CPU, precision):
        translated = model.eval().translate(batches[0], "a_to_b").double()
    return Computed(terms, gradients, translated)


def cosine(first, second):
    return torch.cosine_similarity(first.flatten(), second.flatten(), 0).item()


@pytest.mark.parametrize("step", [0, 1], ids=["first step", "second step"])
@pytest.mark.parametrize(("preset", "least_cosine"), [("modern", 0.97), ("official", 0.92)])
def test_bfloat16_changes_little(preset, step, least_cosine):
    """Losses within 2%, gradients' lengths within 5%, and nearly the same directions and images."""
    precise, mixed = compute(preset, step), compute(preset, step, "bf16")
    assert mixed.terms == pytest.approx(precise.terms, rel=0.02)
    assert mixed.terms != precise.terms
    for networks, gradient in precise.gradients.items():
        assert mixed.gradients[networks].norm().item() == pytest.approx(gradient.norm().item(), rel=0.05)
        assert cosine(mixed.gradients[networks], gradient) > (0.99 if networks == "discriminators" else least_cosine)
    assert (mixed.translated - precise.translated).abs().max() < 0.01
    assert cosine(mixed.translated, precise.translated) > 0.9999


@pytest.mark.parametrize("preset", PRESETS)
def test_the_memory_layout_changes_only_the_rounding(preset):
    contiguous, channels_last = (compute(preset, 0, layout=layout) for layout in ("contiguous", "channels_last"))
    assert channels_last.terms == pytest.approx(contiguous.terms, rel=1e-4)
    for networks, gradient in contiguous.gradients.items():
        assert cosine(channels_last.gradients[networks], gradient) > 1 - 1e-5
    torch.testing.assert_close(channels_last.translated, contiguous.translated, rtol=0, atol=1e-5)


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("preset", PRESETS)
def test_a_translation_does_not_depend_on_the_rest_of_its_batch(preset, layout):
    model, _ = build(preset, layout)
    model.train()
    images = draw(model, 1, layout)
    # Steps in training mode give the batch norms statistics of their own.
    for _ in range(3):
        model.translate(images, "a_to_b")
    model.eval()
    with torch.inference_mode():
        together = model.translate(images, "a_to_b")
        alone = torch.cat([model.translate(image[None], "a_to_b") for image in images])
        reversed_order = model.translate(images.flip(0), "a_to_b").flip(0)
    for other in (alone, reversed_order):
        torch.testing.assert_close(other, together, rtol=0, atol=1e-5)


def test_in_training_mode_a_batch_norm_does_depend_on_the_batch():
    """So the test above would notice a network that is not in evaluation mode."""
    model, _ = build("official", "contiguous")
    images = draw(model, 1)
    with torch.no_grad():
        together = model.train().translate(images, "a_to_b")
        first_half = model.translate(images[: BATCH // 2], "a_to_b")
    assert (together[: BATCH // 2] - first_half).abs().max() > 1e-3
