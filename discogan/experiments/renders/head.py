"""Heads: skulls, hair, noses and ears in many proportions."""

import numpy as np

from discogan.experiments.renders.mesh import Colour, Mesh, box, ellipsoid, hsv, join, random_colour, rod
from discogan.registry import RENDERS


@RENDERS.register("head")
def head(rng: np.random.Generator) -> Mesh:
    """Build a head with a neck, about two units high, with its nose towards +x."""
    depth, width, height = rng.uniform(0.68, 0.82), rng.uniform(0.55, 0.7), rng.uniform(0.78, 0.95)
    skin = hsv(rng.uniform(0.03, 0.09), rng.uniform(0.25, 0.65), rng.uniform(0.35, 0.95))
    size = np.array([depth, width, height])
    skull = ellipsoid((0, 0, 0), size, skin, rings=10, sides=16)
    neck = rod((-0.1, 0, -height - 0.35), (-0.05, 0, -height * 0.5), width * rng.uniform(0.5, 0.65), skin)
    shirt = ellipsoid((-0.1, 0, -height - 0.45), (0.5, width * 1.35, 0.28), random_colour(rng))
    return join([skull, neck, shirt, *_hair(rng, size), *_face(rng, size, skin), *_ears(rng, size, skin)])


def _hair(rng: np.random.Generator, size: np.ndarray) -> list[Mesh]:
    """Build a cap of hair behind the brow. Some hair is long at the back, and one head in ten is bald."""
    if rng.random() < 0.1:
        return []
    colour = hsv(rng.uniform(0.02, 0.12), rng.uniform(0.1, 0.8), rng.uniform(0.08, 0.75))
    back, lift = rng.uniform(0.12, 0.25), rng.uniform(0.12, 0.25)
    cap = ellipsoid((-back, 0, lift), size * (1.0, 1.08, 0.98), colour)
    if rng.random() < 0.4:
        drop = rng.uniform(0.3, 0.8)
        return [
            cap,
            ellipsoid((-size[0] * 0.55, 0, -drop / 2), (size[0] * 0.5, size[1] * 1.05, 0.5 + drop / 2), colour),
        ]
    return [cap]


def _face(rng: np.random.Generator, size: np.ndarray, skin: Colour) -> list[Mesh]:
    depth, width, height = size
    darker: Colour = (skin[0] * 0.85, skin[1] * 0.8, skin[2] * 0.8)
    apart, level = width * rng.uniform(0.34, 0.44), height * rng.uniform(0.02, 0.14)
    front = depth * 0.86
    iris = random_colour(rng)
    parts = [
        rod((front - 0.02, 0, level), (front + rng.uniform(0.2, 0.36), 0, -height * 0.22), 0.06, darker, 0.12),
        box((depth * 0.83, 0, -height * 0.48), (0.16, width * rng.uniform(0.45, 0.7), 0.07), (0.7, 0.2, 0.2)),
    ]
    for side in (-1, 1):
        parts.append(ellipsoid((front - 0.06, side * apart, level), (0.13, 0.14, 0.1), (0.97, 0.97, 0.97), 6, 10))
        parts.append(ellipsoid((front + 0.04, side * apart, level), (0.05, 0.065, 0.07), iris, 5, 8))
        brow = (0.12, 0.24, rng.uniform(0.03, 0.07))
        parts.append(box((front - 0.04, side * apart, level + 0.18), brow, (0.15, 0.1, 0.08)))
    return parts


def _ears(rng: np.random.Generator, size: np.ndarray, skin: Colour) -> list[Mesh]:
    radius = rng.uniform(0.1, 0.2)
    return [ellipsoid((-0.02, side * size[1], 0), (0.1, 0.08, radius), skin, 6, 10) for side in (-1, 1)]
