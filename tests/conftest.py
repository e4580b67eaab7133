"""Fixtures shared by the tests: small domains and small runs."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from discogan import registry
from discogan.api import train
from discogan.cli import console
from discogan.extras import TELEMETRY_OFF
from discogan.images import from_pixels
from discogan.run_folder import read_progress, write_checkpoint_record

SMALL = (
    "generator.width=4",
    "discriminator.width=4",
    "training.batch_size=4",
    "training.log_every_steps=2",
    "training.checkpoint_every_steps=3",
    "training.threads=1",
)
"""Settings that make a step take milliseconds."""


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    """Use a temporary cache instead of the user's."""
    os.environ["DISCOGAN_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True, scope="session")
def _no_telemetry():
    """Turn telemetry off for tests that import a library themselves, or run an example."""
    for variable, off in TELEMETRY_OFF.values():
        os.environ.setdefault(variable, off)


@pytest.fixture(autouse=True)
def _default_output():
    """Restore what --quiet, --json - and --verbose of an earlier test changed."""
    console.console.quiet, console.errors.verbose = False, False


@pytest.fixture
def own_registries(monkeypatch):
    """Forget the components that a test imports from files."""
    for each in registry.REGISTRIES:
        each.entries()
        monkeypatch.setattr(each, "_entries", dict(each._entries))
    monkeypatch.setattr(registry, "_imported", dict(registry._imported))


def write_images(folder: Path, count: int, seed: int, size: int = 32) -> Path:
    """Write ``count`` random colour images into a folder; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for number in range(count):
        coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        from_pixels(coarse.repeat(size // 4, 0).repeat(size // 4, 1)).save(folder / f"{number:03d}.png")
    return folder


@pytest.fixture(scope="session")
def domains(tmp_path_factory) -> tuple[Path, Path]:
    """Two folders of 13 and 10 images."""
    root = tmp_path_factory.mktemp("domains")
    return write_images(root / "a", 13, 1), write_images(root / "b", 10, 2)


@pytest.fixture(scope="session")
def small_run(domains, tmp_path_factory) -> Path:
    """A finished run of seven steps."""
    out = tmp_path_factory.mktemp("runs") / "small"
    train(*domains, out=out, image_size=32, steps=7, settings=SMALL)
    return out


@pytest.fixture(scope="session")
def sampled_run(domains, tmp_path_factory) -> Path:
    """A finished run of six steps with three sample sheets."""
    out = tmp_path_factory.mktemp("runs") / "sampled"
    often = ("training.sample_every_steps=2", "training.score_every_steps=2")
    train(*domains, out=out, image_size=32, steps=6, settings=(*SMALL, *often))
    return out


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real image domains in the folder next to a development checkout."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("there are no real image domains next to this checkout")
    return folder


@pytest.fixture(scope="session")
def rendering() -> None:
    """Skip if VTK finds neither EGL nor OSMesa. Checked in another process, because a failure can crash it."""
    script = "from discogan.experiments.renders.atlas import Atlas\nAtlas(32)"
    if subprocess.run([sys.executable, "-c", script], capture_output=True).returncode:
        pytest.skip("this machine has no OpenGL for rendering (on Debian: apt-get install libegl1 libgl1-mesa-dri)")


def refresh_digests(run: Path) -> None:
    """Record the present files of a run's checkpoints, after a test has changed them on purpose."""
    for progress in run.rglob("progress.json"):
        write_checkpoint_record(progress.parent, read_progress(progress.parent))
