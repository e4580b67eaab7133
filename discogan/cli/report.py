"""``discogan report`` and ``discogan compare``."""

from __future__ import annotations

from pathlib import Path

from discogan.cli.console import print_json_alone, say, write_result
from discogan.cli.parameters import Device, JsonFile, RunFolderPath, Threads


def report(run: RunFolderPath, *, device: Device = "cpu", threads: Threads = 0) -> None:
    """Write a run's report.html again, also during training. The page loads nothing from the network.

    Example: discogan report runs/one
    """
    from discogan.devices import own_state
    from discogan.report import write_report

    with own_state(threads):
        page = write_report(run, device)
    say(f"Open {page}")


def compare(
    *runs: Path,
    out: Path = Path("compare.html"),
    json_file: JsonFile = None,
    device: Device = "cpu",
    threads: Threads = 0,
) -> None:
    """Write one page about several runs: verdicts, scores, settings that differ, translations of the same images.

    Example: discogan compare runs/one runs/two --out compare.html

    Parameters
    ----------
    runs
        Two or more run folders.
    out
        The page to write.
    """
    from discogan.devices import own_state
    from discogan.report import comparison, write_comparison

    print_json_alone(json_file)
    with own_state(threads):
        page = write_comparison(runs, out, device)
    say(f"Open {page}")
    write_result(json_file, comparison(runs))
