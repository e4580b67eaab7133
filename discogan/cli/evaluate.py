"""``discogan evaluate``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from discogan.cli.console import print_azimuths, print_json_alone, print_scores, print_verdict, say, write_result
from discogan.cli.parameters import Device, JsonFile, RunPath

if TYPE_CHECKING:
    from discogan.run_folder import RunFolder


def evaluate(
    run: RunPath,
    *,
    pairs_a: Path | None = None,
    pairs_b: Path | None = None,
    azimuth_a: Path | None = None,
    azimuth_b: Path | None = None,
    metrics: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    inception: Path | None = None,
    against: Annotated[list[Path] | None, Parameter(consume_multiple=True, negative="")] = None,
    json_file: JsonFile = None,
    device: Device = "auto",
) -> None:
    """Score a run: against true pairs where they are known, and by what can be said without them.

    Parameters
    ----------
    pairs_a
        Test images of A; a true pair carries the same name in both folders.
    pairs_b
        Test images of B.
    azimuth_a
        Images of A with known azimuths, best of things that training never saw: a folder with labels.csv (name,azimuth)
        or with files called IDENTITY_azDEGREES.
    azimuth_b
        The same of B.
    metrics
        Further metrics of discogan list: coverage, fid, kid, and lpips where there are true pairs.
    inception
        Inception's weights for fid and kid, where they are not in PyTorch's hub cache.
    against
        Other runs on the same folders, to tell a relation that is found again from one that luck chose.
    """
    from discogan.files import write_json
    from discogan.run_folder import RunFolder

    print_json_alone(json_file)
    folder = RunFolder(run)
    pairs = _both(pairs_a, pairs_b, "True pairs need both folders; give --pairs-a and --pairs-b.")
    azimuth = _both(azimuth_a, azimuth_b, "Azimuths need both folders; give --azimuth-a and --azimuth-b.")
    given = _with_earlier({"pairs": pairs, "azimuth": azimuth, "against": list(against or ())}, folder)
    scores = _score(run, given, device, metrics=metrics or (), inception_weights=inception)
    write_result(json_file, scores)
    if folder.exists and os.access(run, os.W_OK):
        write_json(folder.evaluation, scores)


def _score(run: Path, given: dict[str, list[Path]], device: str, **options: Any) -> dict[str, Any]:
    """All scores by what is given, printed as they come."""
    from discogan import evaluation

    scores = evaluation.evaluate(run, *given["pairs"], against=given["against"], device=device, **options)
    say(f"{run} at step {scores['step']:,}")
    print_scores(scores)
    if given["azimuth"]:
        scores["azimuth"] = evaluation.evaluate_azimuth(run, *given["azimuth"], device=device)
        print_azimuths(scores["azimuth"])
    if scores["verdict"] is not None:
        print_verdict(scores["verdict"])
    else:
        say("No verdict: the images that it was trained on are not here.")
    scores["given"] = {name: [str(path.resolve()) for path in paths] for name, paths in given.items()}
    return scores


def _both(a: Path | None, b: Path | None, otherwise: str) -> list[Path]:
    """Both folders or none; raises ``DataError`` for one alone, which no earlier evaluation may complete."""
    from discogan.errors import DataError

    if (a is None) != (b is None):
        raise DataError(otherwise)
    return [a, b] if a is not None and b is not None else []


def _with_earlier(given: dict[str, list[Path]], run: RunFolder) -> dict[str, list[Path]]:
    """What an evaluation of the same state was given is evidence still, unless other folders take its place."""
    from discogan.run_folder import read_evaluation

    earlier = (read_evaluation(run) or {}).get("given", {}) if run.exists else {}
    known = {name: [Path(path) for path in earlier.get(name, ()) if Path(path).exists()] for name in given}
    others = [path for path in known["against"] if path not in [path.resolve() for path in given["against"]]]
    whole = {name: given[name] or known[name] for name in ("pairs", "azimuth")} | {"against": given["against"] + others}
    for name, label in (("pairs", "true pairs"), ("azimuth", "azimuths"), ("against", "other runs")):
        added = [str(path) for path in whole[name] if path not in given[name]]
        if added:
            say(f"Also with the {label} given before: {', '.join(added)}")
    return whole
