"""Components from a user's file (--import) and from an installed package's entry points."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from discogan import register, registry
from discogan.errors import ConfigError
from tests.conftest import SMALL, refresh_digests

COMPONENTS = '''
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

import discogan
from discogan.data import folder_records
from discogan.exporting import ExportFormat
from discogan.networks import output_layer
from discogan.objectives.discogan import DiscoGAN


@discogan.register.objective("my_objective")
@dataclass(frozen=True)
class MyObjective(DiscoGAN):
    """The paper's losses under another name."""

    scale: float = 1.0
    """An option of its own."""


@dataclass(frozen=True)
class MyOptions:
    """Options without the base class."""

    width: int = 4
    output: str = "tanh"


@discogan.register.generator("my_generator", MyOptions)
class MyGenerator(nn.Sequential):
    """A convolution of one pixel."""

    def __init__(self, in_shape, out_shape, options):
        super().__init__(nn.Conv2d(in_shape[0], out_shape[0], 1), output_layer(options.output))


@discogan.register.source("my_source")
@dataclass(frozen=True)
class MySource:
    """Both domains below one folder."""

    root: str

    def records(self):
        return folder_records(Path(self.root) / "a"), folder_records(Path(self.root) / "b")


@discogan.register.tracker("my_tracker")
class MyTracker(discogan.Observer):
    """One line in a file for each session."""

    def on_start(self, run, config, progress):
        self.file = run / "my-tracker.txt"

    def on_end(self, outcome):
        with self.file.open("a") as file:
            file.write(f"{outcome.step}\\n")


@discogan.register.export_format("my_format")
class MyFormat(ExportFormat):
    """The network as PyTorch saves it."""

    suffix = ".pth"

    def write(self, network, sample, file, metadata):
        torch.save(network, file)

    def run(self, file, batch):
        with torch.no_grad():
            return torch.load(file, weights_only=False)(torch.from_numpy(batch)).numpy()
'''
CHOSEN = (
    "objective.name=my_objective",
    "objective.scale=2.0",
    "generator.name=my_generator",
    "source.name=my_source",
    *(setting for setting in SMALL if not setting.startswith("generator")),
)
FLAGS = [word for setting in CHOSEN for word in ("--set", setting)]


def discogan(*words, cwd=None, **environment):
    command = [sys.executable, "-m", "discogan", *map(str, words)]
    root = Path(__file__).parents[1]
    path = os.pathsep.join(filter(None, [str(root), environment.pop("packages", None)]))
    environment = {**os.environ, "PYTHONPATH": path, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=cwd, env=environment)


@pytest.fixture(scope="module")
def folder(domains, tmp_path_factory):
    """A folder with the user's file, the images, and a run that was trained with them in another process."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "components.py").write_text(COMPONENTS)
    for name, domain in zip("ab", domains, strict=True):
        shutil.copytree(domain, folder / "images" / name)
    budget = ("--image-size", 32, "--steps", 3, "--track", "my_tracker")
    words = ("train", "images", "--out", "run", *budget, *FLAGS)
    done = discogan(*words, "--import", "components.py", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_run_records_the_files_that_it_needs(folder):
    description = json.loads((folder / "run" / "config.json").read_text())
    assert description["imports"] == [str(folder / "components.py")]
    assert (folder / "run" / "my-tracker.txt").read_text() == "3\n"


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("info run", "my_objective, scale=2.0"),
        ("report run", "report.html"),
        ("evaluate run --pairs-a images/a --pairs-b images/b", "erdict"),
        ("match run images/a images/b --out matches.csv", "matches.csv"),
        ("compare run run --out compare.html", "compare.html"),
        ("export run --direction a_to_b --out model.pth --format my_format", "model.pth"),
        ("translate run images/a --direction a_to_b --out translated", "13 images"),
    ],
)
def test_other_processes_load_the_file_again(folder, command, output):
    done = discogan(*command.split(), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert output in done.stdout


def test_a_resumed_run_loads_its_own_tracker(folder, tmp_path):
    run = shutil.copytree(folder / "run", tmp_path / "run")
    done = discogan("train", "--resume", run, "--steps", 5, "--track", "my_tracker", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert (run / "my-tracker.txt").read_text() == "3\n5\n"


def test_the_list_shows_the_components_of_a_file(folder):
    shown = discogan("list", "--import", "components.py", cwd=folder).stdout
    for name in ("my_objective", "my_generator", "my_source", "my_tracker", "my_format"):
        assert name in shown


def test_a_changed_file_is_refused_until_it_is_imported_again(folder, tmp_path):
    own = shutil.copytree(folder, tmp_path / "own")
    rewrite_paths(own, folder)
    assert discogan("info", "run", cwd=own).returncode == 0, "the same content in another place is trusted"
    file = own / "components.py"
    file.write_text(file.read_text() + "\nprint('changed')\n")
    refused = discogan("translate", "run", "images/a", "--direction", "a_to_b", "--out", "out", cwd=own)
    assert refused.returncode == 2
    assert f"needs {file}, which is new or has changed on this machine" in refused.stderr
    assert f"add --import {file} to the command" in refused.stderr
    assert "changed\n" not in refused.stdout
    words = ("translate", "run", "images/a", "--direction", "a_to_b", "--out", "out")
    assert discogan("--import", file, *words, cwd=own).returncode == 0
    assert discogan(*words, cwd=own).returncode == 0, "importing it once is enough"


def test_a_moved_file_is_given_by_its_new_place(folder, tmp_path):
    own = shutil.copytree(folder, tmp_path / "own")
    rewrite_paths(own, folder)
    (own / "elsewhere").mkdir()
    (own / "components.py").rename(own / "elsewhere" / "components.py")
    refused = discogan("info", "run", cwd=own)
    assert refused.returncode == 2
    assert f"needs {own / 'components.py'}, which is missing" in refused.stderr
    moved = ("--import", own / "elsewhere" / "components.py")
    assert discogan("info", "run", *moved, cwd=own).returncode == 0
    assert discogan("train", "--resume", "run", "--steps", 4, *moved, cwd=own).returncode == 0
    assert discogan("info", "run", cwd=own).returncode == 0, "a resumed run records the new place"


def rewrite_paths(own, folder):
    """Replace the absolute paths in the configurations of a copied folder."""
    for file in own.rglob("config.json"):
        file.write_text(file.read_text().replace(str(folder), str(own)))
    refresh_digests(own)


def test_a_run_of_a_stranger_runs_no_code(folder, tmp_path):
    run = shutil.copytree(folder / "run", tmp_path / "run")
    trap = tmp_path / "trap.py"
    trap.write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\n")
    for file in run.rglob("config.json"):
        description = json.loads(file.read_text())
        file.write_text(json.dumps({**description, "imports": [str(trap)]}))
    refresh_digests(run)
    for command in (["info", run], ["translate", run, folder / "images" / "a", "--direction", "a_to_b", "--out", "o"]):
        refused = discogan(*command, cwd=tmp_path)
        assert refused.returncode == 2
        assert "new or has changed on this machine" in refused.stderr
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "There is no file missing.py to import"),
        ("import no_such_module", "cannot be imported (ModuleNotFoundError: No module named 'no_such_module')"),
        (
            "import discogan\n@discogan.register.objective('modern')\nclass A: pass\nfrom discogan.registry import "
            "OBJECTIVES\nOBJECTIVES.entries()",
            "two objectives named 'modern'",
        ),
    ],
)
def test_a_file_that_cannot_be_imported_is_explained(tmp_path, content, message):
    if content:
        (tmp_path / "missing.py").write_text(content)
    done = discogan("list", "--import", "missing.py", cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


# Entry points -------------------------------------------------------------------------------------


def install(folder, module, content, groups=("objectives",)):
    """Write a distribution with entry points, as pip would install it."""
    (folder / f"{module}.py").write_text(content)
    information = folder / f"{module}-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    lines = [f"[discogan.{group}]\nmine = {module}\n" for group in groups]
    (information / "entry_points.txt").write_text("\n".join(lines))


def test_an_installed_package_needs_no_import(folder, tmp_path):
    packages = tmp_path / "packages"
    packages.mkdir()
    install(packages, "their_package", COMPONENTS, ("objectives", "networks", "sources", "trackers", "export_formats"))
    shown = discogan("list", cwd=tmp_path, packages=str(packages))
    assert "my_format" in shown.stdout, shown.stderr
    budget = ("--image-size", 32, "--steps", 3, "--track", "my_tracker")
    done = discogan("train", folder / "images", "--out", "run", *budget, *FLAGS, cwd=tmp_path, packages=str(packages))
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "config.json").read_text())["imports"] == []
    words = ("export", "run", "--direction", "a_to_b", "--out", "model.pth", "--format", "my_format")
    assert discogan(*words, cwd=tmp_path, packages=str(packages)).returncode == 0
    without = discogan("translate", "run", folder / "images" / "a", "--direction", "a_to_b", "--out", "o", cwd=tmp_path)
    assert without.returncode == 2
    assert "no generator named 'my_generator'" in without.stderr


def test_a_broken_entry_point_is_named(domains, tmp_path):
    packages = tmp_path / "packages"
    packages.mkdir()
    install(packages, "broken_package", "import no_such_module\n")
    for words in (["list"], ["train", *domains, "--out", "run", "--steps", 1]):
        done = discogan(*words, cwd=tmp_path, packages=str(packages))
        assert done.returncode == 2
        assert "The entry point mine = 'broken_package' of broken_package cannot be loaded" in done.stderr
        assert "No module named 'no_such_module'" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


# The registries themselves ------------------------------------------------------------------------


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"no objective named 'energy'\. Choose one of: cyclegan, discogan"):
        registry.OBJECTIVES.get("energy")
    with pytest.raises(ConfigError, match=r"no objective named 'wgan' \(did you mean gan\?\)"):
        registry.OBJECTIVES.get("wgan")


def test_a_dataclass_is_its_own_options():
    entry = registry.OBJECTIVES.get("modern")
    assert entry.options is entry.build
    assert registry.METRICS.get("fid").option_names == ["weights"]
    assert registry.RENDERS.get("car").options is None


def test_a_component_without_options_is_explained():
    table = registry.Registry("objective", "discogan.objectives")
    table.register("plain")(lambda: None)
    with pytest.raises(ConfigError, match="The objective 'plain' has no options"):
        table.resolve({"name": "plain"}, "objective")
    with pytest.raises(ConfigError, match="objective has no name"):
        table.resolve({}, "objective")


def test_every_registry_has_its_decorator():
    public = [each for each in registry.REGISTRIES if each is not registry.RENDERS]
    names = {each.kind.replace(" ", "_") for each in public}
    assert names == set(register.__all__)
    for each in public:
        assert getattr(register, each.kind.replace(" ", "_")) == each.register
