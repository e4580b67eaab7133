"""``discogan demo``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from discogan.cli.console import print_evaluation, say
from discogan.cli.parameters import Device, Threads
from discogan.directions import LABELS, source_domain, target_domain
from discogan.files import atomic_path

if TYPE_CHECKING:
    from discogan.images import Pixels
    from discogan.run_folder import RunFolder
    from discogan.training import Outcome

SHEET_COLUMNS = 12
"""Test images of each domain on the contact sheet."""


def demo(
    *,
    out: Path = Path("runs/demo"),
    minutes: float = 2.5,
    seed: int = 0,
    device: Device = "auto",
    threads: Threads = 0,
) -> int:
    """Draw two domains, train on them without pairs, and score the result on true pairs.

    Needs no data and no network. If the folder holds a demo, its training continues up to the minutes given.

    Example: discogan demo --out runs/demo

    Parameters
    ----------
    out
        Folder for the drawings, the run and the contact sheet.
    minutes
        Training time in total.
    seed
        Seed of the drawings and of the training.
    threads
        CPU threads; 0 uses one per core. If other processes are using the CPU, 1 is often several times faster.
    """
    from discogan import api
    from discogan.devices import own_state
    from discogan.run_folder import RunFolder

    run, data, sheet = RunFolder(out / "run"), out / "data", out / "contact-sheet.png"
    _claim(out, run, seed)
    sheet.unlink(missing_ok=True)  # It would show less training than the run has.
    settings = (
        "training.sample_every_steps=50",
        f"training.device={device}",
        f"training.threads={threads}",
    )
    outcome = _train(run, data, minutes, seed, settings)
    if outcome.ended == "interrupted":
        say(f"Stopped at step {outcome.step:,} and saved a checkpoint. Repeat the command to continue.")
        return 128 + outcome.signal
    with own_state(threads):
        scores = api.evaluate(run.path, data / "test_a", data / "test_b", device=device)
        print_evaluation(scores)
        write_contact_sheet(run.path, data, scores, sheet, device)
    say(f"See {sheet} and {run.report}")
    say("With your own folders: discogan train A B --out RUN")
    return 0


def _claim(out: Path, run: RunFolder, seed: int) -> None:
    """Mark a folder as a demo's; raise ``RunError`` if it holds something else, or a demo of another seed."""
    from discogan.errors import RunError

    marker = out / ".discogan-demo"
    if out.exists() and any(out.iterdir()) and not marker.exists():
        raise RunError(f"{out} holds something other than a demo. Give another --out.")
    if run.exists:
        known_seed = run.describe().config.seed
        if known_seed != seed:
            raise RunError(f"{out} holds a demo of seed {known_seed}. Give another --out for seed {seed}.")
    out.mkdir(parents=True, exist_ok=True)
    marker.touch()


def _train(run: RunFolder, data: Path, minutes: float, seed: int, settings: tuple[str, ...]) -> Outcome:
    """Draw the domains and train on them, or continue an earlier demo."""
    from discogan import api
    from discogan.cli.training_display import TrainingDisplay
    from discogan.data.synthetic import draw_domains

    if run.exists:
        say(f"Continuing the demo in {run.path.parent}. Give another --out to start a new one.")
        with TrainingDisplay() as display:
            return api.resume(run.path, minutes=minutes, settings=settings, observer=display)
    shutil.rmtree(data, ignore_errors=True)
    say("Drawing 600 line drawings, 700 pictures of other objects, and 200 true pairs for scoring.")
    draw_domains(data, seed=seed)
    with TrainingDisplay() as display:
        return api.train(
            data / "train_a",
            data / "train_b",
            out=run.path,
            image_size=64,
            minutes=minutes,
            seed=seed,
            settings=settings,
            observer=display,
        )


def write_contact_sheet(run: Path, data: Path, scores: dict[str, Any], file: Path, device: str = "auto") -> None:
    """Draw test images of both domains, their translations, and their true partners, which training never saw."""
    from discogan.images import decode_image, draw_sheet, from_pixels, image_files, to_pixels
    from discogan.translator import Translator

    translator = Translator.load(run, device)
    images: dict[str, list[Pixels]] = {}
    for domain in ("a", "b"):
        files = image_files(data / f"test_{domain}")[:SHEET_COLUMNS]
        images[domain] = [to_pixels(decode_image(path, 3)) for path in files]
    rows: list[tuple[str, list[Pixels]]] = []
    for direction, label in LABELS.items():
        source, target = source_domain(direction), target_domain(direction)
        translated = translator.translate([from_pixels(pixels) for pixels in images[source]], direction)
        rows.append((f"{source.upper()}, unseen", images[source]))
        rows.append((label, [to_pixels(image) for image in translated]))
        rows.append((f"true {target.upper()}", images[target]))
    shares = " and ".join(f"{scores[direction]['top_1']:.1%} {label}" for direction, label in LABELS.items())
    title = f"Trained without pairs. True partner ranked first of {scores['images_a']}: {shares} (chance: 0.5%)"
    with atomic_path(file) as temporary:
        draw_sheet(rows, title).save(temporary)
