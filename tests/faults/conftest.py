"""What all fault tests share: a launcher of commands, a finished run, and the places where faults are injected."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import write_images
from tests.faults.command import Launcher
from tests.faults.places import Site
from tests.faults.rows import IS_FULL


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "faults: part of make test-faults only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests marked ``faults`` unless DISCOGAN_FAULTS=all."""
    if IS_FULL:
        return
    left_out = [item for item in items if item.get_closest_marker("faults")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    """Start command lines; they end with the test session."""
    if not hasattr(os, "pidfd_open"):
        pytest.skip("the fault suite needs Linux")
    started = Launcher(tmp_path_factory.mktemp("commands"))
    yield started
    started.close()


@pytest.fixture(scope="session")
def site(launcher: Launcher, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Two domains, a finished run of them, and a folder for trials."""
    root = tmp_path_factory.mktemp("site")
    write_images(root / "a", 13, 1)
    write_images(root / "b", 10, 2)
    pairs = "".join(f"{number:03d}.png,{number:03d}.png\n" for number in range(8))
    (root / "pairs.csv").write_text("path_a,path_b\n" + pairs)
    write_images(root / "many", 150, 3)
    return Site(root, launcher)


@pytest.fixture
def trial(site: Site) -> Iterator[Path]:
    """An empty folder, always at the same path, because pages and configurations contain paths."""
    shutil.rmtree(site.trial, ignore_errors=True)
    site.trial.mkdir()
    yield site.trial
    shutil.rmtree(site.trial, ignore_errors=True)
