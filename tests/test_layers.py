"""A module imports only lower layers, never another package of its own layer (docs/design.md)."""

import ast
from pathlib import Path

import pytest

import discogan

ROOT = Path(discogan.__file__).parent
LAYERS = [
    {"__main__"},
    {"cli"},
    {"web"},
    {"experiments"},
    {"api"},
    {"matching", "hub", "observers"},
    {"training", "translator", "evaluation", "exporting", "report", "verification"},
    {"objectives", "checkpoints", "verdict", "onnx_model"},
    {"model", "run_summary"},
    {"networks", "losses", "data", "metrics"},
    {"images", "devices", "run_folder", "pretrained"},
    {"register", "listing"},
    {"registry", "extras", "pages", "run_records", "csv_files"},
    {"config", "directions", "labels", "trust", "records"},
    {"files"},
    {"errors", "names", "version"},
]
LEVEL = {part: level for level, layer in enumerate(LAYERS) for part in layer}
STANDARD_LIBRARY_ONLY = {
    "config",
    "csv_files",
    "directions",
    "errors",
    "extras",
    "files",
    "labels",
    "listing",
    "names",
    "register",
    "registry",
    "trust",
    "version",
}
WITHOUT_TORCH = STANDARD_LIBRARY_ONLY | {"images", "data", "cli", "records", "run_folder", "run_records", "run_summary"}
MODULES = [path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py"]


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path, top_level: bool = False) -> list[str]:
    """Absolute names that a module imports; with ``top_level`` only the imports at module level."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level else list(ast.walk(tree))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            deeper = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "discogan" else []
            names += deeper or [str(node.module)]
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_only_lower_layers(path):
    own = part_of(path)
    assert own in LEVEL, f"{own} is in no layer"
    for name in imports(path):
        if not name.startswith("discogan."):
            continue
        imported = name.split(".")[1]
        assert imported == own or LEVEL[imported] > LEVEL[own], f"{own} imports {imported}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_light_modules_do_not_import_torch(path):
    loaded = {name.split(".")[0] for name in imports(path, top_level=True)}
    if part_of(path) in WITHOUT_TORCH:
        assert not loaded & {"torch", "torchmetrics", "safetensors"}
    if part_of(path) in STANDARD_LIBRARY_ONLY:
        assert not loaded & {"numpy", "PIL", "rich", "cyclopts"}


def test_the_check_detects_an_upward_import(tmp_path):
    module = tmp_path / "losses.py"
    module.write_text("from discogan.training import train\nfrom discogan import api\n")
    assert imports(module) == ["discogan.training", "discogan.api"]
    assert LEVEL["training"] < LEVEL["losses"]
