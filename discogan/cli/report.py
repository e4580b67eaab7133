"""``discogan report`` and ``discogan compare``."""

from __future__ import annotations

from pathlib import Path

from discogan.cli.console import print_json_alone, say, write_result
from discogan.cli.parameters import JsonFile, RunFolderPath


def report(run: RunFolderPath) -> None:
    """Make a run's report.html anew, also while it trains: one page that needs no network."""
    from discogan.report import write_report

    say(f"Look at {write_report(run)}")


def compare(*runs: Path, out: Path = Path("compare.html"), json_file: JsonFile = None) -> None:
    """Lay runs side by side on one page: verdicts, scores, settings that differ, translations of the same images.

    Parameters
    ----------
    runs
        Two run folders or more.
    out
        The page to write.
    """
    from discogan.report import comparison, write_comparison

    print_json_alone(json_file)
    page = write_comparison(runs, out)
    say(f"Look at {page}")
    write_result(json_file, comparison(runs))
