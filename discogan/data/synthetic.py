"""Two synthetic domains: line drawings of random objects, and shaded, coloured pictures of other objects.

Four kinds of object vary in position, size, tilt and proportions. Both domains draw the same descriptions, so the true
pairs of the test part are known. The training parts show different objects.
"""

import colorsys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import distance_transform_edt

from discogan.files import atomic_path

Points = npt.NDArray[np.float64]
Colour = tuple[int, int, int]

PIXELS = 64
OVERSAMPLING = 4
LINE_PIXELS = 2
PAPER, INK = 255, 20
"""Grey levels."""
LIGHT = np.array([-0.5, -0.6, 0.62])


@dataclass(frozen=True)
class Part:
    """A polygon (n, 2) with y downwards, and its colour. Kinds use coordinates of about [-1, 1], objects use pixels."""

    points: Points
    colour: Colour


@dataclass(frozen=True)
class Thing:
    """An object to draw: its parts from back to front, in pixels."""

    kind: str
    parts: tuple[Part, ...]


def random_thing(rng: np.random.Generator, pixels: int = PIXELS) -> Thing:
    """Return an object of random kind, position, size, tilt and proportions, for a picture ``pixels`` square."""
    kind = list(KINDS)[rng.integers(len(KINDS))]
    parts = KINDS[kind](rng.uniform(0, 1))
    size = rng.uniform(0.24, 0.38) * pixels
    stretch = np.array([rng.uniform(0.85, 1.2), rng.uniform(0.85, 1.2)])
    angle = rng.uniform(-0.35, 0.35)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    position = rng.uniform(0.3, 0.7, 2) * pixels
    placed = [Part(part.points * stretch * size @ turn + position, part.colour) for part in parts]
    return Thing(kind, tuple(placed))


def draw_lines(thing: Thing, pixels: int = PIXELS) -> Image.Image:
    """Draw the object in black lines on white: RGB, ``pixels`` square.

    Lines between parts are centred on their edge, and the outline is inside. So the object covers the same pixels in
    both domains. An outline outside would enlarge all objects, and without pairs nothing shows by how much.
    """
    side, width = pixels * OVERSAMPLING, LINE_PIXELS * OVERSAMPLING
    canvas, silhouette = Image.new("L", (side, side), PAPER), Image.new("L", (side, side), 0)
    draw = ImageDraw.Draw(canvas)
    for part in thing.parts:
        corners = _corners(part)
        draw.polygon(corners, fill=PAPER)
        # A line of even width would be half a pixel off its edge.
        draw.line([*corners, corners[0], corners[1]], fill=INK, width=width + 1, joint="curve")
        ImageDraw.Draw(silhouette).polygon(corners, fill=255)
    # The border of the picture cuts an object without an outline.
    depth = distance_transform_edt(np.pad(np.asarray(silhouette) > 0, width, mode="edge"))[width:-width, width:-width]
    lines = np.where(depth > 0, np.where(depth <= width, INK, np.asarray(canvas)), PAPER).astype(np.uint8)
    return Image.fromarray(lines).resize((pixels, pixels), Image.Resampling.BOX).convert("RGB")


def draw_picture(thing: Thing, pixels: int = PIXELS) -> Image.Image:
    """Draw the object in colour, rounded and lit from the upper left, on a pale ground: RGB, ``pixels`` square."""
    side = pixels * OVERSAMPLING
    colours = _ground(side)
    height = np.zeros((side, side))
    outline = Image.new("L", (side, side), 0)
    for part in thing.parts:
        mask = Image.new("L", (side, side), 0)
        ImageDraw.Draw(mask).polygon(_corners(part), fill=255)
        ImageDraw.Draw(outline).polygon(_corners(part), fill=255)
        inside = np.asarray(mask) > 0
        colours[inside] = part.colour
        bulge = np.asarray(mask.filter(ImageFilter.GaussianBlur(side / 28)), dtype=np.float64) / 255
        height = np.where(inside, bulge, height)
    shadow = np.asarray(outline.filter(ImageFilter.GaussianBlur(side / 24)), dtype=np.float64) / 255
    away = side // 24
    shadow = np.pad(shadow, ((away, 0), (away, 0)))[:-away, :-away]
    solid = np.asarray(outline)[..., None] > 0
    shaded = np.where(solid, colours * _lighting(height)[..., None], colours * (1 - 0.45 * shadow[..., None]))
    picture = Image.fromarray(np.clip(shaded, 0, 255).astype(np.uint8))
    return picture.resize((pixels, pixels), Image.Resampling.BOX)


def draw_domains(folder: Path, *, train_a: int = 600, train_b: int = 700, test: int = 200, seed: int = 0) -> None:
    """Write ``train_a``, ``train_b`` (different objects) and ``test_a``, ``test_b`` (true pairs) as PNG files."""
    rng = np.random.default_rng(seed)
    parts = (
        ("train", train_a, {"train_a": draw_lines}),
        ("train", train_b, {"train_b": draw_picture}),
        ("test", test, {"test_a": draw_lines, "test_b": draw_picture}),
    )
    for part, count, draws in parts:
        for name in draws:
            (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            thing = random_thing(rng)
            for name, draw in draws.items():
                with atomic_path(folder / name / f"{part}-{number:04d}.png", durable=False) as temporary:
                    draw(thing).save(temporary, compress_level=1)


def _corners(part: Part) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in part.points * OVERSAMPLING]


def _ground(side: int) -> npt.NDArray[np.float64]:
    """Return a pale gradient, lighter at the top: (side, side, 3) in [0, 255]."""
    fall = np.linspace(0, 1, side)[:, None, None]
    column = (1 - fall) * [236, 240, 246] + fall * [205, 208, 216]
    return np.broadcast_to(column, (side, side, 3)).copy()


def _lighting(height: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the Lambert shading (side, side) of a height field whose edges fall off."""
    slope_y, slope_x = np.gradient(height * len(height) / 9)
    normals = np.stack([-slope_x, -slope_y, np.ones_like(height)], -1)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    return np.asarray(0.55 + 0.62 * np.clip(normals @ (LIGHT / np.linalg.norm(LIGHT)), 0, None))


def _colour(hue: float, saturation: float = 0.75, value: float = 0.9) -> Colour:
    red, green, blue = (round(255 * channel) for channel in colorsys.hsv_to_rgb(hue, saturation, value))
    return red, green, blue


def _shape(*points: tuple[float, float]) -> Points:
    return np.array(points)


def _box(left: float, top: float, right: float, bottom: float) -> Points:
    return _shape((left, top), (right, top), (right, bottom), (left, bottom))


def _oval(x: float, y: float, width: float, height: float, start: float = 0.0, end: float = 1.0) -> Points:
    """Return an ellipse of half axes ``width`` and ``height``, or an arc of it (turns, clockwise from the right)."""
    angle = np.linspace(start, end, 40) * 2 * np.pi
    return np.stack([x + width * np.cos(angle), y + height * np.sin(angle)], 1)


# Each kind returns its parts; ``v`` in [0, 1] is the proportion that varies between objects of the kind.


def _tree(v: float) -> list[Part]:
    width = 0.45 + 0.2 * v
    return [
        Part(_box(-0.14, 0.2, 0.14, 1.0), _colour(0.06, 0.65, 0.45)),
        Part(_oval(-0.35, 0, width, 0.4), _colour(0.1, 0.85, 0.95)),
        Part(_oval(0.35, 0, width, 0.4), _colour(0.1, 0.85, 0.95)),
        Part(_oval(0, -0.45, width, 0.45), _colour(0.12, 0.85, 1.0)),
    ]


def _mug(v: float) -> list[Part]:
    top = -0.5 - 0.3 * v
    return [
        Part(_oval(0.65, 0.1, 0.4, 0.45), _colour(0.03, 0.75, 0.8)),
        Part(_oval(0.65, 0.1, 0.2, 0.25), (225, 228, 234)),
        Part(_box(-0.7, top, 0.6, 0.8), _colour(0.03, 0.75, 0.9)),
        Part(_box(-0.7, 0.1, 0.6, 0.4), _colour(0.12, 0.3, 0.98)),
        Part(_oval(-0.05, top, 0.65, 0.2), _colour(0.06, 0.65, 0.4)),
    ]


def _fish(v: float) -> list[Part]:
    tail = _shape((0.5, 0), (1.1, -0.35 - 0.25 * v), (1.1, 0.35 + 0.25 * v))
    return [
        Part(tail, _colour(0.04, 0.85, 0.85)),
        Part(_oval(-0.15, 0, 0.85, 0.4 + 0.2 * v), _colour(0.08, 0.85, 1.0)),
        Part(_oval(-0.6, -0.1, 0.1, 0.1), (40, 40, 50)),
        Part(_shape((-0.1, 0.0), (0.3, 0.2), (-0.1, 0.25)), _colour(0.04, 0.85, 0.85)),
    ]


def _mushroom(v: float) -> list[Part]:
    return [
        Part(_box(-0.3, 0, 0.3, 0.9), _colour(0.12, 0.3, 0.98)),
        Part(_oval(0, 0.1, 0.7 + 0.3 * v, 0.9, 0.5, 1.0), _colour(0.01, 0.85, 0.88)),
        Part(_oval(-0.35, -0.25, 0.16, 0.16), _colour(0.12, 0.15, 1.0)),
        Part(_oval(0.3, -0.2, 0.16, 0.16), _colour(0.12, 0.15, 1.0)),
        Part(_oval(0, -0.5, 0.14, 0.14), _colour(0.12, 0.15, 1.0)),
    ]


KINDS: dict[str, Callable[[float], list[Part]]] = {
    "tree": _tree,
    "mug": _mug,
    "fish": _fish,
    "mushroom": _mushroom,
}
