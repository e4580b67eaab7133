"""``discogan evaluate``."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from discogan.cli.console import print_azimuths, print_json_alone, print_scores, print_verdict, write_result
from discogan.cli.parameters import Device, JsonFile, RunPath


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
    from discogan import evaluation
    from discogan.checkpoint import RunFolder
    from discogan.errors import DataError
    from discogan.files import write_json

    print_json_alone(json_file)

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
    write_result(json_file, scores)
    if RunFolder(run).exists and os.access(run, os.W_OK):
        write_json(RunFolder(run).evaluation, scores)
