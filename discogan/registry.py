"""What can be chosen by name: objectives, networks, sources, metrics, trackers, export formats.

A component registers itself in the file that defines it, so adding one means adding one file to its package. Looking up
a name imports every module of the package and the entry points of installed packages. A file outside any package is
loaded by ``import_file`` (--import on the command line).
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from discogan.config import Table, make_options
from discogan.errors import ConfigError, RunError, unknown_choice
from discogan.names import absolute, expand_user
from discogan.trust import is_trusted, trust

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Component = TypeVar("Component", bound=Callable[..., Any])


@dataclass(frozen=True)
class Entry:
    """A registered component: its name, what builds it, and the dataclass of its options (or ``None``)."""

    name: str
    build: Callable[..., Any]
    options: type | None

    @property
    def summary(self) -> str:
        """The first line of the component's docstring."""
        return (inspect.getdoc(self.build) or "").partition("\n")[0]

    @property
    def option_names(self) -> list[str]:
        """The options that a configuration may set."""
        return [option.name for option in fields(self.options) if option.init] if self.options else []


class Registry:
    """The components of one kind: those of a package, of entry points, and of imported files."""

    def __init__(self, kind: str, package: str, entry_point_group: str | None = None) -> None:
        self.kind = kind
        self.package = package
        self.entry_point_group = entry_point_group
        self._entries: dict[str, Entry] = {}
        self._loaded = False

    def register(self, name: str, options: type | None = None) -> Callable[[Component], Component]:
        """Return a decorator that makes a class or function available under ``name``.

        ``options`` is the dataclass of its options; a dataclass is its own. Raises ``ConfigError`` if another
        component has the name.
        """

        def add(build: Component) -> Component:
            known = self._entries.get(name)
            if known is not None and _identity(known.build) != _identity(build):
                raise ConfigError(f"There are two {self.kind}s named {name!r}. Register one under another name.")
            own_options = build if isinstance(build, type) and is_dataclass(build) else None
            self._entries[name] = Entry(name, build, options or own_options)
            return build

        return add

    def entries(self) -> dict[str, Entry]:
        """Return all components by name, sorted."""
        if not self._loaded:
            self._loaded = True
            package = importlib.import_module(self.package)
            for module in pkgutil.iter_modules(package.__path__, prefix=self.package + "."):
                importlib.import_module(module.name)
            try:
                for entry_point in self.entry_points():
                    self.load_entry_point(entry_point)
            except ConfigError:
                self._loaded = False
                raise
        return self.registered()

    def registered(self) -> dict[str, Entry]:
        """Return the components that are known so far, sorted, without importing any module."""
        return dict(sorted(self._entries.items()))

    def entry_points(self) -> Iterable[EntryPoint]:
        """Return the entry points of installed packages that register components of this kind."""
        from importlib.metadata import entry_points  # Imported here, because it is slow to import.

        return entry_points(group=self.entry_point_group) if self.entry_point_group else ()

    def load_entry_point(self, entry_point: EntryPoint) -> None:
        """Import a module of an installed package; raise ``ConfigError`` naming the two if that fails."""
        try:
            entry_point.load()
        except Exception as error:
            package = entry_point.dist.name if entry_point.dist else "an installed package"
            raise ConfigError(
                f"The entry point {entry_point.name} = {entry_point.value!r} of {package} cannot be loaded "
                f"({type(error).__name__}: {error}). Fix or uninstall {package}."
            ) from error

    def get(self, name: str) -> Entry:
        """Return the component called ``name``; raise ``ConfigError`` with the choices if there is none."""
        entries = self.entries()
        if name not in entries:
            raise unknown_choice(self.kind, name, entries)
        return entries[name]

    def resolve(self, table: Table, group: str) -> tuple[Entry, Any]:
        """Return the component that an option group of a configuration names, and its options.

        Raises ``ConfigError`` for an unknown name or option; ``group`` is the option group's name in messages.
        """
        if "name" not in table:
            raise ConfigError(f"{group} has no name. Set it with --set {group}.name=...")
        entry = self.get(table["name"])
        if entry.options is None:
            raise ConfigError(
                f"The {self.kind} {entry.name!r} has no options. Make it a dataclass, or register it with a dataclass."
            )
        options = {key: value for key, value in table.items() if key != "name"}
        return entry, make_options(entry.options, options, group)

    def build(self, table: Table, group: str, *arguments: Any) -> Any:
        """Build the component that an option group names: the options themselves, or ``build(*arguments, options)``.

        An objective or a source is its own options; a network is built from shapes and options.
        """
        entry, options = self.resolve(table, group)
        return options if entry.build is entry.options else entry.build(*arguments, options)


def _identity(build: Callable[..., Any]) -> tuple[str, str]:
    """Tell components apart, so that running a notebook cell again replaces its component."""
    return build.__module__, build.__qualname__


GENERATORS = Registry("generator", "discogan.networks", "discogan.networks")
DISCRIMINATORS = Registry("discriminator", "discogan.networks", "discogan.networks")
OBJECTIVES = Registry("objective", "discogan.objectives", "discogan.objectives")
SOURCES = Registry("source", "discogan.data", "discogan.sources")
METRICS = Registry("metric", "discogan.metrics", "discogan.metrics")
TRACKERS = Registry("tracker", "discogan.observers", "discogan.trackers")
EXPORT_FORMATS = Registry("export format", "discogan.exporting", "discogan.export_formats")
RENDERS = Registry("rendered kind", "discogan.experiments.renders")
REGISTRIES = (OBJECTIVES, GENERATORS, DISCRIMINATORS, SOURCES, METRICS, TRACKERS, EXPORT_FORMATS, RENDERS)
"""All of them, in the order of ``discogan list``."""


# Imported files -----------------------------------------------------------------------------------

_imported: dict[str, str] = {}
"""Absolute path of each imported file to the name of its module."""


def imported_files() -> tuple[str, ...]:
    """Return the absolute paths of the files imported so far, which a new run records."""
    return tuple(_imported)


def merge_imports(recorded: Iterable[str]) -> tuple[str, ...]:
    """Return the files that a resumed run records: its earlier ones that still exist, and those imported since."""
    existing = [file for file in recorded if Path(file).is_file()]
    return tuple(dict.fromkeys([*existing, *_imported]))


def import_file(file: str | Path) -> None:
    """Run a Python file that registers components, and remember that this user trusts its content.

    Raises ``ConfigError`` if the file is missing or fails.
    """
    path = absolute(expand_user(str(file).replace("\0", "?")))
    if path.suffix != ".py":
        raise ConfigError(f"{file} is not a Python file, whose name ends in .py. Give the file of your components.")
    if not path.is_file():
        raise ConfigError(f"There is no file {file} to import. Give the Python file that registers your components.")
    source = path.read_bytes()
    _run_file(path, source)
    trust("imports", source)


def load_recorded_imports(files: Iterable[str], run: Path) -> None:
    """Load the files that a run records, if this user imported the same content before.

    A run folder can come from a stranger, so the paths in it must not be enough to run code. Raises ``RunError`` if a
    file is missing, or if its content was never imported by this user.
    """
    for file in files:
        path = Path(file)
        if file in _imported:
            continue
        if not path.is_file():
            if any(Path(imported).name == path.name for imported in _imported):
                continue  # The user passed its new place with --import.
            raise RunError(f"{run} needs {file}, which is missing. Restore it, or pass its new place with --import.")
        source = path.read_bytes()
        if not is_trusted("imports", source):
            raise RunError(
                f"{run} needs {file}, which is new or has changed on this machine. "
                f"Check its code, then add --import {file} to the command."
            )
        _run_file(path, source)


def _run_file(path: Path, source: bytes) -> None:
    """Execute the source of a file as a module of its own, once per process.

    Python's import would read the file again, or a ``__pycache__`` next to it, which may hold other code.
    """
    if str(path) in _imported:
        return
    name = f"discogan_import_{len(_imported)}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    sys.modules[name] = module
    try:
        exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)
    except Exception as error:
        del sys.modules[name]
        raise ConfigError(f"{path} cannot be imported ({type(error).__name__}: {error}). Fix the file.") from error
    _imported[str(path)] = name
