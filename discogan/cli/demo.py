"""``discogan demo``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from discogan.cli.console import print_scores, print_verdict, say
from discogan.cli.train import Display

if TYPE_CHECKING:
    from discogan.images import Pixels


def demo(*, out: Path = Path("runs/demo"), minutes: float = 2.5, seed: int = 0, threads: int = 0) -> int:
    """Draw two domains, learn how they correspond without pairs, score the result on true pairs.

    Needs no data and no network. A folder with an earlier demo is made anew.

    Parameters
    ----------
    out
        Folder for the drawings, the run and the contact sheet.
    minutes
        Training time.
    seed
        The same seed draws the same things.
    threads
        CPU threads, 0 for one a core; 1 is quicker where other work keeps the cores busy.
    """
    from discogan import api, evaluation
    from discogan.checkpoint import RunFolder
    from discogan.data.synthetic import draw_domains
    from discogan.errors import RunError
    from discogan.files import write_json
    from discogan.report import write_report

    marker = out / ".discogan-demo"
    if out.exists() and any(out.iterdir()) and not marker.exists():
        raise RunError(f"{out} holds something other than a demo; give another --out.")
    for part in ("data", "run"):
        shutil.rmtree(out / part, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    marker.touch()
    data = out / "data"
    say("Drawing 600 line drawings, 700 pictures of other things, and 200 true pairs to score with")
    draw_domains(data, seed=seed)
    with Display() as display:
        outcome = api.train(
            data / "train_a",
            data / "train_b",
            out=out / "run",
            image_size=64,
            minutes=minutes,
            seed=seed,
            settings=("training.sample_every_steps=50", f"training.threads={threads}"),
            observer=display.observer(),
        )
    if outcome.ended == "interrupted":
        return 128 + outcome.signal
    scores = evaluation.evaluate(out / "run", data / "test_a", data / "test_b")
    print_scores(scores)
    print_verdict(scores["verdict"])
    run = RunFolder(out / "run")
    write_json(run.evaluation, scores)
    write_report(run.path)
    write_contact_sheet(out / "run", data, scores, out / "contact-sheet.png")
    say(f"Look at {out / 'contact-sheet.png'} and {run.report}; with folders of your own: discogan train A B --out RUN")
    return 0


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
    right = " and ".join(f"{scores[direction]['top_1']:.0%} {direction}" for direction in ("a_to_b", "b_to_a"))
    title = f"Learned without pairs. True partner of {scores['images_a']} ranked first: {right} (chance 0.5%)"
    draw_sheet(rows, title).save(file)
