"""Measure how many images per second are rendered: drawn only, and drawn and written as PNG files.

python benchmarks/render.py [--count 200] [--size 64]
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from discogan.experiments.renders.atlas import Atlas, View
from discogan.experiments.renders.folder import FRONT, render_folder
from discogan.registry import RENDERS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="identities, with 11 azimuths each")
    parser.add_argument("--size", type=int, default=64, help="image size in pixels")
    arguments = parser.parse_args()
    print("| kind | drawn per second | drawn and written per second |\n|---|---|---|")
    for kind in RENDERS.entries():
        drawn = median(measure_drawing(kind, arguments.size) for _ in range(5))
        print(f"| {kind} | {drawn:,.0f} | {measure_writing(kind, arguments.count, arguments.size):,.0f} |")


def measure_drawing(kind: str, size: int) -> float:
    """Return the images per second from random numbers to pixels, for 24 objects at 11 azimuths."""
    build = RENDERS.get(kind).build
    with Atlas(size) as atlas:
        atlas.draw([View(build(np.random.default_rng(0)).fitted(), 0.0)])
        started = time.perf_counter()
        views = []
        for seed in range(24):
            mesh = build(np.random.default_rng(seed)).fitted()
            views += [View(mesh, azimuth, 15.0) for azimuth in FRONT]
        for start in range(0, len(views), atlas.capacity):
            atlas.draw(views[start : start + atlas.capacity])
        return len(views) / (time.perf_counter() - started)


def measure_writing(kind: str, count: int, size: int) -> float:
    """Return the images per second into a folder, labels included."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        images = render_folder(kind, Path(folder) / kind, count, FRONT, image_size=size)
        return images / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
