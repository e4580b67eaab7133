"""Coloured triangle meshes, and the solids from which objects are built."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Vector = Sequence[float] | Floats
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Mesh:
    """Triangles: ``points`` (n, 3), ``corners`` (m, 3) as rows of ``points``, ``colours`` (m, 3) RGB in [0, 1]."""

    points: Floats
    corners: npt.NDArray[np.int64]
    colours: Floats

    def moved(self, offset: Vector) -> Mesh:
        """Return the mesh moved by ``offset`` (3,)."""
        return Mesh(self.points + np.asarray(offset), self.corners, self.colours)

    def turned(self, rotation: Floats) -> Mesh:
        """Return the mesh after a rotation (3, 3) that multiplies each point from the left."""
        return Mesh(self.points @ rotation.T, self.corners, self.colours)

    def fitted(self, radius: float = 1.0) -> Mesh:
        """Return the mesh with its bounding box centred and its farthest point at distance ``radius``."""
        points = self.points - (self.points.min(0) + self.points.max(0)) / 2
        return Mesh(points * (radius / np.linalg.norm(points, axis=1).max()), self.corners, self.colours)


def join(meshes: Sequence[Mesh]) -> Mesh:
    """Join several meshes into a single mesh."""
    offsets = np.cumsum([0, *(len(mesh.points) for mesh in meshes[:-1])])
    return Mesh(
        np.concatenate([mesh.points for mesh in meshes]),
        np.concatenate([mesh.corners + offset for mesh, offset in zip(meshes, offsets, strict=True)]),
        np.concatenate([mesh.colours for mesh in meshes]),
    )


def prism(profile: Sequence[tuple[float, float]], half_widths: Sequence[float] | float, colour: Colour) -> Mesh:
    """Extrude a convex outline of (x, z) points, counter-clockwise seen from -y, to +-``half_widths`` along y.

    With a half-width for each point the solid tapers.
    """
    count = len(profile)
    x, z = np.asarray(profile, dtype=np.float64).T
    half = np.broadcast_to(np.asarray(half_widths, dtype=np.float64), count)
    right, left = np.stack([x, -half, z], 1), np.stack([x, half, z], 1)
    fan = np.array([(0, i, i + 1) for i in range(1, count - 1)])
    current, following = np.arange(count), np.roll(np.arange(count), -1)
    around = np.concatenate(
        [
            np.stack([current, current + count, following + count], 1),
            np.stack([current, following + count, following], 1),
        ]
    )
    return _mesh(np.concatenate([right, left]), [fan, fan[:, ::-1] + count, around], colour)


def box(centre: Vector, size: Vector, colour: Colour) -> Mesh:
    """Build an upright box; ``size`` is along x, y and z."""
    length, width, height = np.asarray(size, dtype=np.float64) / 2
    corners = [(-length, -height), (length, -height), (length, height), (-length, height)]
    return prism(corners, width, colour).moved(centre)


def ellipsoid(centre: Vector, radii: Vector, colour: Colour, rings: int = 8, sides: int = 14) -> Mesh:
    """Build an upright ellipsoid with flat facets."""
    polar, around = np.linspace(0, np.pi, rings + 1), np.linspace(0, 2 * np.pi, sides, endpoint=False)
    polar, around = (grid.ravel() for grid in np.meshgrid(polar, around, indexing="ij"))
    points = np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], 1)
    return _mesh(points * np.asarray(radii) + np.asarray(centre), [_bands(rings, sides)[:, ::-1]], colour)


def rod(start: Vector, end: Vector, radius: float, colour: Colour, end_radius: float | None = None) -> Mesh:
    """Build a round rod with closed ends; with ``end_radius`` 0 it is a cone."""
    start, end = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    axis = (end - start) / np.linalg.norm(end - start)
    across = np.cross(axis, (1.0, 0.0, 0.0) if abs(axis[0]) < 0.9 else (0.0, 1.0, 0.0))
    across /= np.linalg.norm(across)
    angle = np.linspace(0, 2 * np.pi, 10, endpoint=False)[:, None]
    circle = np.cos(angle) * across + np.sin(angle) * np.cross(axis, across)
    radii = (0.0, radius, radius if end_radius is None else end_radius, 0.0)
    centres = (start, start, end, end)
    rings = [centre + size * circle for centre, size in zip(centres, radii, strict=True)]
    return _mesh(np.concatenate(rings), [_bands(3, 10)], colour)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Return a colour from hue, saturation and value, each in [0, 1]."""
    return colorsys.hsv_to_rgb(hue, saturation, value)


def random_colour(rng: np.random.Generator) -> Colour:
    """Return a random paint: any hue, usually saturated; one in four is grey."""
    if rng.random() < 0.25:
        return hsv(0.0, 0.0, rng.uniform(0.15, 0.85))
    return hsv(rng.random(), rng.uniform(0.45, 0.95), rng.uniform(0.4, 0.95))


def _bands(rings: int, sides: int) -> npt.NDArray[np.int64]:
    """Return the triangles between ``rings`` + 1 closed rows of ``sides`` points."""
    row, column = (grid.ravel() for grid in np.meshgrid(np.arange(rings), np.arange(sides), indexing="ij"))
    point, neighbour = row * sides + column, row * sides + (column + 1) % sides
    lower = np.stack([point, neighbour, neighbour + sides], 1)
    upper = np.stack([point, neighbour + sides, point + sides], 1)
    return np.concatenate([lower, upper])


def _mesh(points: Floats, corners: Sequence[npt.NDArray[np.int64]], colour: Colour) -> Mesh:
    triangles = np.concatenate(corners)
    return Mesh(points, triangles, np.tile(np.asarray(colour, dtype=np.float64), (len(triangles), 1)))
