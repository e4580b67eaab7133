"""Chairs: four legs or a pedestal, with or without arms, with a solid back or slats."""

import numpy as np

from discogan.experiments.renders.mesh import Colour, Mesh, box, join, prism, random_colour, rod
from discogan.registry import RENDERS


@RENDERS.register("chair")
def chair(rng: np.random.Generator) -> Mesh:
    """Build a chair about two units high; a person on it looks along +x."""
    width, depth = rng.uniform(0.75, 1.05), rng.uniform(0.75, 1.0)
    seat = rng.uniform(0.75, 0.95)
    frame, cushion = random_colour(rng), random_colour(rng)
    parts = [box((0, 0, seat), (depth, width, rng.uniform(0.08, 0.2)), cushion)]
    parts += _pedestal(rng, depth, seat, frame) if rng.random() < 0.25 else _legs(rng, width, depth, seat, frame)
    parts += _back(rng, width, depth, seat, frame, cushion)
    if rng.random() < 0.35:
        parts += _arms(rng, width, depth, seat, frame)
    return join(parts)


def _legs(rng: np.random.Generator, width: float, depth: float, seat: float, frame: Colour) -> list[Mesh]:
    splay, thick = rng.uniform(0.0, 0.12), rng.uniform(0.035, 0.07)
    x, y = depth / 2 - 0.08, width / 2 - 0.08
    legs = []
    for side_x in (-1, 1):
        for side_y in (-1, 1):
            foot = (side_x * (x + splay), side_y * (y + splay), 0)
            legs.append(rod(foot, (side_x * x, side_y * y, seat), thick, frame))
    return legs


def _pedestal(rng: np.random.Generator, depth: float, seat: float, frame: Colour) -> list[Mesh]:
    column = rod((0, 0, 0.08), (0, 0, seat), rng.uniform(0.05, 0.09), frame)
    reach, feet = depth * rng.uniform(0.4, 0.55), int(rng.integers(4, 6))
    angles = 2 * np.pi * np.arange(feet) / feet
    star = [rod((0, 0, 0.12), (reach * np.cos(a), reach * np.sin(a), 0.04), 0.05, frame) for a in angles]
    return [column, *star]


def _back(
    rng: np.random.Generator, width: float, depth: float, seat: float, frame: Colour, cushion: Colour
) -> list[Mesh]:
    height, lean, thick = rng.uniform(0.7, 1.2), rng.uniform(0.0, 0.25), rng.uniform(0.06, 0.14)
    x, top = -depth / 2, seat + height

    def piece(low: float, high: float, half_widths: list[float], colour: Colour) -> Mesh:
        """Build a slab of the back between two heights, given as shares of the back's height."""
        (x0, z0), (x1, z1) = ((x - share * lean, seat + share * height) for share in (low, high))
        return prism([(x0, z0), (x0 + thick, z0), (x1 + thick, z1), (x1, z1)], half_widths, colour)

    if rng.random() < 0.5:
        narrow = rng.uniform(0.35, 0.5) * width
        return [piece(0.0, 1.0, [width / 2, width / 2, narrow, narrow], cushion)]
    posts = [
        rod((x + thick / 2, side * width * 0.44, seat), (x - lean + thick / 2, side * width * 0.44, top), 0.05, frame)
        for side in (-1, 1)
    ]
    rails = int(rng.integers(2, 5))
    shares = np.linspace(0.25, 0.95, rails)
    return posts + [piece(share - 0.07, share + 0.05, [width * 0.46] * 4, cushion) for share in shares]


def _arms(rng: np.random.Generator, width: float, depth: float, seat: float, frame: Colour) -> list[Mesh]:
    height, reach = seat + rng.uniform(0.25, 0.4), depth * rng.uniform(0.3, 0.48)
    parts = []
    for side in (-1, 1):
        y = side * width / 2
        parts.append(box(((reach - depth / 2) / 2, y, height), (reach + depth / 2, 0.09, 0.06), frame))
        parts.append(rod((reach - 0.05, y, seat), (reach - 0.05, y, height), 0.04, frame))
    return parts
