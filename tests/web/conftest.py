"""Fixtures: a served run and a client in the same process."""

import io

import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="the web extra is not installed (pip install '.[web]')")

from fastapi.testclient import TestClient

from discogan.images import image_files
from discogan.web import Limits, create_app, load_served

LIMITS = Limits(max_bytes=200_000, max_pixels=100_000, max_waiting=16, max_batch=8, seconds=5)


def connect(app) -> TestClient:
    """Return a client that calls the server by a name that it answers to."""
    return TestClient(app, base_url="http://localhost")


@pytest.fixture(scope="session")
def served(small_run, domains):
    return load_served([small_run], *domains)


@pytest.fixture(scope="session")
def client(served):
    with connect(create_app(served, LIMITS)) as client:
        yield client


@pytest.fixture(scope="session")
def files(domains):
    """Image files of domain A."""
    return image_files(domains[0])


def png(size=(32, 32), colour="red", kind="PNG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, kind)
    return stream.getvalue()


def opened(answer) -> Image.Image:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    return Image.open(io.BytesIO(answer.content))
