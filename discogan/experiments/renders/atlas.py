"""From meshes and viewpoints to pixels: many views in one drawing, which a software renderer does far faster."""

from __future__ import annotations

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
LIGHT = np.array([-0.45, 0.65, 0.62]) / np.linalg.norm([-0.45, 0.65, 0.62])
AMBIENT, DIFFUSE = 0.45, 0.6
FILL = 0.92
"""Share of a tile's half side that the farthest point of a thing reaches."""


@dataclass(frozen=True)
class View:
    """A thing, and from where it is seen: ``azimuth`` 0 from its front, 90 from its right side, in degrees.

    Turning the azimuth by +90 turns what the thing looks at from the viewer to the viewer's right.
    """

    mesh: Mesh
    azimuth: float
    elevation: float = 0.0


class Atlas:
    """Draws up to 64 views at a time in parallel projection, lit from the upper left, on a white ground."""

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
        """uint8 (N, image_size, image_size, 3) of at most ``capacity`` views."""
        mesh = join([_shaded(view).moved((*_tile_centre(place), 0.0)) for place, view in enumerate(views)])
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
        """The tiles of a picture, averaged down to the image size."""
        size, over, wide = self.image_size, OVERSAMPLING, picture.astype(np.uint16)
        total = np.add.reduce([wide[row::over, column::over] for row in range(over) for column in range(over)])
        small = ((total + over * over // 2) // (over * over)).astype(np.uint8)
        tiles: Pixels = small.reshape(COLUMNS, size, COLUMNS, size, 3).swapaxes(1, 2).reshape(-1, size, size, 3)
        return tiles[:count]


def viewing_rotation(azimuth: float, elevation: float) -> Floats:
    """(3, 3): from a thing's forward, left and up to the viewer's right, up and towards; angles in degrees."""
    turn, tilt = np.radians(azimuth), np.radians(elevation)
    turned = np.array([[np.sin(turn), np.cos(turn), 0], [0, 0, 1], [np.cos(turn), -np.sin(turn), 0]])
    tilted = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    rotation: Floats = tilted @ turned
    return rotation


def _shaded(view: View) -> Mesh:
    """The thing as the viewer sees it, its colours already lit, facet by facet."""
    mesh = view.mesh.turned(viewing_rotation(view.azimuth, view.elevation))
    one, two, three = (mesh.points[mesh.corners[:, place]] for place in range(3))
    normals = np.cross(two - one, three - one)
    # Solids are closed, so what faces away is hidden; leaving it out here halves the renderer's work.
    seen = normals[:, 2] > 0
    facing = normals[seen] / np.linalg.norm(normals[seen], axis=1, keepdims=True)
    light = AMBIENT + DIFFUSE * np.clip(facing @ LIGHT, 0, None)
    return Mesh(mesh.points * FILL, mesh.corners[seen], np.clip(mesh.colours[seen] * light[:, None], 0, 1))


def _tile_centre(place: int) -> tuple[float, float]:
    row, column = divmod(place, COLUMNS)
    return 2 * column + 1 - COLUMNS, COLUMNS - 1 - 2 * row
