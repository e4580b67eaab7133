"""Render meshes: many views in one picture, which is much faster with a software renderer."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np

from discogan.experiments.renders.mesh import Floats, Mesh, join
from discogan.extras import import_extra
from discogan.images import Pixels

OVERSAMPLING = 2
COLUMNS = 8
"""Views along each side of a picture."""
LIGHT = np.array([-0.45, 0.65, 0.62]) / np.linalg.norm([-0.45, 0.65, 0.62])
AMBIENT, DIFFUSE = 0.45, 0.6
TILE_FILL = 0.92
"""Distance of an object's farthest point from the centre of its tile, as a share of half the tile's side."""


@dataclass(frozen=True)
class View:
    """An object and the direction from which it is seen, in degrees: ``azimuth`` 0 is its front, 90 its right side.

    An object with azimuth 0 faces the viewer; with azimuth 90 it faces to the viewer's right.
    """

    mesh: Mesh
    azimuth: float
    elevation: float = 0.0


class Atlas:
    """Renders up to 64 views at a time in parallel projection, lit from the upper left, on a white ground."""

    capacity = COLUMNS * COLUMNS

    def __init__(self, image_size: int) -> None:
        self.image_size = image_size
        self._plotter = self._make_plotter()

    def __enter__(self) -> Atlas:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._plotter.close()

    def draw(self, views: Sequence[View]) -> Pixels:
        """Return uint8 (N, image_size, image_size, 3) of at most ``capacity`` views."""
        mesh = join([_shade(view).moved((*_tile_centre(tile), 0.0)) for tile, view in enumerate(views)])
        pyvista = import_extra("pyvista", "render", "Rendering")
        surface = pyvista.PolyData.from_regular_faces(mesh.points.astype(np.float32), mesh.corners)
        surface.cell_data["colour"] = (255 * mesh.colours).astype(np.uint8)
        self._plotter.clear_actors()
        self._plotter.add_mesh(
            surface, scalars="colour", rgb=True, lighting=False, render=False, reset_camera=False, copy_mesh=False
        )
        self._plotter.render()
        picture = self._plotter.screenshot(return_img=True)
        return self._cut(np.asarray(picture)[:, :, :3], len(views))

    def _make_plotter(self) -> Any:
        pyvista = import_extra("pyvista", "render", "Rendering")
        side = self.image_size * OVERSAMPLING * COLUMNS
        plotter = pyvista.Plotter(off_screen=True, window_size=(side, side))
        plotter.set_background("white")
        plotter.disable_anti_aliasing()
        camera = plotter.camera
        camera.position, camera.focal_point, camera.up = (0, 0, 10), (0, 0, 0), (0, 1, 0)
        camera.parallel_projection, camera.parallel_scale, camera.clipping_range = True, COLUMNS, (1, 20)
        plotter.show(auto_close=False)
        return plotter

    def _cut(self, picture: Pixels, count: int) -> Pixels:
        """Return the first ``count`` tiles of a picture, averaged down to the image size."""
        size, samples = self.image_size, OVERSAMPLING**2
        offsets = itertools.product(range(OVERSAMPLING), repeat=2)
        wide = picture.astype(np.uint16)
        total = np.add.reduce([wide[row::OVERSAMPLING, column::OVERSAMPLING] for row, column in offsets])
        small = ((total + samples // 2) // samples).astype(np.uint8)
        tiles: Pixels = small.reshape(COLUMNS, size, COLUMNS, size, 3).swapaxes(1, 2).reshape(-1, size, size, 3)
        return tiles[:count]


def viewing_rotation(azimuth: float, elevation: float) -> Floats:
    """Return the matrix (3, 3) from an object's (forward, left, up) to the viewer's (right, up, towards).

    ``azimuth`` and ``elevation`` are in degrees.
    """
    turn, tilt = np.radians(azimuth), np.radians(elevation)
    turned = np.array([[np.sin(turn), np.cos(turn), 0], [0, 0, 1], [np.cos(turn), -np.sin(turn), 0]])
    tilted = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    rotation: Floats = tilted @ turned
    return rotation


def _shade(view: View) -> Mesh:
    """Return the object as the viewer sees it, with lit colours, one per facet."""
    mesh = view.mesh.turned(viewing_rotation(view.azimuth, view.elevation))
    first, second, third = (mesh.points[mesh.corners[:, corner]] for corner in range(3))
    normals = np.cross(second - first, third - first)
    # Solids are closed, so facets that face away are hidden. Leaving them out halves the work of the renderer.
    visible = normals[:, 2] > 0
    unit_normals = normals[visible] / np.linalg.norm(normals[visible], axis=1, keepdims=True)
    light = AMBIENT + DIFFUSE * np.clip(unit_normals @ LIGHT, 0, None)
    colours = np.clip(mesh.colours[visible] * light[:, None], 0, 1)
    return Mesh(mesh.points * TILE_FILL, mesh.corners[visible], colours)


def _tile_centre(tile: int) -> tuple[float, float]:
    row, column = divmod(tile, COLUMNS)
    return 2 * column + 1 - COLUMNS, COLUMNS - 1 - 2 * row
