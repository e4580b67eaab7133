"""Cars: saloons, hatchbacks, vans and pick-ups in any colour."""

import numpy as np

from discogan.experiments.renders.mesh import Colour, Mesh, box, join, prism, random_colour, rod
from discogan.registry import RENDERS

GLASS: Colour = (0.16, 0.2, 0.26)
TYRE: Colour = (0.07, 0.07, 0.08)
HUB: Colour = (0.75, 0.75, 0.78)
HEADLIGHT: Colour = (1.0, 0.97, 0.75)
TAIL_LIGHT: Colour = (0.85, 0.08, 0.06)
CABIN_ENDS = {"saloon": -0.3, "hatchback": -0.44, "van": -0.48, "pickup": -0.08}
"""Rear end of the cabin along x, as a share of the car's length."""


@RENDERS.register("car")
def car(rng: np.random.Generator) -> Mesh:
    """Build a car about two units long, with its bonnet towards +x."""
    length, width = rng.uniform(1.75, 2.3), rng.uniform(0.8, 0.95)
    wheel = rng.uniform(0.15, 0.2)
    belt = wheel + rng.uniform(0.28, 0.38)
    paint = random_colour(rng)
    body = _body(rng, length, width, wheel, belt, paint)
    return join([*body, *_cabin(rng, length, width, belt, paint), *_wheels(rng, length, width, wheel)])


def _body(
    rng: np.random.Generator, length: float, width: float, wheel: float, belt: float, paint: Colour
) -> list[Mesh]:
    front, back, floor = length / 2, -length / 2, wheel * 0.75
    nose, tail = rng.uniform(0.06, 0.2), rng.uniform(0.0, 0.08)
    bonnet = belt - rng.uniform(0.02, 0.12)
    profile = [
        (back + 0.03, floor),
        (front - 0.04, floor),
        (front, floor + 0.1),
        (front - nose * 0.3, bonnet - 0.05),
        (front - nose, bonnet),
        (0.1, belt),
        (back + tail, belt),
        (back, floor + 0.12),
    ]
    light = belt - 0.12
    lights = []
    for y in (-width * 0.34, width * 0.34):
        lights.append(box((front - 0.01 - nose * 0.15, y, light - 0.04), (0.04, width * 0.22, 0.09), HEADLIGHT))
        lights.append(box((back + 0.01, y, light), (0.04, width * 0.22, 0.09), TAIL_LIGHT))
    bumpers = []
    for x in (front - 0.01, back + 0.01):
        bumpers.append(box((x, 0, floor + 0.06), (0.06, width * 0.96, 0.1), (0.3, 0.3, 0.32)))
    return [prism(profile, width / 2, paint), *lights, *bumpers]


def _cabin(rng: np.random.Generator, length: float, width: float, belt: float, paint: Colour) -> list[Mesh]:
    """Build glass under a painted roof. Its rear end makes the car a saloon, a hatchback, a van or a pick-up."""
    height = rng.uniform(0.26, 0.4)
    windscreen = rng.uniform(0.12, 0.32) * length
    rear = CABIN_ENDS[str(rng.choice(list(CABIN_ENDS)))] * length
    rake, slope = rng.uniform(0.15, 0.3), rng.uniform(0.02, 0.16)
    top, half = belt + height, (width / 2 * 0.94, width / 2 * 0.78)
    glass = [(rear, belt - 0.02), (windscreen, belt - 0.02), (windscreen - rake, top), (rear + slope, top)]
    roof = [
        (rear + slope, top),
        (windscreen - rake, top),
        (windscreen - rake - 0.04, top + 0.05),
        (rear + slope + 0.04, top + 0.05),
    ]
    pillar = (rear + windscreen - rake) / 2
    post = [(pillar - 0.04, belt), (pillar + 0.04, belt), (pillar + 0.03, top), (pillar - 0.03, top)]
    return [
        prism(glass, [half[0], half[0], half[1], half[1]], GLASS),
        prism(roof, half[1] * 1.02, paint),
        prism(post, [half[0] * 1.01, half[0] * 1.01, half[1] * 1.01, half[1] * 1.01], paint),
    ]


def _wheels(rng: np.random.Generator, length: float, width: float, wheel: float) -> list[Mesh]:
    front, back = rng.uniform(0.27, 0.33) * length, -rng.uniform(0.27, 0.34) * length
    parts = []
    for x in (front, back):
        for side in (-1, 1):
            inner, outer = side * width * 0.36, side * width * 0.51
            parts.append(rod((x, inner, wheel), (x, outer, wheel), wheel, TYRE))
            parts.append(rod((x, outer, wheel), (x, outer + side * 0.01, wheel), wheel * 0.5, HUB))
    return parts
