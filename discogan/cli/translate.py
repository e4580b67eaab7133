"""``discogan translate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from discogan.cli.console import progress_bar, say, warn
from discogan.cli.parameters import Device, DirectionFlag, RunPath, Threads
from discogan.directions import Direction
from discogan.errors import ConfigError, DataError

if TYPE_CHECKING:
    from discogan.translator import Translator


MAX_PROBLEMS = 20
"""Images that could not be translated and are named; the others are counted."""


def translate(
    run: RunPath,
    *sources: str,
    direction: DirectionFlag | None = None,
    out: Path,
    round_trip: bool = False,
    original_size: bool = False,
    batch_size: int = 32,
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """Translate an image, a folder (subfolders included) or a glob into PNG files.

    Example: discogan translate runs/one new-sketches/ --direction a_to_b --out translated/

    Parameters
    ----------
    sources
        An image, a folder of images, or a glob in quotes. Several are translated as one folder.
    direction
        a_to_b or b_to_a. An ONNX file has only one, so it needs no --direction.
    out
        Output folder. For a single image it may be a PNG file.
    round_trip
        Write round trips: translate in the direction, then in the reverse one.
    original_size
        Write images at the size of their input instead of the run's size. If the run crops its images, this is the size
        of the cropped square.
    batch_size
        Images translated together.
    """
    from discogan.devices import own_state
    from discogan.images import find_images
    from discogan.translator import Translator

    if not sources:
        raise ConfigError("The input is missing. Give an image, a folder of images or a glob in quotes.")
    translator = Translator.load(run, device)
    direction = direction or _only_direction(translator)
    with progress_bar("translating") as progress, own_state(threads):
        results = translator.translate_files(
            sources,
            out,
            direction,
            round_trip=round_trip,
            original_size=original_size,
            batch_size=batch_size,
            on_file=lambda done, total: progress.update(progress.task_ids[0], completed=done, total=total),
        )
    failed = [result for result in results if result.target is None]
    for result in failed[:MAX_PROBLEMS]:
        warn(f"Skipped: {result.problem}")
    if len(failed) > MAX_PROBLEMS:
        warn(f"Skipped for similar reasons: {len(failed) - MAX_PROBLEMS:,} more.")
    if len(failed) == len(results):
        raise DataError(f"None of the {len(results):,} images could be translated. The lines above say why.")
    count = len(results) - len(failed)
    say(f"{count:,} image{'' if count == 1 else 's'} translated into {out}")
    for source in sources:
        left_out = find_images(Path(source)).left_out if Path(source).is_dir() else None
        if left_out:
            say(f"Left out of {source}: {left_out}.")


def _only_direction(translator: Translator) -> Direction:
    """Return the direction of an ONNX file; raise ``ConfigError`` for a run."""
    from discogan.onnx_model import OnnxModel

    if isinstance(translator.model, OnnxModel):
        return translator.model.direction
    raise ConfigError("The direction is missing. Give --direction a_to_b or --direction b_to_a.")
