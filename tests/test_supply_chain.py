"""What the package brings with it, calls and contacts: dependencies, licences, risky calls, telemetry, the network."""

import ast
import json
import os
import py_compile
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import licences
from discogan import registry
from discogan.api import train
from discogan.errors import RunError
from discogan.extras import TELEMETRY_OFF, import_extra
from discogan.pages import _environment
from tests.conftest import SMALL

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "discogan"
MODULES = sorted(PACKAGE.rglob("*.py"))
DIRECT = licences.direct_dependencies()
TEMPLATES = sorted((PACKAGE / "pages" / "templates").iterdir())

# Dependencies -------------------------------------------------------------------------------------

UNTESTED_EXTRAS = {"metrics"}
"""Extras that ``make install`` leaves out, because their torchvision may not match torch."""


@pytest.mark.parametrize("dependency", DIRECT, ids=lambda dependency: dependency.name)
def test_each_dependency_has_a_reason_and_a_permissive_licence(dependency):
    assert dependency.reason
    if dependency.name in licences.EXCEPTIONS:
        return
    if licences.installed(dependency.name) is None and dependency.extra not in UNTESTED_EXTRAS:
        pytest.skip(f"{dependency.name} is not installed")
    licence = licences.licence_of(dependency.name)
    assert licences.is_permissive(licence), licence


def test_libraries_that_dependencies_need_have_permissive_licences():
    found = {name: licences.licence_of(name) for name in licences.indirect_dependencies()}
    other = {name: licence for name, licence in found.items() if not licences.is_permissive(licence)}
    assert other.keys() <= licences.EXCEPTIONS.keys(), other
    assert len(found) > 10


@pytest.mark.parametrize("expression", ["MIT", "Apache-2.0 OR BSD-2-Clause", "(MIT AND Zlib)"])
def test_permissive_licences_are_recognised(expression):
    assert licences.is_permissive(expression)


@pytest.mark.parametrize("expression", ["", "GPL-3.0-only", "MIT AND LGPL-2.1", "MPL-2.0", "Proprietary", "MIT OR X"])
def test_other_and_unknown_licences_are_recognised(expression):
    assert not licences.is_permissive(expression)


def test_the_page_lists_the_dependencies_with_their_extras_and_reasons():
    text = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    section = text.partition("## Direct dependencies")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if " | " in line]
    listed = [(name, extra, reason) for name, _, _, extra, reason in rows[1:]]
    expected = [(dependency.name, dependency.extra, dependency.reason) for dependency in DIRECT]
    assert listed == expected, "write docs/dependencies.md again: python benchmarks/licences.py > docs/dependencies.md"
    assert text.startswith(licences.INTRODUCTION)
    for name, reason in licences.EXCEPTIONS.items():
        assert re.search(rf"^\| {name} \|.*\| {re.escape(reason)} \|$", text, re.MULTILINE)


def test_each_direct_dependency_has_a_tested_version():
    versions = licences.tested_versions()
    missing = {entry.name for entry in DIRECT if entry.extra not in UNTESTED_EXTRAS and entry.name not in versions}
    assert missing == set()


def test_tested_versions_satisfy_the_bounds_of_pyproject():
    versions = licences.tested_versions()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    requirements = [Requirement(line) for line in lines]
    checked = [requirement for requirement in requirements if canonicalize_name(requirement.name) in versions]
    assert len(checked) > 30
    for requirement in checked:
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), requirement


# Risky calls --------------------------------------------------------------------------------------

RISKY_MODULES = {
    "cloudpickle",
    "ctypes",
    "dill",
    "ftplib",
    "http",
    "httpx",
    "joblib",
    "marshal",
    "pickle",
    "requests",
    "shelve",
    "smtplib",
    "socket",
    "subprocess",
    "telnetlib",
    "urllib.request",
    "urllib3",
    "xml",
    "yaml",
}
"""Modules that run code from data, start programs or use the network."""
RISKY_CALLS = {
    "__import__",
    "compile",
    "eval",
    "exec",
    "exec_module",
    "getoutput",
    "hub.load",
    "import_module",
    "jit.load",
    "mktemp",
    "os.popen",
    "os.system",
    "torch.export.load",
    "torch.load",
    "load_state_dict_from_url",
}
"""Functions that run code from a string or a file, or whose result another process can replace."""
RISKY_ARGUMENTS = {"allow_pickle", "shell", "trust_remote_code", "verify"}
"""Arguments that turn a protection off."""
ALLOWED = {
    ("__init__.py", "import_module"): "modules of this package, from a constant table",
    ("cli/__init__.py", "import_module"): "discogan.version, a constant",
    ("cli/completion.py", "shell"): "the name of the user's shell, an argument of cyclopts",
    ("cli/serve.py", "socket"): "checks that the requested port is free",
    ("data/store.py", "allow_pickle"): "always False",
    ("exporting/torch_program.py", "torch.export.load"): "compares the file that the export has just written",
    ("extras.py", "import_module"): "optional libraries, whose names are constants in this package",
    ("metrics/__init__.py", "import_module"): "modules that a registered metric names",
    ("observers/notebook.py", "import_module"): "IPython.display, a constant",
    ("pretrained.py", "torch.load"): "weights_only=True, for a file of the extra features or one that the user names",
    ("registry.py", "compile"): "files of --import, whose content this user has imported before",
    ("registry.py", "exec"): "files of --import, whose content this user has imported before",
    ("registry.py", "import_module"): "modules of this package",
    ("training/run.py", "subprocess"): "git rev-parse, as a list of constant words",
    ("web/__init__.py", "import_module"): "modules of this package, from a constant table",
    ("web/access.py", "socket"): "the name of this machine, which clients may use as the host",
    ("web/server.py", "http"): "names of status codes",
}
"""Uses that are safe, by file, and why."""


def risky_uses(source: str) -> set[str]:
    """Names of risky modules, calls and arguments that Python code uses."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            is_method_of_network = called.endswith((".eval", ".compile"))
            for risky in RISKY_CALLS:
                if called == risky or (called.endswith(f".{risky}") and not is_method_of_network):
                    found.add(risky)
            found |= {argument.arg for argument in node.keywords if argument.arg in RISKY_ARGUMENTS}
            continue
        else:
            continue
        for name in names:
            found |= {risky for risky in RISKY_MODULES if name == risky or name.startswith(f"{risky}.")}
    return found


def test_each_risky_call_of_the_package_has_a_reason():
    found = set()
    for path in MODULES:
        found |= {(path.relative_to(PACKAGE).as_posix(), use) for use in risky_uses(path.read_text("utf-8"))}
    assert found == set(ALLOWED)


@pytest.mark.parametrize(
    ("source", "use"),
    [
        ("import pickle", "pickle"),
        ("from pickle import loads", "pickle"),
        ("from urllib import request", "urllib.request"),
        ("import urllib.request as r", "urllib.request"),
        ("import xml.etree.ElementTree", "xml"),
        ("x = eval('1')", "eval"),
        ("builtins.exec(code)", "exec"),
        ("torch.load(file, weights_only=True)", "torch.load"),
        ("tempfile.mktemp()", "mktemp"),
        ("numpy.load(file, allow_pickle=True)", "allow_pickle"),
        ("run(words, shell=True)", "shell"),
        ("os.system('ls')", "os.system"),
    ],
)
def test_risky_calls_are_found(source, use):
    assert risky_uses(source) == {use}


@pytest.mark.parametrize(
    "source", ["network.eval()", "re.compile('a')", "import torch", "from urllib.parse import quote"]
)
def test_harmless_calls_are_not_found(source):
    assert risky_uses(source) == set()


# Templates ----------------------------------------------------------------------------------------

NOT_ESCAPED = {"card.md": "Markdown, which the Hub turns into HTML and cleans"}
"""Templates without automatic escaping, and why."""
MARKED_SAFE = {
    "compare.html": ["chart|safe"],  # An SVG that matplotlib has escaped.
    "report.html": ["chart|safe"],
}
"""Values that templates insert unescaped."""


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_escape_text(template):
    environment = _environment()
    assert callable(environment.autoescape)
    assert environment.autoescape(template.name) is (template.name not in NOT_ESCAPED)
    text = template.read_text("utf-8")
    assert re.findall(r"\w+\s*\|\s*safe\b", text) == MARKED_SAFE.get(template.name, [])
    assert "autoescape" not in text


def test_only_escaped_text_is_marked_as_html():
    users = [path.relative_to(PACKAGE).as_posix() for path in MODULES if "Markup(" in path.read_text("utf-8")]
    assert users == ["pages/__init__.py"]


# Components that a user imports -------------------------------------------------------------------

COMPONENT = "from pathlib import Path\nPath(__file__).with_name('ran').touch()\n"


@pytest.fixture
def trusted_component(tmp_path, monkeypatch):
    """A file whose content this user has imported from another place in an earlier process."""
    monkeypatch.setenv("DISCOGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(registry, "_imported", {})
    mine = tmp_path / "mine.py"
    mine.write_text(COMPONENT)
    registry.import_file(mine)
    received = tmp_path / "received" / "mine.py"
    received.parent.mkdir()
    received.write_text(COMPONENT)
    monkeypatch.setattr(registry, "_imported", {})
    return received


def test_a_recorded_component_of_known_content_runs(trusted_component):
    registry.load_recorded_imports([str(trusted_component)], Path("run"))
    assert trusted_component.with_name("ran").exists()


def test_bytecode_next_to_a_component_is_never_run(trusted_component):
    hostile = trusted_component.with_name("hostile.py")
    hostile.write_text(COMPONENT.replace("'ran'", "'bad'"))
    os.utime(hostile, (1, 1))
    os.utime(trusted_component, (1, 1))
    cached = trusted_component.parent / "__pycache__" / f"mine.{sys.implementation.cache_tag}.pyc"
    py_compile.compile(str(hostile), cfile=str(cached), dfile=str(trusted_component), doraise=True)
    registry.load_recorded_imports([str(trusted_component)], Path("run"))
    assert trusted_component.with_name("ran").exists()
    assert not trusted_component.with_name("bad").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps permissions elsewhere")
@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777, 0o1777])
def test_trust_that_other_users_can_write_is_not_used(trusted_component, tmp_path, mode):
    markers = tmp_path / "cache" / "trusted"
    assert stat.S_IMODE(markers.stat().st_mode) == 0o700
    markers.chmod(mode)
    with pytest.raises(RunError, match="Check its code"):
        registry.load_recorded_imports([str(trusted_component)], Path("run"))
    planted = markers / "imports" / ("0" * 64)
    planted.touch()
    registry.import_file(trusted_component)
    assert stat.S_IMODE(markers.stat().st_mode) == 0o700
    assert not planted.exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps permissions elsewhere")
def test_making_the_folder_of_trust_private_removes_markers_only(trusted_component, tmp_path):
    markers = tmp_path / "cache" / "trusted"
    mine = [
        markers / "notes.txt",
        markers / "imports" / "notes.txt",
        markers / "photos" / ("0" * 64),
        markers / "0" / "x",
    ]
    for file in mine:
        file.parent.mkdir(exist_ok=True)
        file.write_text("years of work")
    markers.chmod(0o777)
    registry.import_file(trusted_component)
    assert stat.S_IMODE(markers.stat().st_mode) == 0o700
    assert [file for file in mine if file.exists()] == mine


def test_a_link_as_the_folder_of_trust_is_replaced(trusted_component, tmp_path):
    markers = tmp_path / "cache" / "trusted"
    elsewhere = markers.rename(tmp_path / "elsewhere")
    markers.symlink_to(elsewhere)
    with pytest.raises(RunError, match="Check its code"):
        registry.load_recorded_imports([str(trusted_component)], Path("run"))
    registry.import_file(trusted_component)
    assert not markers.is_symlink()
    assert list(elsewhere.iterdir()), "the folder behind the link is left as it was"


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps permissions elsewhere")
def test_decoded_images_in_the_cache_are_private(tmp_path, monkeypatch, domains):
    monkeypatch.setenv("DISCOGAN_CACHE", str(tmp_path / "cache"))
    train(*domains, out=tmp_path / "run", image_size=32, steps=2, settings=SMALL)
    stores = list((tmp_path / "cache" / "stores").iterdir())
    assert stores
    for store in stores:
        assert stat.S_IMODE(store.stat().st_mode) == 0o700


# Telemetry and the network ------------------------------------------------------------------------

GUARD = """
import os, socket, sys

def refuse(event, arguments):
    if event not in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        return
    address = arguments[0] if isinstance(arguments[0], (str, bytes, type(None))) else arguments[1]
    host = address[0] if isinstance(address, tuple) else address
    if host in (None, "", "localhost", "127.0.0.1", "::1") or getattr(arguments[0], "family", None) == socket.AF_UNIX:
        return
    with open(os.environ["CONTACTS"], "a") as file:
        file.write(f"{event} {host}\\n")
    raise OSError(f"{event} {host}")

sys.addaudithook(refuse)
"""
"""A sitecustomize module: each Python process, also a worker's, records and refuses contacts with other machines."""


def isolated(tmp_path: Path) -> dict[str, str]:
    """Environment of a new user on a machine without a network, and without the variables that turn telemetry off."""
    guard = tmp_path / "guard"
    guard.mkdir()
    (guard / "sitecustomize.py").write_text(GUARD)
    (tmp_path / "home").mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "OPENBLAS_CORETYPE", "SYSTEMROOT") if name in os.environ}
    return {
        **kept,
        "CONTACTS": str(tmp_path / "contacts"),
        "HOME": str(tmp_path / "home"),
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join([str(guard), str(ROOT)]),
    }


def without_network() -> list[str]:
    """Words before a command that take its network away, for native code too; none if this machine has no unshare."""
    if shutil.which("unshare") is None:
        return []
    words = ["unshare", "--map-root-user", "--net"]
    return words if subprocess.run([*words, "true"], capture_output=True).returncode == 0 else []


EVERYTHING = """
import importlib, json, pkgutil, sys
import discogan
from discogan.cli import main

for module in pkgutil.walk_packages(discogan.__path__, "discogan."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
for words in json.loads(sys.argv[1]):
    try:
        main(words)
    except SystemExit as end:
        assert not end.code, words
"""
"""Imports every module, then runs commands in one process."""


def test_no_command_contacts_another_machine(tmp_path, domains):
    run, model = str(tmp_path / "run"), str(tmp_path / "model.onnx")
    a, b = map(str, domains)
    small = [word for setting in SMALL for word in ("--set", setting)]
    commands = [
        ["list"],
        ["train", a, b, "--out", run, "--image-size", "32", "--steps", "2", *small],
        ["info", run],
        ["report", run],
        ["translate", run, a, "--direction", "a_to_b", "--out", str(tmp_path / "translated")],
        ["match", run, a, b, "--out", str(tmp_path / "matches.csv")],
        ["push", run, "--folder", str(tmp_path / "packaged")],
    ]
    if licences.installed("onnxruntime") and licences.installed("onnxscript"):
        commands.append(["export", run, "--direction", "a_to_b", "--out", model])
        commands.append(["translate", model, a, "--direction", "a_to_b", "--out", str(tmp_path / "exported")])
    code = [sys.executable, "-c", EVERYTHING, json.dumps(commands)]
    done = subprocess.run(
        [*without_network(), *code], env=isolated(tmp_path), cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    contacts = tmp_path / "contacts"
    assert not contacts.exists(), contacts.read_text()
    assert (tmp_path / "run" / "report.html").exists()
    in_cache = {path.name for path in (tmp_path / "home" / ".cache").iterdir()}
    assert in_cache <= {"discogan", "matplotlib", "pyvista"}


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('192.0.2.1', 80), 1)",
        "import urllib.request; urllib.request.urlopen('http://example.invalid/')",
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'', ('192.0.2.1', 9))",
    ],
)
def test_contacts_are_recorded(tmp_path, code):
    done = subprocess.run([sys.executable, "-c", code], env=isolated(tmp_path), capture_output=True)
    assert done.returncode == 1
    assert (tmp_path / "contacts").read_text().startswith("socket.")


def test_onnx_runtime_leaves_no_device_id_and_no_events(tmp_path):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    code = "from discogan.extras import import_extra; import_extra('onnxruntime', 'export', 'A test')"
    subprocess.run([sys.executable, "-c", code], env=isolated(tmp_path), check=True)
    assert list((tmp_path / "home").rglob("*")) == []


@pytest.mark.parametrize("library", TELEMETRY_OFF)
def test_telemetry_is_off_unless_the_user_turns_it_on(library, monkeypatch):
    pytest.importorskip(library, reason=f"{library} is not installed")
    variable, off = TELEMETRY_OFF[library]
    monkeypatch.delenv(variable, raising=False)
    import_extra(library, "extra", "A test")
    assert os.environ[variable] == off
    monkeypatch.setenv(variable, "chosen by the user")
    import_extra(library, "extra", "A test")
    assert os.environ[variable] == "chosen by the user"


@pytest.mark.parametrize(
    ("library", "check"),
    [
        ("huggingface_hub", "from huggingface_hub import constants; assert constants.HF_HUB_DISABLE_TELEMETRY"),
        ("wandb", "from wandb import env; assert not env.error_reporting_enabled()"),
    ],
)
def test_libraries_understand_the_variable(tmp_path, library, check):
    pytest.importorskip(library, reason=f"{library} is not installed")
    code = f"from discogan.extras import import_extra; import_extra({library!r}, 'x', 'A test'); {check}"
    done = subprocess.run([sys.executable, "-c", code], env=isolated(tmp_path), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_libraries_with_telemetry_are_imported_in_one_place():
    direct_imports = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            direct_imports += [name for name in names if name.partition(".")[0] in TELEMETRY_OFF]
    assert direct_imports == []


# The promises -------------------------------------------------------------------------------------


def test_each_promise_names_a_test_file_that_exists():
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    rows = re.findall(r"^\| (?!promise|---)(.+?) \| (.+?) \|$", text, re.MULTILINE)
    assert len(rows) > 15
    for promise, tests in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)`", tests)
        assert named, promise
        assert all((ROOT / name).is_file() for name in named), named
