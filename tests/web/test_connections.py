"""Connections: limits on time, size and number, on a real socket."""

import io
import logging
import socket
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from discogan.web import Limits, server
from tests.web.conftest import png, running

PING = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPLOAD = "POST /v1/translate?direction=a_to_b{} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n"
LIMITS = Limits(seconds=1.5, max_connections=8, max_client_connections=6)


@pytest.fixture(scope="module", autouse=True)
def _short_times():
    """Wait half a second instead of ten."""
    patch = pytest.MonkeyPatch()
    patch.setattr(server, "HEAD_SECONDS", 0.5)
    patch.setattr(server, "CLOSE_SECONDS", 0.2)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def running_server(served):
    with running(served, LIMITS) as started:
        yield started


@pytest.fixture
def port(running_server):
    return running_server[0]


def connect(port, data=b""):
    connection = socket.create_connection(("127.0.0.1", port), timeout=8)
    connection.sendall(data)
    return connection


def answer(connection):
    """Read until the server closes the connection."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def drip(connection, data):
    """Send data again and again, and return the seconds until the server closes the connection."""
    started = time.monotonic()
    while time.monotonic() < started + 5:
        try:
            connection.sendall(data)
        except OSError:
            break
        time.sleep(0.05)
    return time.monotonic() - started


def status(response):
    return int(response.split()[1]) if response else 0


def ping(port):
    with connect(port, PING.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")) as connection:
        return status(answer(connection))


@pytest.mark.parametrize("head", [b"", b"G", b"GET /healthz HTTP/1.1\r\nHost: loc", b"\r\n"])
def test_a_head_that_is_not_finished_is_answered_with_408(port, head):
    started = time.monotonic()
    with connect(port, head) as connection:
        assert status(answer(connection)) == 408
    assert 0.3 < time.monotonic() - started < 3


def test_a_head_that_drips_is_ended(port):
    with connect(port, b"GET / HTTP/1.1\r\n") as connection:
        assert drip(connection, b"X: y\r\n") < 3


def test_empty_lines_between_requests_do_not_keep_a_connection(port):
    with connect(port, PING) as connection:
        assert drip(connection, b"\r\n") < 3


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 100_000,
        b"GET / HTTP/1.1\r\nX: " + b"y" * 100_000,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 4_000,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 4_000 + b"\r\n",
    ],
    ids=["address", "value", "headers", "finished headers"],
)
def test_a_long_head_is_answered_with_431(port, head):
    with connect(port, head) as connection:
        response = answer(connection)
    assert status(response) in (431, 0)  # 0, if the system drops the response because bytes were not read.
    assert ping(port) == 200


@pytest.mark.parametrize("rest", [b"1;" + b"x" * 200_000, b"1\r\nx\r\n0\r\n" + b"X: y\r\n" * 30_000])
def test_endless_chunk_extensions_and_trailers_are_refused(port, rest):
    head = b"POST /v1/translate?direction=a_to_b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connect(port, head) as connection:
        assert drip(connection, rest) < 1.4, "the time limit of the upload ended it"


def test_small_chunks_are_accepted(port):
    head = b"POST /v1/translate?direction=a_to_b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
    body = b"".join(b"1\r\n" + bytes([byte]) + b"\r\n" for byte in png()) + b"0\r\n\r\n"
    with connect(port, head + b"Connection: close\r\n\r\n" + body) as connection:
        assert status(answer(connection)) == 200


def test_a_slow_upload_is_answered_with_408(port):
    with connect(port, UPLOAD.format("", 1000).encode()) as connection:
        started = time.monotonic()
        while time.monotonic() < started + 1.3:
            connection.sendall(b"x")
            time.sleep(0.1)
        assert status(answer(connection)) == 408


def test_malformed_requests_get_400_with_the_security_headers(port):
    for request in (b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        with connect(port, request) as connection:
            response = answer(connection)
        assert status(response) == 400
        assert b"X-Frame-Options: DENY" in response
        assert b"uvicorn" not in response.lower()


def test_half_sent_requests_do_not_lock_others_out(port):
    waiting = [connect(port, b"POST /v1/translate HTTP/1.1\r\n") for _ in range(30)]
    for _ in range(3):
        assert ping(port) == 200
    for connection in waiting:
        connection.close()


def test_half_sent_uploads_do_not_lock_others_out(port):
    waiting = [connect(port, UPLOAD.format("", 1000).encode()) for _ in range(30)]
    for _ in range(3):
        assert ping(port) == 200
    for connection in waiting:
        connection.close()


def test_requests_that_wait_for_the_server_are_not_closed_for_new_ones(served):
    with running(served, replace(LIMITS, seconds=8)) as (port, _):
        uploads = [connect(port, UPLOAD.format("", len(png())).encode() + png()) for _ in range(6)]
        assert [status(upload.recv(65536)) for upload in uploads] == [200] * 6
        for upload in uploads:
            upload.close()


def test_a_client_that_disconnects_is_counted_and_leaves_no_traceback(running_server, caplog):
    port, meters = running_server
    for sent in (b"", b"x" * 500):
        with connect(port, UPLOAD.format("", 1000).encode() + sent):
            time.sleep(0.05)
    time.sleep(0.3)
    text = meters.text().decode()
    assert 'path="/v1/translate",status="disconnected"' in text
    assert 'status="500"' not in text
    assert "Traceback" not in caplog.text
    assert caplog.records == []


def test_a_response_that_is_not_read_is_dropped(served):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((3000, 3000))
    with running(served, replace(LIMITS, seconds=4)) as (port, meters):
        stream = io.BytesIO()
        image.save(stream, "JPEG")
        body = stream.getvalue()
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        connection.sendall(UPLOAD.format("&original_size=true", len(body)).encode() + body)
        started = time.monotonic()
        while 'path="/v1/translate",status="200"' not in meters.text().decode():
            assert time.monotonic() < started + 12
            time.sleep(0.1)
        connection.close()


def test_pipelined_requests_are_answered(port):
    with connect(port, PING * 3) as connection:
        assert answer(connection).count(b"HTTP/1.1 200") == 3


def test_a_request_for_a_websocket_is_an_ordinary_one(port, caplog):
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n"
    with connect(port, PING[:-2] + upgrade) as connection:
        assert status(answer(connection)) == 200
    assert caplog.records == []


def test_control_characters_in_the_log_are_escaped():
    record = logging.LogRecord("x", logging.ERROR, "", 0, "a\x1b[31m\u202eb\nc", None, None)
    assert server.EscapingFormatter().format(record) == "a\\x1b[31m\\u202eb\nc"


def test_an_unfinished_request_does_not_delay_the_end(served):
    with running(served, LIMITS) as (port, _):
        connection = connect(port, b"GET / HTTP/1.1\r\n")
        started = time.monotonic()
    assert time.monotonic() - started < 3
    connection.close()
