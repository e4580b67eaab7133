"""``discogan match``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from discogan.cli.console import print_json_alone, say, write_result
from discogan.cli.parameters import Device, JsonFile, RunPath, Threads
from discogan.errors import ConfigError

DEFAULT_COUNT = 5
"""Counterparts of each image unless --count is given."""


def match(
    run: RunPath,
    a: Path,
    b: Path,
    *,
    out: Path,
    count: int | None = None,
    one_to_one: bool = False,
    sheet: Path | None = None,
    device: Device = "auto",
    threads: Threads = 0,
    json_file: JsonFile = None,
) -> None:
    """Find the likely counterparts in folder B of each image in folder A, by the translations of a run.

    Example: discogan match runs/one sketches/ photos/ --out matches.csv

    Parameters
    ----------
    a
        Folder of images of domain A.
    b
        Folder of images of domain B.
    out
        The CSV file, with the columns path_a,path_b,rank,score. A higher score is more certain; at 0 or below, other
        candidates are as close.
    count
        Counterparts of each image (default: 5).
    one_to_one
        Give each image at most one counterpart, and use no image twice: the assignment with the least total distance.
    sheet
        The contact sheet, a PNG file (default: next to the CSV file).
    """
    from discogan.devices import own_state
    from discogan.matching import Matcher

    if out.suffix.lower() != ".csv":
        raise ConfigError(f"--out must be a CSV file, not {out}. Call it {out.with_suffix('.csv')}.")
    if one_to_one and count is not None:
        raise ConfigError("--one-to-one gives each image one counterpart. Leave out --count or --one-to-one.")
    print_json_alone(json_file)
    sheet = sheet or out.with_suffix(".png")
    with own_state(threads):
        matcher = Matcher(run, a, b, device)
        for domain, store in (("A", matcher.store_a), ("B", matcher.store_b)):
            for remark in store.remarks():
                say(f"Images of {domain}: {remark}")
        matching = matcher.match(DEFAULT_COUNT if count is None else count, one_to_one)
        for problem in matching.skipped:
            say(f"Skipped: {problem}")
        matching.write_csv(out)
        matcher.draw(matching, sheet)
    say(f"{len(matching.matches):,} matches written to {out}. A sample is drawn in {sheet}.")
    write_result(json_file, asdict(matching))
    if matching.unmatched:
        say(f"{len(matching.unmatched):,} images of A have no counterpart.")
