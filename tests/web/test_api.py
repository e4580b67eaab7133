"""The HTTP interface: correct results, clear errors, and no files on disk."""

import builtins
import io
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import discogan
from discogan.api import train
from discogan.errors import ConfigError
from discogan.exporting import export
from discogan.web import Limits, create_app, load_served
from tests.conftest import SMALL, refresh_digests
from tests.web.conftest import LIMITS, connect, opened, png

TRANSLATE = "/v1/translate?direction=a_to_b"
UNNAMED = b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--"


def same(image, expected):
    return np.array_equal(np.asarray(image), np.asarray(expected))


def test_a_response_equals_the_translator_s_output(client, small_run, files):
    translator = discogan.load(small_run)
    for file in files[:3]:
        body, expected = file.read_bytes(), translator.translate(Image.open(file), "a_to_b")
        assert same(opened(client.post(TRANSLATE, content=body)), expected)
        assert same(opened(client.post(TRANSLATE, files={"image": (file.name, body)})), expected)


def test_options_of_a_request_are_used(client, small_run):
    image = Image.new("RGB", (50, 40), "blue")
    translator = discogan.load(small_run)
    for name in ("round_trip", "original_size"):
        answer = client.post(f"{TRANSLATE}&{name}=true", content=png((50, 40), "blue"))
        assert same(opened(answer), translator.translate(image, "a_to_b", **{name: True}))
    answer = client.post("/v1/translate?direction=b_to_a&model=small", content=png())
    assert same(opened(answer), translator.translate(Image.new("RGB", (32, 32), "red"), "b_to_a"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_every_format_is_accepted(client, kind):
    assert opened(client.post(TRANSLATE, content=png(kind=kind))).size == (32, 32)


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        (TRANSLATE, b"no image", 415, "not an image"),
        (TRANSLATE, b"", 415, "not an image"),
        (TRANSLATE, png()[:60], 415, "image"),
        (TRANSLATE, png((400, 400)), 413, "pixels"),
        (TRANSLATE, b"x" * 200_001, 413, "bytes"),
        ("/v1/translate?direction=up", png(), 422, "a_to_b"),
        ("/v1/translate", png(), 422, "direction"),
        (TRANSLATE + "&model=none", png(), 404, "There is no model 'none'. Choose one of: small."),
        ("/v1/match?direction=a_to_b&count=0", png(), 422, "count"),
    ],
)
def test_errors_give_the_reason(client, path, body, status, words):
    answer = client.post(path, content=body)
    assert answer.status_code == status
    assert words in answer.text


def test_a_stream_without_a_length_is_limited(client):
    answer = client.post(TRANSLATE, content=(b"x" * 50_000 for _ in range(5)))
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "multipart/form-data"}, b"x"),
        (
            {"Content-Type": "multipart/form-data; boundary=b"},
            b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--",
        ),
        ({"Content-Type": "multipart/form-data; boundary=b"}, b"--b--"),
    ],
)
def test_a_form_that_cannot_be_read_is_refused(client, headers, body):
    assert client.post(TRANSLATE, content=body, headers=headers).status_code == 422
    assert client.post(TRANSLATE, files={"picture": png()}).status_code == 422


def test_an_upload_is_not_written_to_disk(served, monkeypatch):
    """A form of 3 MB, which Starlette would write to a temporary file by default."""
    big = np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), dtype=np.uint8)
    body = io.BytesIO()
    Image.fromarray(big).save(body, "BMP")
    with connect(create_app(served, Limits())) as client:
        client.get("/healthz")
        real = builtins.open

        def read_only(file, mode="r", *arguments, **options):
            assert not set(mode) & set("wax+"), file
            return real(file, mode, *arguments, **options)

        def refuse(*_, **__):
            raise AssertionError("a temporary file")

        monkeypatch.setattr(builtins, "open", read_only)
        monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", refuse)
        monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
        assert client.post(TRANSLATE, files={"image": ("big.bmp", body.getvalue())}).status_code == 200


def test_a_full_queue_answers_503_with_retry_after(served):
    with connect(create_app(served, Limits(max_waiting=0))) as client:
        answer = client.post(TRANSLATE, content=png())
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert "Try again" in answer.json()["detail"]


def test_uploads_share_and_release_limited_memory(served):
    app = create_app(served, Limits(max_bytes=2000, max_held=2000))
    with connect(app) as client:
        assert client.post(TRANSLATE, content=bytes(1500)).status_code == 415
        for _ in range(12):
            assert client.post(TRANSLATE, files={"image": ("a.png", png())}).status_code == 200
        memory = app.state.service.upload_memory
        with memory.share() as take:
            take(1990)
            busy = client.post(TRANSLATE, content=png())
            assert (busy.status_code, busy.headers["retry-after"]) == (503, "1")
        assert memory.held == 0
        assert client.post(TRANSLATE, content=png()).status_code == 200


def test_a_translation_that_takes_too_long_answers_504(served):
    app = create_app(served, Limits(seconds=0.2))
    app.state.service.batcher._translate = lambda _, pixels: time.sleep(1) or pixels
    with connect(app) as client:
        assert client.post(TRANSLATE, content=png()).status_code == 504


def test_counterparts_come_from_the_folder(client, domains, files):
    answer = client.post("/v1/match?direction=a_to_b&count=3", content=files[0].read_bytes())
    matches = answer.json()
    names = {path.name for path in domains[1].iterdir()}
    assert len(matches) == 3
    assert {match["name"] for match in matches} <= names
    assert [match["score"] for match in matches] == sorted((match["score"] for match in matches), reverse=True)
    assert same(opened(client.get(matches[0]["image"])), Image.open(domains[1] / matches[0]["name"]))


def test_without_a_folder_there_are_no_counterparts(small_run):
    with connect(create_app(load_served([small_run]), LIMITS)) as client:
        answer = client.post("/v1/match?direction=a_to_b", content=png())
        assert answer.status_code == 404
        assert "--match-b DIR" in answer.json()["detail"]
        assert client.get("/v1/models").json()[0]["matches"] == []


def test_models_examples_health_and_metrics(client):
    (model,) = client.get("/v1/models").json()
    assert (model["name"], model["image_size"], model["directions"]) == ("small", 32, ["a_to_b", "b_to_a"])
    assert model["verdict"]
    example = client.get(f"/v1/models/small/examples/a_to_b/{model['examples']['a_to_b'] - 1}")
    assert opened(example).size == (32, 32)
    assert client.get("/v1/models/small/examples/a_to_b/99").status_code == 404
    assert client.get("/healthz").json() == {"status": "ok", "version": discogan.__version__}
    client.get("/no/such/page")
    numbers = client.get("/metrics").text
    assert 'discogan_requests_total{path="/v1/models",status="200"}' in numbers
    assert 'path="other",status="404"' in numbers
    assert "discogan_batch_images_count" in numbers
    assert "discogan_waiting_images 0.0" in numbers


def test_the_page_is_served_with_its_policy(client):
    answer = client.get("/")
    assert "Drop an image here" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_description_covers_every_route_and_answer(client):
    description = client.get("/openapi.json").json()
    assert set(description["paths"]) == {
        *("/v1/translate", "/v1/match", "/v1/models", "/healthz", "/metrics"),
        *("/v1/models/{model}/examples/{direction}/{number}", "/v1/models/{model}/folders/{direction}/{number}"),
    }
    translate = description["paths"]["/v1/translate"]["post"]
    assert set(translate["requestBody"]["content"]) == {"image/*", "multipart/form-data"}
    assert {"200", "404", "408", "413", "415", "422", "503", "504"} <= set(translate["responses"])


def test_each_described_request_is_answered_as_described(client):
    """Request every route with its required parameters; the status must be one that the description lists."""
    description = client.get("/openapi.json").json()
    filled = {"model": "small", "direction": "a_to_b", "number": "0"}
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            needed = [p["name"] for p in operation.get("parameters", []) if p["required"] and p["in"] == "query"]
            query = {name: filled[name] for name in needed}
            content = png() if "requestBody" in operation else None
            answer = client.request(method, path.format(**filled), params=query, content=content)
            assert str(answer.status_code) in operation["responses"], (path, answer.text)
            assert answer.status_code == 200


def test_a_name_can_contain_a_dot_and_examples_can_be_hidden(small_run, tmp_path):
    shutil.copytree(small_run, tmp_path / "v1.2")
    served = load_served([tmp_path / "v1.2"], examples=False)
    assert served["v1.2"].examples == {}


def test_limits_below_their_minimum_are_refused():
    with pytest.raises(ConfigError, match="max_batch must be at least 1"):
        Limits(max_batch=0)
    with pytest.raises(ConfigError, match="max_waiting must be at least 0"):
        Limits(max_waiting=-1)
    with pytest.raises(ConfigError, match="max_held must be at least 5000"):
        Limits(max_bytes=5000, max_held=2000)
    with pytest.raises(ConfigError, match="seconds"):
        Limits(seconds=0)


def test_two_runs_with_one_name_are_refused(small_run):
    with pytest.raises(ConfigError, match="Two of the runs are named small"):
        load_served([small_run, small_run])
    with pytest.raises(ConfigError, match="Give a run to serve"):
        load_served([])


def test_runs_of_one_direction_and_exported_files_are_served(domains, small_run, tmp_path):
    train(*domains, out=tmp_path / "plain", preset="gan", image_size=32, steps=1, settings=SMALL)
    export(small_run, "b_to_a", tmp_path / "b_to_a.onnx")
    served = load_served([tmp_path / "plain", tmp_path / "b_to_a.onnx"])
    with connect(create_app(served, LIMITS)) as client:
        assert [model["directions"] for model in client.get("/v1/models").json()] == [["a_to_b"], ["b_to_a"]]
        assert [model["round_trips"] for model in client.get("/v1/models").json()] == [False, False]
        assert client.post("/v1/translate?direction=b_to_a", content=png()).status_code == 404
        assert client.post(TRANSLATE + "&round_trip=true", content=png()).status_code == 404
        answer = client.post("/v1/translate?direction=b_to_a&model=b_to_a", content=png())
        assert opened(answer).size == (32, 32)


def test_there_are_no_examples_if_the_images_are_missing(small_run, tmp_path):
    config = Path(small_run / "best" / "config.json")
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in (small_run / "best").iterdir():
        (moved / file.name).write_bytes(file.read_bytes())
    (moved / "config.json").write_text(config.read_text().replace("/domains", "/nowhere"))
    refresh_digests(moved)
    assert load_served([moved])["moved"].examples == {}
