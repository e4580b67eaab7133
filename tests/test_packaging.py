"""The wheel and the sdist, the optional libraries, the site, the Dockerfile."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from discogan.cli import app

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The sdist, and the wheel built from it."""
    pytest.importorskip("build", reason="build is not installed")
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.tar.gz")), next(out.glob("*.whl"))


def test_the_wheel_and_sdist_hold_the_package_only(built):
    with tarfile.open(built[0]) as sdist:
        source = {name.partition("/")[2] for name in sdist.getnames()}
    wheel = set(zipfile.ZipFile(built[1]).namelist())
    for name in ("presets/modern.toml", "pages/templates/report.html", "pages/templates/card.md", "py.typed"):
        assert f"discogan/{name}" in wheel
        assert f"discogan/{name}" in source
    assert not [name for name in wheel if name.startswith(("tests", "benchmarks", "docs"))]


def test_the_installed_wheel_runs_the_demo(built, tmp_path):
    home = tmp_path / "installed"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(home), str(built[1])]
    subprocess.run(install, check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(home)}
    show_place = [sys.executable, "-c", "import discogan; print(discogan.__file__)"]
    shown = subprocess.run(show_place, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout
    assert shown.startswith(str(home))
    demo = [sys.executable, "-m", "discogan", "demo", "--out", "demo", "--minutes", "0.05"]
    done = subprocess.run(demo, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "demo" / "contact-sheet.png").exists()
    assert (tmp_path / "demo" / "run" / "report.html").exists()


def test_messages_name_existing_extras():
    sources = "".join(path.read_text() for path in (ROOT / "discogan").rglob("*.py"))
    named = set(re.findall(r'import_extra\(\s*"[\w.]+",\s*"(\w+)"', sources))
    named |= set(re.findall(r'pip install "\.\[(\w+)\]"', sources))
    assert named == {"export", "features", "hub", "metrics", "render", "track", "web"}
    assert named | {"scale", "dev", "docs"} == set(PROJECT["optional-dependencies"])


def test_each_dependency_has_its_reason():
    text = (ROOT / "pyproject.toml").read_text()
    listed = re.findall(r'^    "[\w-]+(?:\[.*\])?[>=].*$', text, re.MULTILINE)
    assert len(listed) > 20
    assert [line for line in listed if "#" not in line] == []


def test_a_missing_extra_is_one_sentence():
    code = (
        "import sys; sys.modules['fastapi'] = sys.modules['onnxruntime'] = sys.modules['tensorboard'] = None;"
        "from discogan.cli import main; main(sys.argv[1:])"
    )
    for words, extra in (
        (["serve", "R"], "web"),
        (["translate", "m.onnx", "x", "--direction", "a_to_b", "--out", "o"], "export"),
        (["train", "a", "b", "--out", "r", "--track", "tensorboard"], "track"),
    ):
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
        assert done.returncode == 2
        assert f'pip install ".[{extra}]"' in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs", reason="mkdocs is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "method" / "index.html").read_text()
    assert "relativistic_generator" in page
    assert "fonts.googleapis.com" not in page


def test_the_dockerfile_names_existing_files_and_runs_without_root_rights():
    text = (ROOT / "Dockerfile").read_text()
    for names in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE):
        assert all((ROOT / name).exists() for name in names.split())
    (extras,) = re.findall(r"/source\[([\w,]+)\]", text)
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    assert text.index("USER discogan") < text.index("ENTRYPOINT")
    words = ["serve", *re.findall(r'"([^"]+)"', text.partition("\nCMD ")[2])]
    assert app.parse_args(words, exit_on_error=False, print_error=False)[1].arguments["host"] == "0.0.0.0"
