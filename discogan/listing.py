"""What each registry holds, read from source code without importing it: ``discogan list`` answers without PyTorch.

A component is found by its decorator, ``@OBJECTIVES.register("name")`` or ``@discogan.register.objective("name")``.
``tests/contracts/test_listing.py`` checks that this equals the registries.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from discogan import registry as registries
from discogan.registry import Registry

ROOT = Path(__file__).parent


@dataclass(frozen=True)
class Listed:
    """A component as a list shows it."""

    name: str
    summary: str
    """The first line of its docstring."""
    options: tuple[str, ...]
    """The names of its options."""


def list_components(registry: Registry) -> list[Listed]:
    """Return the components of a registry, sorted: those of the package, of entry points, and of imported files."""
    folder = ROOT.joinpath(*registry.package.split(".")[1:])
    components = {}
    for file in sorted(folder.glob("*.py")):
        if file.name != "__init__.py":
            components.update({component.name: component for component in _components_in(file, registry)})
    for component in _entry_point_components(registry):
        components[component.name] = component
    for name, entry in registry.registered().items():
        components[name] = Listed(name, entry.summary, tuple(entry.option_names))
    return [components[name] for name in sorted(components)]


def _entry_point_components(registry: Registry) -> Iterator[Listed]:
    """Yield the components of installed packages; a module that cannot be read this way is imported."""
    for entry_point in registry.entry_points():
        try:
            spec = importlib.util.find_spec(entry_point.module)
            components = _components_in(Path(str(spec.origin)), registry) if spec else []
        except (ImportError, OSError, SyntaxError, ValueError):
            components = []
        if not components:
            registry.load_entry_point(entry_point)
        yield from components


def _components_in(file: Path, registry: Registry) -> list[Listed]:
    if "register" not in file.read_text("utf-8"):
        return []
    module = _read(file)
    components = []
    for node in module.tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and _registers(decorator.func, registry):
                    components.append(_listed(node, decorator, module))
    return components


def _registers(function: ast.expr, registry: Registry) -> bool:
    """Return whether a decorator is ``OBJECTIVES.register`` or ``register.objective``, for the registry's kind."""
    words = ast.unparse(function).split(".")
    variable = next(name for name, value in vars(registries).items() if value is registry)
    return words[-2:] in ([variable, "register"], ["register", registry.kind.replace(" ", "_")])


def _listed(node: ast.ClassDef | ast.FunctionDef, decorator: ast.Call, module: _Module) -> Listed:
    given = [*decorator.args[1:], *(keyword.value for keyword in decorator.keywords if keyword.arg == "options")]
    if given:
        options = module.fields_of(ast.unparse(given[0]))
    elif isinstance(node, ast.ClassDef) and _is_dataclass(node):
        options = module.fields_of(node.name)
    else:
        options = []
    summary = (ast.get_docstring(node) or "").partition("\n")[0]
    return Listed(ast.literal_eval(decorator.args[0]), summary, tuple(options))


def _is_dataclass(node: ast.ClassDef) -> bool:
    return any(ast.unparse(decorator).partition("(")[0].endswith("dataclass") for decorator in node.decorator_list)


class _Module:
    """The source code of a module: its classes, and the modules of this package that it imports classes from."""

    def __init__(self, file: Path) -> None:
        self.tree = ast.parse(file.read_text("utf-8"))
        self.classes = {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}
        self.imported_from: dict[str, str] = {}
        for node in self.tree.body:
            if isinstance(node, ast.ImportFrom) and node.module:
                self.imported_from.update({alias.asname or alias.name: node.module for alias in node.names})

    def fields_of(self, name: str) -> list[str]:
        """Return the fields that a dataclass is constructed from, inherited fields first, as ``dataclasses.fields``."""
        node = self.classes.get(name)
        if node is None:
            file = _file_of(self.imported_from.get(name, ""))
            return _read(file).fields_of(name) if file else []
        fields: dict[str, None] = {}
        for base in node.bases:
            fields.update(dict.fromkeys(self.fields_of(ast.unparse(base))))
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                value = ast.unparse(statement.value) if statement.value else ""
                if "ClassVar" not in ast.unparse(statement.annotation) and "init=False" not in value:
                    fields[statement.target.id] = None
        return list(fields)


@cache
def _read(file: Path) -> _Module:
    return _Module(file)


def _file_of(module: str) -> Path | None:
    """Return the file of a module of this package, or ``None``: no other package is read for inherited options."""
    words = module.split(".")
    if words[0] != "discogan":
        return None
    path = ROOT.joinpath(*words[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
