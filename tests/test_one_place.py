"""A component is one new file: it is listed, usable and under contract tests without any other change.

The files are the examples of docs/extend.md and docs/extend-outputs.md, added to a copy of the package.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = {
    "my_objective.py": ("objectives", "least_squares"),
    "my_generator.py": ("networks", "pixelwise"),
    "my_discriminator.py": ("networks", "shallow"),
    "my_source.py": ("data", "every_other"),
    "my_metric.py": ("metrics", "edges"),
    "my_tracker.py": ("observers", "scores_csv"),
    "my_export_format.py": ("exporting", "torchscript"),
}
"""Each example's file, the package that it is added to, and the name that it registers."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the package and its contract tests, with one file of each kind added."""
    folder = tmp_path_factory.mktemp("clone")
    ignored = shutil.ignore_patterns("__pycache__", "assets")
    shutil.copytree(ROOT / "discogan", folder / "discogan", ignore=ignored)
    shutil.copytree(ROOT / "tests" / "contracts", folder / "tests" / "contracts", ignore=ignored)
    for name in ("__init__.py", "conftest.py"):
        shutil.copy(ROOT / "tests" / name, folder / "tests" / name)
    pages = ("extend.md", "extend-outputs.md")
    text = "".join((ROOT / "docs" / page).read_text() for page in pages)
    for name, code in re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        if name in FILES:
            package, _ = FILES[name]
            (folder / "discogan" / package / name).write_text(code)
    return folder


def run(folder, *words):
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=280
    )


def test_each_file_is_found_in_the_documents(copy):
    for name, (package, _) in FILES.items():
        assert (copy / "discogan" / package / name).exists()


def test_each_component_is_listed(copy):
    shown = run(copy, "discogan", "list").stdout
    for _, name in FILES.values():
        assert re.search(rf"^{name} ", shown, re.MULTILINE), name


def test_each_component_passes_its_contract_tests(copy):
    names = [name for _, name in FILES.values()]
    chosen = " or ".join([*names, "listing_from_source"])
    done = run(copy, "pytest", "-v", "-p", "no:cacheprovider", "tests/contracts", "-k", chosen)
    assert done.returncode == 0, done.stdout
    for name in names:
        passed = [line for line in done.stdout.splitlines() if "PASSED" in line and name in line]
        assert passed, f"no contract test ran for {name}"
