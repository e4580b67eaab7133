"""Who may use the server: host names, other sites, the token, and the headers of every response."""

import pytest
from fastapi.testclient import TestClient

from discogan.errors import ConfigError
from discogan.web import Access, create_app
from discogan.web.access import Gate, listening_names
from tests.web.conftest import LIMITS, connect, png

TOKEN = "correct-horse-battery"
TRANSLATE = "/v1/translate?direction=a_to_b"


@pytest.fixture(scope="module")
def guarded(served):
    with connect(create_app(served, LIMITS, Access(frozenset({"photos.example.org"}), TOKEN))) as client:
        yield client


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "10.1.2.3", "[::1]", "[::1]:80", "x.localhost", "localhost."],
)
def test_local_names_and_addresses_are_allowed(client, host):
    assert client.get("/v1/models", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8000", "xlocalhost"]
)
def test_another_name_gets_421_and_the_cure(client, host):
    answer = client.get("/v1/models", headers={"Host": host})
    assert answer.status_code == 421
    assert "--allowed-host" in answer.json()["detail"]


@pytest.mark.parametrize(
    "host", ["", "a b", "a/b", "[::1", "a:b", "user@localhost", "localhost:", "a:123456", "\x1b[31m"]
)
def test_a_malformed_host_gets_400(client, host):
    assert client.get("/healthz", headers={"Host": host}).status_code == 400


def test_two_host_headers_get_400(client):
    assert client.get("/healthz", headers=[("Host", "localhost"), ("Host", "localhost")]).status_code == 400


def test_given_names_are_allowed_and_an_asterisk_allows_all():
    assert Access(frozenset({"Photos.example.org"})).allows_host("photos.example.org:443")
    assert Access(frozenset({"*"})).allows_host("anything.example")
    assert list(listening_names("0.0.0.0")) != []
    assert list(listening_names("192.168.0.7")) == []
    assert list(listening_names("server.lan")) == ["server.lan"]
    for wrong in ("http://a", "a:80", "a b", ""):
        with pytest.raises(ConfigError, match="not a host name"):
            Access(frozenset({wrong}))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://localhost"}, 200),
        ({"Origin": "http://localhost:8000", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_a_page_of_another_site_cannot_upload(client, headers, status):
    assert client.post(TRANSLATE, content=png(), headers=headers).status_code == status


@pytest.mark.parametrize("value", ["", TOKEN, "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \xe9"])
def test_a_wrong_token_gets_401(guarded, value):
    for method, path in (("GET", "/v1/models"), ("POST", TRANSLATE), ("GET", "/metrics"), ("GET", "/no/such/path")):
        answer = guarded.request(method, path, headers={"Authorization": value.encode("latin-1")})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert TOKEN not in answer.text


def test_the_token_opens_everything(guarded):
    headers = {"Authorization": f"bearer {TOKEN}", "Host": "photos.example.org"}
    assert guarded.get("/v1/models", headers=headers).status_code == 200
    assert guarded.post(TRANSLATE, content=png(), headers=headers).status_code == 200


def test_the_page_and_the_health_need_no_token_and_show_nothing_of_the_runs(guarded):
    for path in ("/", "/healthz", "/openapi.json"):
        answer = guarded.get(path)
        assert answer.status_code == 200
        assert "small" not in answer.text


def test_a_weak_token_is_refused_and_a_token_is_never_shown():
    for weak in ("short", "with spaces in it, many", "x" * 20 + "\n", "é" * 20):
        with pytest.raises(ConfigError, match="token must have") as error:
            Access(token=weak)
        assert weak not in str(error.value)
    assert TOKEN not in repr(Access(token=TOKEN))
    assert TOKEN not in repr(vars(Gate(None, Access(token=TOKEN))))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/healthz"),
        ("GET", "/none"),
        ("POST", "/healthz"),
        ("POST", "/v1/translate"),
        ("PUT", "/"),
    ],
)
def test_every_response_has_the_security_headers(client, method, path):
    for host in ("localhost", "evil.example"):
        headers = client.request(method, path, headers={"Host": host}).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "script-src 'sha256-" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"


def test_an_unexpected_error_is_logged_and_answered_with_the_security_headers(served, caplog):
    app = create_app(served, LIMITS)
    app.state.service.batcher._translate = lambda *_: 1 / 0
    with connect(app) as client:
        answer = client.post(TRANSLATE, content=png())
        assert answer.status_code == 500
        assert answer.headers["x-frame-options"] == "DENY"
        assert "ZeroDivisionError" not in answer.text
        assert 'path="/v1/translate",status="500"' in client.get("/metrics").text
    assert "ZeroDivisionError" in caplog.text


def test_a_path_prefix_of_a_proxy_is_part_of_the_addresses(served, files):
    with TestClient(create_app(served, LIMITS), "http://localhost", root_path="/discogan") as client:
        assert client.get("/openapi.json").json()["servers"] == [{"url": "/discogan"}]
        match = client.post("/v1/match?direction=a_to_b", content=files[0].read_bytes()).json()[0]
        assert match["image"].startswith("/discogan/v1/models/small/folders/a_to_b/")
        assert client.get(match["image"].removeprefix("/discogan")).status_code == 200
