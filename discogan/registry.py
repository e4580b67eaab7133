"""What can be chosen by name: generators, discriminators, objectives, sources, metrics.

A part registers itself where it is defined; adding one is adding one file to its package. Looking
a name up imports every module of the package first, so a new file is found without being listed.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from typing import Any, TypeVar

from discogan.config import Table, make_options
from discogan.errors import ConfigError, unknown_choice

Part = TypeVar("Part", bound=Callable[..., Any])


@dataclass(frozen=True)
class Entry:
    """A registered part: its name, what builds it, and the dataclass of its options (or ``None``)."""

    name: str
    build: Callable[..., Any]
    options: type | None

    @property
    def summary(self) -> str:
        """The first line of the part's docstring."""
        return (inspect.getdoc(self.build) or "").partition("\n")[0]


class Registry:
    """The parts of one kind, filled by the modules of one package."""

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self.package = package
        self._entries: dict[str, Entry] = {}

    def register(self, name: str, options: type | None = None) -> Callable[[Part], Part]:
        """Class or function decorator that makes a part available under ``name``.

        A part that is itself the dataclass of its options, as objectives are, leaves ``options`` out.
        """

        def add(build: Part) -> Part:
            own = build if isinstance(build, type) and is_dataclass(build) else None
            self._entries[name] = Entry(name, build, options or own)
            return build

        return add

    def entries(self) -> dict[str, Entry]:
        """All parts by name, sorted."""
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__, prefix=self.package + "."):
            importlib.import_module(module.name)
        return dict(sorted(self._entries.items()))

    def get(self, name: str) -> Entry:
        """The part called ``name``; raises ``ConfigError`` naming the choices."""
        entries = self.entries()
        if name not in entries:
            raise unknown_choice(self.kind, name, entries)
        return entries[name]

    def resolve(self, table: Table, part: str) -> tuple[Entry, Any]:
        """The part that a configuration table names, and its options from the table's other keys.

        Raises ``ConfigError`` for an unknown name or option; ``part`` is what the user calls the table.
        """
        if "name" not in table:
            raise ConfigError(f"{part} has no name; give it as --set {part}.name=...")
        entry = self.get(table["name"])
        assert entry.options is not None
        return entry, make_options(entry.options, {key: value for key, value in table.items() if key != "name"}, part)


GENERATORS = Registry("generator", "discogan.networks")
DISCRIMINATORS = Registry("discriminator", "discogan.networks")
OBJECTIVES = Registry("objective", "discogan.objectives")
SOURCES = Registry("source", "discogan.data")
METRICS = Registry("metric", "discogan.metrics")
RENDERS = Registry("rendered kind", "discogan.renders")
