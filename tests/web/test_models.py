"""Several served runs, the folders that belong to them, and the scores of their counterparts."""

import shutil

import pytest
from PIL import Image

import discogan
from discogan.cli import main
from discogan.cli.serve import _read_folders, _read_token
from discogan.errors import ConfigError
from discogan.exporting import export
from discogan.matching import Matcher
from discogan.web import create_app, load_served
from tests.web.conftest import LIMITS, connect


@pytest.fixture(scope="module")
def second_run(small_run, tmp_path_factory):
    return shutil.copytree(small_run, tmp_path_factory.mktemp("runs") / "second")


def test_a_folder_belongs_to_the_named_run(small_run, second_run, domains):
    served = load_served([small_run, second_run], None, {"second": domains[1]})
    with connect(create_app(served, LIMITS)) as client:
        matches = {model["name"]: model["matches"] for model in client.get("/v1/models").json()}
        assert matches == {"small": [], "second": ["a_to_b"]}
        answer = client.post("/v1/match?direction=a_to_b&model=small", content=b"x")
        assert answer.status_code == 404
        assert "--match-b small=DIR" in answer.json()["detail"]


def test_a_folder_without_a_name_needs_a_single_run(small_run, second_run, domains):
    with pytest.raises(ConfigError, match=r"Give --match-b NAME=DIR. The names are: small, second\."):
        load_served([small_run, second_run], None, domains[1])
    with pytest.raises(ConfigError, match=r"--match-a names 'third', which is not served"):
        load_served([small_run, second_run], {"third": domains[0]})


def test_an_exported_file_has_no_folder(small_run, domains, tmp_path):
    export(small_run, "a_to_b", tmp_path / "one.onnx")
    with pytest.raises(ConfigError, match="exported file, which cannot search"):
        load_served([tmp_path / "one.onnx"], None, domains[1])


def test_values_of_match_flags_are_parsed(tmp_path):
    folder = tmp_path / "with=sign"
    folder.mkdir()
    assert _read_folders(None, "a") is None
    assert _read_folders(["photos"], "a") == "photos"
    assert _read_folders([str(folder)], "a") == str(folder)
    assert _read_folders(["one=a", "two=b=c"], "a") == {"one": "a", "two": "b=c"}
    with pytest.raises(ConfigError, match="Give NAME=DIR"):
        _read_folders(["one=a", "b"], "a")
    with pytest.raises(ConfigError, match="given twice for one"):
        _read_folders(["one=a", "one=b"], "a")


@pytest.mark.parametrize("direction", ["a_to_b", "b_to_a"])
def test_scores_equal_those_of_match_if_both_folders_are_given(served, small_run, domains, direction):
    queries = domains[0] if direction == "a_to_b" else domains[1]
    matcher = Matcher(small_run, *domains)
    # The score is symmetric: a search for the image of A that belongs to an image of B has the same value.
    expected = {(match.a, match.b): match.score for match in matcher.match(count=len(matcher.store_b.names)).matches}
    with connect(create_app(served, LIMITS)) as client:
        for path in sorted(queries.iterdir())[:4]:
            answer = client.post(f"/v1/match?direction={direction}&count=3", content=path.read_bytes()).json()
            scores = [match["score"] for match in answer]
            assert scores == sorted(scores, reverse=True)
            for match in answer:
                pair = (path.name, match["name"]) if direction == "a_to_b" else (match["name"], path.name)
                assert match["score"] == pytest.approx(expected[pair], abs=2e-3)


def test_scores_count_upwards_with_one_folder(small_run, domains):
    served = load_served([small_run], None, domains[1])["small"]
    file = next(domains[0].iterdir())
    translator = discogan.load(small_run)
    image = translator.prepare(Image.open(file), "a_to_b").pixels[None]
    found = served.counterparts["a_to_b"].find(image, translator.translate_pixels(image, "a_to_b"), 10)[0]
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    assert abs(sum(each.score for each in found)) < 1e-4, "the ten nearest have the mean distance"
    assert served.counterparts["a_to_b"].names[found[0].row] == found[0].name


def test_the_token_is_read_from_a_file_or_the_environment(tmp_path, monkeypatch):
    file = tmp_path / "token"
    file.write_text("from-the-file-0123\n")
    monkeypatch.delenv("DISCOGAN_TOKEN", raising=False)
    assert _read_token(None) is None
    monkeypatch.setenv("DISCOGAN_TOKEN", "from-the-environment")
    assert _read_token(None) == "from-the-environment"
    assert _read_token(file) == "from-the-file-0123"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not a text file"):
        _read_token(file)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--allowed-host", "http://x"), "not a host name"),
        (("--root-path", "x/"), "must start with /"),
        (("--token-file", "/no/such/file"), "/no/such/file"),
        (("--max-connections", "0"), "max_connections must be at least 1"),
    ],
)
def test_wrong_flags_give_one_sentence(small_run, capsys, flags, words):
    with pytest.raises(SystemExit) as ended:
        main(["serve", str(small_run), "--port", "0", *flags])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
