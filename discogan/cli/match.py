"""``discogan match``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from discogan.cli.console import print_json_alone, say, write_result
from discogan.cli.parameters import Device, JsonFile, RunPath
from discogan.errors import ConfigError


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
    json_file: JsonFile = None,
) -> None:
    """Find the likely counterparts in folder B of each image of folder A, by both directions' translations.

    Parameters
    ----------
    a
        Folder of images of domain A.
    b
        Folder of images of domain B.
    out
        The CSV file: path_a,path_b,rank,score, where 0 is no nearer than the neighbours and more is surer.
    count
        Counterparts of each image, 5 unless given.
    one_to_one
        One counterpart each, and no image twice: the assignment that fits best as a whole.
    sheet
        The contact sheet; next to the CSV file, as PNG, unless given.
    """
    from discogan.matching import Matcher

    if out.suffix.lower() != ".csv":
        raise ConfigError(f"{out} is to be a CSV file; call it {out.with_suffix('.csv')}.")
    if one_to_one and count is not None:
        raise ConfigError("One to one gives one counterpart each; leave out --count or --one-to-one.")
    print_json_alone(json_file)
    matcher = Matcher(run, a, b, device)
    matching = matcher.match(5 if count is None else count, one_to_one)
    for problem in matching.skipped:
        say(f"Skipped: {problem}")
    matching.write_csv(out)
    sheet = sheet or out.with_suffix(".png")
    sheet.parent.mkdir(parents=True, exist_ok=True)
    matcher.draw(matching, sheet)
    say(f"{len(matching.matches):,} matches written to {out}, some of them drawn in {sheet}")
    write_result(json_file, asdict(matching))
    if matching.unmatched:
        say(f"{len(matching.unmatched):,} images of A have no counterpart of their own")
