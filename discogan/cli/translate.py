"""``discogan translate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from discogan.cli.console import errors, progress_bar, say
from discogan.cli.parameters import Device, DirectionFlag, RunPath
from discogan.directions import Direction
from discogan.errors import ConfigError, DataError

if TYPE_CHECKING:
    from discogan.translator import Translator


def translate(
    run: RunPath,
    source: str,
    *,
    direction: DirectionFlag | None = None,
    out: Path,
    round_trip: bool = False,
    original_size: bool = False,
    batch_size: int = 32,
    device: Device = "auto",
) -> None:
    """Translate a file, a folder (its tree is kept) or a glob into PNG files.

    Parameters
    ----------
    source
        An image, a folder of images, or a glob in quotes.
    direction
        a_to_b or b_to_a; an ONNX file has its own.
    out
        Folder for the results; for one file also the name of its result, as out.png.
    round_trip
        Translate there and back.
    original_size
        Return images at their input's size instead of the run's (of the square that a crop kept).
    batch_size
        Images at a time.
    """
    from discogan.translator import Translator

    translator = Translator.load(run, device)
    direction = direction or _only_direction(translator)
    with progress_bar("translating") as progress:
        results = translator.translate_files(
            source,
            out,
            direction,
            round_trip=round_trip,
            original_size=original_size,
            batch_size=batch_size,
            on_file=lambda done, total: progress.update(progress.task_ids[0], completed=done, total=total),
        )
    broken = [result for result in results if result.target is None]
    for result in broken:
        errors.print(f"Skipped: {result.problem}", highlight=False, soft_wrap=True, markup=False)
    if len(broken) == len(results):
        raise DataError(f"None of the {len(results)} inputs could be read; give readable images.")
    done = len(results) - len(broken)
    say(f"{done:,} image{'' if done == 1 else 's'} translated into {out}")


def _only_direction(translator: Translator) -> Direction:
    """The direction of what has one alone; raises ``ConfigError`` for a run."""
    from discogan.onnx_model import OnnxModel

    if isinstance(translator.model, OnnxModel):
        return translator.model.direction
    raise ConfigError("Say which way: --direction a_to_b or --direction b_to_a.")
