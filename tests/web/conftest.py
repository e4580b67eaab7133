"""Fixtures: a served run and a client in the same process."""

import io
import socket
import threading
import time
from contextlib import contextmanager

import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="the web extra is not installed (pip install '.[web]')")

import uvicorn
from fastapi.testclient import TestClient

from discogan.images import image_files
from discogan.web import Limits, create_app, load_served
from discogan.web.server import configure

LIMITS = Limits(max_bytes=200_000, max_pixels=100_000, max_waiting=16, max_batch=8, seconds=5)


def connect(app) -> TestClient:
    """Return a client that calls the server by a name that it answers to."""
    return TestClient(app, base_url="http://localhost")


@contextmanager
def running(served, limits):
    """Run a server in a thread, and return its port and the metrics of its application."""
    app = create_app(served, limits)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(configure(app, "127.0.0.1", port, limits))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield port, app.state.service.meters
    server.should_exit = True
    thread.join(15)
    assert not thread.is_alive()


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
