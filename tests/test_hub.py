"""Runs are shared and loaded again, without paths or names of this machine."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import discogan
from discogan import hub
from discogan.cli import main
from discogan.errors import DataError, DiscoGANWarning, RunError
from discogan.exporting import export
from discogan.run_folder import RunFolder
from discogan.run_summary import read_verdict
from tests.conftest import SMALL
from tests.fake_hub import FakeHub

pytest.importorskip("huggingface_hub", reason="the hub extra is not installed (pip install '.[hub]')")


@pytest.fixture(scope="session")
def packaged(small_run, tmp_path_factory):
    return hub.package(small_run, tmp_path_factory.mktemp("hub") / "packaged", "mit", samples=True)


def test_a_package_translates_as_the_run_does(packaged, small_run):
    image = Image.new("RGB", (40, 40), "green")
    original, shared = (discogan.load(run).translate(image, "b_to_a") for run in (small_run, packaged))
    assert np.array_equal(np.asarray(original), np.asarray(shared))


def test_a_package_contains_no_path_of_this_machine(packaged, domains):
    for file in packaged.iterdir():
        assert str(domains[0].parent).encode() not in file.read_bytes(), file.name


def test_the_card_has_the_verdict_the_counts_and_the_settings(packaged, small_run):
    card = (packaged / "README.md").read_text()
    head = card.split("---")[1]
    assert "license: mit" in head
    assert "pipeline_tag: image-to-image" in head
    assert read_verdict(RunFolder(small_run))["reason"] in card
    assert "13 images of A and 10 of B" in card
    assert "samples.png" in card
    assert (packaged / "samples.png").exists()
    assert '"gamma": 5.0' in card
    assert "&#" not in card, "a card is Markdown, without HTML escapes"


def test_images_are_shared_only_on_request(small_run, tmp_path):
    folder = hub.package(small_run, tmp_path / "out")
    assert not list(folder.glob("*.png"))
    assert "None of them is in this repository" in (folder / "README.md").read_text()


def test_a_private_push_to_a_public_repository_is_refused(small_run, tmp_path):
    with FakeHub() as fake:
        fake.repositories["user/hands"] = {}
        push = f"from discogan.cli import main; main(['push', {str(small_run)!r}, 'user/hands', '--private'])"
        process = in_a_process(push, fake, HF_HOME=str(tmp_path))
        assert process.returncode == 2
        assert "exists already and is public" in process.stderr
        assert fake.repositories["user/hands"] == {}


def test_exporting_a_package_asks_for_images(packaged, tmp_path):
    with pytest.raises(DataError, match="--images DIR"):
        export(packaged, "a_to_b", tmp_path / "model.onnx")


def test_a_package_shows_its_step_and_cannot_be_resumed(packaged, capsys):
    with pytest.raises(SystemExit):
        main(["info", str(packaged)])
    assert "last checkpoint  step " in capsys.readouterr().out
    with pytest.raises(RunError, match="is a single checkpoint, not a run folder"):
        discogan.resume(packaged)


def test_a_run_without_a_checkpoint_cannot_be_shared(tmp_path):
    with pytest.raises(RunError, match="There is no run"):
        hub.package(tmp_path, tmp_path / "out")


def in_a_process(code, fake, token="hf_right", **environment):
    """Run code in a process of its own, because the Hub's library reads its address when it is imported."""
    known = {"HF_ENDPOINT": fake.address, "HF_TOKEN": token, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **known, **environment}, timeout=120
    )


def test_a_pushed_run_can_be_loaded(small_run, tmp_path):
    with FakeHub() as fake:
        words = ["push", str(small_run), "user/hands", "--licence", "mit", "--samples"]
        push = f"from discogan.cli import main; main({words!r})"
        process = in_a_process(push, fake, HF_HOME=str(tmp_path / "pushing"))
        assert process.returncode == 0, process.stderr
        assert f"{fake.address}/user/hands" in process.stdout
        stored = fake.repositories["user/hands"]
        assert {"README.md", "config.json", "generator_ab.safetensors", "samples.png"} <= set(stored)
        assert b'discogan.load("user/hands")' in stored["README.md"]
        load = (
            "import discogan, numpy; from PIL import Image;"
            "translated = discogan.load('user/hands').translate(Image.new('RGB', (32, 32), 'red'), 'a_to_b');"
            "numpy.save('translated.npy', numpy.asarray(translated))"
        )
        process = in_a_process(
            f"import os; os.chdir({str(tmp_path)!r});" + load, fake, HF_HOME=str(tmp_path / "loading")
        )
        assert process.returncode == 0, process.stderr
        fetched = [path for method, path in fake.asked if method == "GET" and "/resolve/" in path]
        assert not [path for path in fetched if path.endswith((".png", ".md"))], "loading fetches only what it needs"
    expected = discogan.load(small_run).translate(Image.new("RGB", (32, 32), "red"), "a_to_b")
    assert np.array_equal(np.load(tmp_path / "translated.npy"), np.asarray(expected))


def test_without_permission_the_error_names_the_login_command(small_run, tmp_path):
    with FakeHub() as fake:
        push = f"from discogan.cli import main; main(['push', {str(small_run)!r}, 'user/hands'])"
        process = in_a_process(push, fake, token="hf_wrong", HF_HOME=str(tmp_path))
    assert process.returncode == 2
    assert "hf auth login" in process.stderr
    assert len(process.stderr.strip().splitlines()) == 1


def test_a_missing_run_is_explained(tmp_path):
    with FakeHub() as fake:
        code = "import discogan\ntry: discogan.load('user/nothing')\nexcept discogan.RunError as error: print(error)"
        process = in_a_process(code, fake, HF_HOME=str(tmp_path))
    assert "There is no run user/nothing, neither here nor on the Hub" in process.stdout


@pytest.mark.parametrize(
    ("run", "expected"),
    [("user/name", True), ("user/name/more", False), ("name", False), ("./user/name", False), ("runs/one.x", True)],
)
def test_names_on_the_hub(run, expected):
    assert hub.is_hub_name(run) is expected


def test_an_existing_folder_is_not_a_name_on_the_hub(domains, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    discogan.train(*domains, out="runs/one", image_size=32, steps=1, settings=SMALL)
    assert not hub.is_hub_name("runs/one")


def test_push_needs_a_name_or_a_folder(small_run, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["push", str(small_run)])
    assert end.value.code == 2
    assert "user/name" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["push", str(small_run), "--folder", str(tmp_path / "out")])
    assert (tmp_path / "out" / "README.md").exists()


def test_a_used_folder_keeps_nothing_of_the_former_package(small_run, tmp_path):
    folder = hub.package(small_run, tmp_path / "out", samples=True)
    bare = shutil.copytree(small_run, tmp_path / "bare")
    (bare / "verdict.json").unlink()
    (bare / "evaluation.json").unlink(missing_ok=True)
    (folder / "notes.txt").write_text("mine")
    hub.package(bare, folder)
    names = {file.name for file in folder.iterdir()}
    assert not names & {"verdict.json", "evaluation.json", "samples.png"}
    assert "notes.txt" in names
    discogan.load(folder)


def test_a_run_folder_is_never_packaged_over(small_run, tmp_path):
    run = shutil.copytree(small_run, tmp_path / "run")
    with pytest.raises(RunError, match="is a run folder"):
        hub.package(small_run, run)


@pytest.mark.parametrize("place", ["checkpoints", "checkpoints/step-000007/shared", "best/shared", "samples/a"])
def test_nothing_is_packaged_inside_a_run(small_run, tmp_path, place):
    run = shutil.copytree(small_run, tmp_path / "run")
    before = sorted(run.rglob("*"))
    with pytest.raises(RunError, match="inside one"):
        hub.package(run, run / place)
    assert sorted(run.rglob("*")) == before


@pytest.mark.parametrize("name", ["README.md", "config.json", "samples.png"])
def test_a_file_of_another_origin_is_not_replaced(small_run, tmp_path, name):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text("years of work")
    with pytest.raises(RunError, match=rf"{name} of another origin"):
        hub.package(small_run, tmp_path / "mine")
    assert (tmp_path / "mine" / name).read_text() == "years of work"


@pytest.mark.parametrize("name", ["000.png", "notes.txt", "subfolder"])
def test_a_folder_with_other_files_is_no_place_for_a_package(small_run, tmp_path, name):
    (tmp_path / "mine" / name).mkdir(parents=True)
    with pytest.raises(RunError, match=f"{name} of another origin"):
        hub.package(small_run, tmp_path / "mine")
    assert [file.name for file in (tmp_path / "mine").iterdir()] == [name]


def test_an_edited_card_stays(small_run, tmp_path):
    folder = hub.package(small_run, tmp_path / "out")
    card = folder / "README.md"
    generated = card.read_text()
    assert not hub.is_edited_card(card)
    card.write_text("# Changed\n" + generated)
    with pytest.warns(DiscoGANWarning, match="was edited, so it stays"):
        hub.package(small_run, folder)
    assert card.read_text() == "# Changed\n" + generated
    card.unlink()
    hub.package(small_run, folder)
    assert card.read_text() == generated
    assert hub.package(small_run, folder)
    assert card.read_text() == generated


def test_packaging_continues_after_it_was_killed(small_run, tmp_path):
    """The record of the former package is removed first, so that no mixture can be loaded."""
    folder = hub.package(small_run, tmp_path / "out")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    (folder / "progress.json").unlink()
    hub.package(small_run, folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert discogan.load(folder).model.step == 7


def test_a_damaged_run_is_not_shared(small_run, tmp_path):
    run = shutil.copytree(small_run, tmp_path / "run")
    file = run / "best" / "generator_ab.safetensors"
    file.write_bytes(file.read_bytes()[:-4] + b"flip")
    with pytest.raises(RunError, match="has changed since it was written"):
        hub.package(run, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.safetensors"))


def test_without_a_network_the_error_names_it_and_not_the_login(small_run, tmp_path):
    class Nowhere:
        address = "http://127.0.0.1:9"

    push = f"from discogan.cli import main; main(['push', {str(small_run)!r}, 'user/hands'])"
    process = in_a_process(push, Nowhere(), HF_HOME=str(tmp_path))
    assert process.returncode == 2
    assert "Check the network" in process.stderr
    assert "hf auth login" not in process.stderr


@pytest.mark.parametrize(
    ("status", "cure"), [(401, "hf auth login"), (403, "hf auth login"), (404, "Check the name"), (503, "status 503")]
)
def test_the_cure_follows_the_status_of_the_response(status, cure):
    error = RuntimeError("refused")
    error.response = type("Response", (), {"status_code": status})
    assert cure in hub._cure(error)


def test_hostile_names_are_text_in_the_card(small_run, tmp_path):
    run = shutil.copytree(small_run, tmp_path / "<img src=x onerror=alert(1)> ](javascript:x) \x1b[31m")
    card = (hub.package(run, tmp_path / "out") / "README.md").read_text()
    [title] = [line for line in card.splitlines() if line.startswith("# ")]
    assert title.isprintable()
    assert r"\<img src=x onerror=alert\(1\)\> \]\(javascript:x\)" in title
