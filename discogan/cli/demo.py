"""``discogan demo``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from discogan.cli.console import print_scores, print_verdict, say
from discogan.cli.train import Display
from discogan.directions import DIRECTIONS

if TYPE_CHECKING:
    from discogan.images import Pixels
    from discogan.run_folder import RunFolder
    from discogan.training import Outcome


def demo(*, out: Path = Path("runs/demo"), minutes: float = 2.5, seed: int = 0, threads: int = 0) -> int:
    """Draw two domains, learn how they correspond without pairs, score the result on true pairs.

    Needs no data and no network. A demo that is there already goes on up to the minutes given.

    Parameters
    ----------
    out
        Folder for the drawings, the run and the contact sheet.
    minutes
        Training time in all.
    seed
        The same seed draws the same things.
    threads
        CPU threads, 0 for one a core; 1 is quicker where other work keeps the cores busy.
    """
    from discogan import evaluation
    from discogan.files import write_json
    from discogan.report import write_report
    from discogan.run_folder import RunFolder

    run, data, sheet = RunFolder(out / "run"), out / "data", out / "contact-sheet.png"
    _claim(out, run, seed)
    sheet.unlink(missing_ok=True)  # It would be of less training than the run.
    outcome = _train(run, data, minutes, seed, threads)
    if outcome.ended == "interrupted":
        say(f"Stopped at step {outcome.step:,} with a checkpoint; the same command goes on.")
        return 128 + outcome.signal
    scores = evaluation.evaluate(run.path, data / "test_a", data / "test_b")
    print_scores(scores)
    print_verdict(scores["verdict"])
    write_json(run.evaluation, scores)
    write_report(run.path)
    write_contact_sheet(run.path, data, scores, sheet)
    say(f"Look at {sheet} and {run.report}; with folders of your own: discogan train A B --out RUN")
    return 0


def _claim(out: Path, run: RunFolder, seed: int) -> None:
    """Mark a folder as a demo's; raises ``RunError`` where it holds something else, or a demo of another seed."""
    from discogan.errors import RunError

    marker = out / ".discogan-demo"
    if out.exists() and any(out.iterdir()) and not marker.exists():
        raise RunError(f"{out} holds something other than a demo; give another --out.")
    if run.exists and (known := run.describe().config.seed) != seed:
        raise RunError(f"{out} holds a demo of seed {known}; give another --out for one of seed {seed}.")
    out.mkdir(parents=True, exist_ok=True)
    marker.touch()


def _train(run: RunFolder, data: Path, minutes: float, seed: int, threads: int) -> Outcome:
    """Draw the domains and train on them, or go on where an earlier demo stopped."""
    from discogan import api
    from discogan.data.synthetic import draw_domains

    settings = ("training.sample_every_steps=50", f"training.threads={threads}")
    if run.exists:
        say(f"Going on with the demo in {run.path.parent}; give another --out for a fresh one")
        with Display() as display:
            return api.resume(run.path, minutes=minutes, settings=settings, observer=display.observer())
    shutil.rmtree(data, ignore_errors=True)
    say("Drawing 600 line drawings, 700 pictures of other things, and 200 true pairs to score with")
    draw_domains(data, seed=seed)
    with Display() as display:
        return api.train(
            data / "train_a",
            data / "train_b",
            out=run.path,
            image_size=64,
            minutes=minutes,
            seed=seed,
            settings=settings,
            observer=display.observer(),
        )


def write_contact_sheet(run: Path, data: Path, scores: dict[str, Any], file: Path, columns: int = 12) -> None:
    """Test images of both domains, what the run makes of them, and the true partners it never saw."""
    from discogan.images import decode_image, draw_sheet, from_pixels, image_files, to_pixels
    from discogan.translator import Translator

    translator = Translator.load(run)
    rows: list[tuple[str, list[Pixels]]] = []
    tests = {name: image_files(data / f"test_{name.lower()}")[:columns] for name in "AB"}
    images = {name: [to_pixels(decode_image(path, 3)) for path in paths] for name, paths in tests.items()}
    for one, other, direction in (("A", "B", "a_to_b"), ("B", "A", "b_to_a")):
        translated = translator.translate([from_pixels(pixels) for pixels in images[one]], direction)
        rows += [(f"{one}, unseen", images[one]), (f"{one} to {other}", [to_pixels(image) for image in translated])]
        rows.append((f"true {other}", images[other]))
    right = " and ".join(f"{scores[direction]['top_1']:.1%} {direction}" for direction in DIRECTIONS)
    title = f"Learned without pairs. True partner of {scores['images_a']} ranked first: {right} (chance 0.5%)"
    draw_sheet(rows, title).save(file)
