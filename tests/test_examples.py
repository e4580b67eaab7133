"""The examples and the notebook run without changes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from discogan.images import image_files

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


def run(example, *words, cwd):
    command = [sys.executable, str(EXAMPLES / example), *map(str, words)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_has_a_test():
    files = ("test_examples.py", "test_export.py", "web/test_nginx.py")
    tests = "".join((ROOT / "tests" / file).read_text() for file in files)
    assert [file.name for file in EXAMPLES.iterdir() if file.is_file() and file.name not in tests] == []


def test_quickstart(tmp_path):
    shown = run("quickstart.py", "out", "0.05", cwd=tmp_path)
    assert "Verdict without pairs: " in shown
    assert "a_to_b: top-1" in shown
    assert (tmp_path / "out" / "run" / "report.html").exists()
    assert (tmp_path / "out" / "translated.png").exists()


def test_batch_translate(small_run, domains, tmp_path):
    folder = shutil.copytree(domains[0], tmp_path / "in" / "deep")
    (folder / "broken.png").write_bytes(b"x")
    shown = run("batch_translate.py", small_run, folder.parent, "out", cwd=tmp_path)
    assert len(image_files(tmp_path / "out" / "deep")) == 13
    assert "skipped: " in shown
    assert "broken.png is not a readable image" in shown


def test_new_objective(domains, tmp_path):
    shown = run("new_objective.py", *domains, "out", 3, cwd=tmp_path)
    assert "hinge " in shown
    assert "modern " in shown
    assert (tmp_path / "out" / "compare.html").exists()


def test_the_notebook_runs_from_top_to_bottom(tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    monkeypatch.setenv("DISCOGAN_NOTEBOOK_OUT", str(tmp_path / "out"))
    monkeypatch.setenv("DISCOGAN_NOTEBOOK_MINUTES", "0.05")
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))
    notebook = nbformat.read(EXAMPLES / "quickstart.ipynb", 4)
    nbclient.NotebookClient(notebook, timeout=200, kernel_name="python3").execute(cwd=str(tmp_path))
    kinds = [key for cell in notebook.cells for output in cell.get("outputs", []) for key in output.get("data", {})]
    assert len([kind for kind in kinds if kind == "image/png"]) == 2, "the live figure and the sheet"
    assert "top_1" in json.dumps(notebook.cells)


def test_the_notebook_is_stored_without_outputs():
    cells = json.loads((EXAMPLES / "quickstart.ipynb").read_text())["cells"]
    assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in cells)
