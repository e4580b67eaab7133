"""``discogan chain``."""

from __future__ import annotations

from pathlib import Path

from discogan.cli.console import say
from discogan.cli.parameters import Device, Threads
from discogan.directions import DIRECTIONS, Direction
from discogan.errors import ConfigError
from discogan.files import atomic_path


def chain(
    source: Path,
    /,
    *steps: str,
    out: Path,
    count: int = 12,
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """Translate images several times in a row and draw every step.

    The steps may go back and forth with one run (A to B to A), or pass one run's output to another.

    Example: discogan chain new-sketches/ runs/one:a_to_b runs/one:b_to_a --out chain.png

    Parameters
    ----------
    source
        An image, a folder of images, or a glob in quotes.
    steps
        RUN:a_to_b or RUN:b_to_a, applied in this order.
    out
        The sheet, a PNG file with one row per step.
    count
        Number of images, evenly spread over the source.
    """
    from discogan.devices import own_state
    from discogan.images import decode_image, draw_sheet, evenly_spaced, to_pixels
    from discogan.images.inputs import input_files
    from discogan.translator import Translator, translate_chain

    if not steps:
        raise ConfigError("Give at least one step, RUN:a_to_b or RUN:b_to_a.")
    parsed = [_parse(step) for step in steps]
    runs = {run for run, _ in parsed}
    translators = {run: Translator.load(run, device) for run in runs}
    files = [path for path, _ in input_files(source)]
    files = [files[index] for index in evenly_spaced(len(files), max(1, count))]
    with own_state(threads):
        rows = translate_chain(
            [decode_image(path, 3) for path in files], [(translators[run], direction) for run, direction in parsed]
        )
    names = ["input", *(f"{Path(run).name} {direction}" for run, direction in parsed)]
    sheet_rows = []
    for name, row in zip(names, rows, strict=True):
        sheet_rows.append((name, [to_pixels(image) for image in row]))
    with atomic_path(out) as temporary:
        draw_sheet(sheet_rows).save(temporary)
    say(f"Drew {len(files)} images and {len(parsed)} translation steps in {out}")


def _parse(step: str) -> tuple[str, Direction]:
    """Split RUN:DIRECTION; raise ``ConfigError`` for anything else."""
    run, colon, name = step.rpartition(":")
    for direction in DIRECTIONS:
        if colon and name == direction:
            return run, direction
    raise ConfigError(f"The step {step!r} is not valid. Give RUN:a_to_b or RUN:b_to_a.")
