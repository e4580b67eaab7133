"""``discogan evaluate``."""

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from discogan.cli.console import print_azimuths, print_scores, print_verdict, say


def evaluate(
    run: Path,
    *,
    pairs_a: Path | None = None,
    pairs_b: Path | None = None,
    azimuth_a: Path | None = None,
    azimuth_b: Path | None = None,
    metrics: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    inception: Path | None = None,
    against: Annotated[list[Path] | None, Parameter(consume_multiple=True, negative="")] = None,
    json_file: Annotated[Path | None, Parameter(name="--json")] = None,
    device: str = "auto",
) -> None:
    """Score a run: against true pairs where they are known, and by what can be said without them.

    Parameters
    ----------
    run
        A run, or one of its checkpoints.
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
        Further metrics: coverage, fid, kid, and lpips where there are true pairs.
    inception
        Inception's weights for fid and kid, where they are not in PyTorch's hub cache.
    against
        Other runs on the same folders, to tell a relation that is found again from one that luck chose.
    json_file
        Write the scores to this file as well.
    device
        auto, cpu, cuda, mps.
    """
    from discogan import evaluation
    from discogan.errors import DataError

    if (azimuth_a is None) != (azimuth_b is None):
        raise DataError("Azimuths need both folders; give --azimuth-a and --azimuth-b.")
    scores = evaluation.evaluate(
        run, pairs_a, pairs_b, metrics=metrics or (), inception_weights=inception, against=against or (), device=device
    )
    print_scores(scores)
    if azimuth_a is not None and azimuth_b is not None:
        scores["azimuth"] = evaluation.evaluate_azimuth(run, azimuth_a, azimuth_b, device=device)
        print_azimuths(scores["azimuth"])
    if scores["verdict"] is not None:
        print_verdict(scores["verdict"])
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(scores, indent=2) + "\n", "utf-8")
        say(f"Scores written to {json_file}")
