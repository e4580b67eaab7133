"""``discogan report`` and ``discogan compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from discogan.cli.console import print_json_alone, say, write_result
from discogan.cli.parameters import JsonFile, RunFolderPath

Imports = Annotated[
    list[Path] | None,
    Parameter(name="--import", negative="", help="A Python file with components of your own. May be repeated."),
]


def report(run: RunFolderPath, *, imports: Imports = None) -> None:
    """Write a run's report.html again, also during training. The page needs no network."""
    from discogan.report import write_report

    _import_files(imports)
    say(f"Open {write_report(run)}")


def compare(*runs: Path, out: Path = Path("compare.html"), json_file: JsonFile = None, imports: Imports = None) -> None:
    """Write one page about several runs: verdicts, scores, settings that differ, translations of the same images.

    Parameters
    ----------
    runs
        Two or more run folders.
    out
        The page to write.
    """
    from discogan.report import comparison, write_comparison

    print_json_alone(json_file)
    _import_files(imports)
    page = write_comparison(runs, out)
    say(f"Open {page}")
    write_result(json_file, comparison(runs))


def _import_files(files: list[Path] | None) -> None:
    from discogan.registry import import_file

    for file in files or ():
        import_file(file)
