"""The example of a reverse proxy, with the real nginx in front of a server process."""

import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from serving import Server
from tests.web.conftest import png

EXAMPLE = Path(__file__).parents[2] / "examples" / "nginx.conf"
TRANSLATE = "/v1/translate?direction=a_to_b"


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def proxy(small_run, tmp_path_factory):
    """The port of nginx with the example, changed only in its paths and ports."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed (on Debian: apt-get install nginx-light)")
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    server = Server(small_run, "--allowed-host", "photos.example.org")
    text = EXAMPLE.read_text()
    for old, new in {
        "127.0.0.1:8000": f"127.0.0.1:{server.port}",
        "listen 80": f"listen 127.0.0.1:{port}",
        "/run/nginx.pid": str(folder / "pid"),
        "/var/log/nginx/error.log": str(folder / "error.log"),
        "/var/log/nginx/discogan.log": str(folder / "access.log"),
    }.items():
        assert old in text
        text = text.replace(old, new)
    temporary = [f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")]
    text = text.replace("http {", "\n".join(["daemon off;", "http {", *temporary]), 1)
    (folder / "nginx.conf").write_text(text)
    command = [nginx, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    with server:
        process = subprocess.Popen(command)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port, folder
        process.terminate()
        process.wait(10)


def ask(port, path, data=None, host="photos.example.org", method=None, **headers):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"Host": host, **headers}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_the_page_and_a_translation_pass_the_proxy(proxy):
    port, _ = proxy
    assert ask(port, "/")[0] == 200
    status, headers, body = ask(port, TRANSLATE, png(), Origin=f"http://photos.example.org:{port}")
    assert (status, headers["Content-Type"]) == (200, "image/png")
    assert headers["X-Frame-Options"] == "DENY"
    assert body.startswith(b"\x89PNG")


def test_another_name_gets_no_answer(proxy):
    with pytest.raises((ConnectionError, OSError)):
        ask(proxy[0], "/", host="evil.example")


def test_a_large_upload_is_refused_by_the_proxy(proxy):
    assert ask(proxy[0], TRANSLATE, bytes(10 * 2**20 + 1))[0] == 413


def test_a_client_with_too_many_requests_gets_429(proxy):
    statuses = [ask(proxy[0], "/healthz")[0] for _ in range(150)]
    assert set(statuses) == {200, 429}


def test_half_sent_requests_stay_at_the_proxy(proxy):
    time.sleep(1)  # The limit of requests of the previous test is over.
    port, _ = proxy
    waiting = []
    for _ in range(15):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(b"POST /v1/translate HTTP/1.1\r\nHost: photos.example.org\r\n")
        waiting.append(connection)
    assert ask(port, "/healthz")[0] == 200
    for connection in waiting:
        connection.close()


def test_the_log_has_no_parameters_and_no_headers(proxy):
    port, folder = proxy
    ask(port, "/v1/models?secret=1", Authorization="Bearer hidden-token")
    time.sleep(0.2)
    log = (folder / "access.log").read_text()
    assert "/v1/models 200" in log
    assert not re.search("secret|hidden", log)
