"""``discogan chain``."""

from __future__ import annotations

from pathlib import Path

from discogan.cli.console import say
from discogan.cli.parameters import Device
from discogan.directions import DIRECTIONS

SHOWN = 12


def chain(
    source: Path,
    /,
    *steps: str,
    out: Path,
    count: int = SHOWN,
    device: Device = "auto",
) -> None:
    """Translate images again and again and draw every step: A to B to A to B, or one run's result through another.

    Parameters
    ----------
    source
        An image, a folder of images or a glob.
    steps
        RUN:a_to_b or RUN:b_to_a, applied in this order.
    out
        The sheet, a PNG file: one row a step.
    count
        How many images, evenly spread.
    """
    from discogan.images import decode_image, draw_sheet, to_pixels
    from discogan.translator import Translator, input_files, translate_chain

    parsed = [_parse(step) for step in steps]
    translators = {run: Translator.load(run, device) for run in dict.fromkeys(run for run, _ in parsed)}
    files = [path for path, _ in input_files(source)]
    shown = max(1, min(count, len(files)))
    files = [files[place * (len(files) - 1) // max(1, shown - 1)] for place in range(shown)]
    rows = translate_chain(
        [decode_image(path, 3) for path in files], [(translators[run], direction) for run, direction in parsed]
    )
    names = ["input", *(f"{Path(run).name} {direction}" for run, direction in parsed)]
    out.parent.mkdir(parents=True, exist_ok=True)
    draw_sheet([(name, [to_pixels(image) for image in row]) for name, row in zip(names, rows, strict=True)]).save(out)
    say(f"{len(files)} images, {len(parsed)} steps: {out}")


def _parse(step: str) -> tuple[str, str]:
    """RUN:DIRECTION; raises ``ConfigError`` for anything else."""
    from discogan.errors import ConfigError

    run, colon, direction = step.rpartition(":")
    if not colon or direction not in DIRECTIONS:
        raise ConfigError(f"A step is RUN:a_to_b or RUN:b_to_a, not {step!r}.")
    return run, direction
