"""``discogan evaluate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from discogan.cli.console import print_evaluation, print_json_alone, say, write_result
from discogan.cli.parameters import Device, JsonFile, RunPath, Threads
from discogan.names import absolute

EVIDENCE_LABELS = {"pairs": "true pairs", "azimuth": "azimuths", "against": "other runs"}


def evaluate(
    run: RunPath,
    *,
    pairs_a: Path | None = None,
    pairs_b: Path | None = None,
    azimuth_a: Path | None = None,
    azimuth_b: Path | None = None,
    metrics: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    settings: Annotated[list[str] | None, Parameter(name="--set")] = None,
    against: Annotated[list[Path] | None, Parameter(consume_multiple=True)] = None,
    inception: Path | None = None,
    json_file: JsonFile = None,
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """Score a run without pairs, and on true pairs if you have them, and give a verdict.

    Evidence of earlier evaluations of the same checkpoint still counts. The command also writes the report again.

    Example: discogan evaluate runs/one --pairs-a test/sketches --pairs-b test/photos

    Parameters
    ----------
    pairs_a
        Test images of A. A true pair has the same name in both folders.
    pairs_b
        Test images of B.
    azimuth_a
        Images of A with known azimuths, preferably of objects that training did not use. The folder has a file
        labels.csv (name,azimuth) or files named IDENTITY_azDEGREES.
    azimuth_b
        Images of B with known azimuths.
    metrics
        Additional metrics, such as coverage, fid, kid and lpips. discogan list shows all metrics.
    settings
        METRIC.OPTION=VALUE, such as fid.weights=FILE. May be repeated.
    against
        Runs on the same folders with other seeds, to see whether they find the same relation.
    inception
        Inception's weights for fid and kid, if they are not in PyTorch's hub cache.
    """
    from discogan import api
    from discogan.devices import own_state
    from discogan.evaluation import is_writable_run
    from discogan.run_folder import RunFolder

    print_json_alone(json_file)
    with own_state(threads):
        scores = api.evaluate(
            run,
            pairs_a,
            pairs_b,
            azimuth_a=azimuth_a,
            azimuth_b=azimuth_b,
            metrics=metrics or (),
            settings=settings or (),
            against=against or (),
            inception_weights=inception,
            device=device,
        )
    given: dict[str, Sequence[Path | None]] = {
        "pairs": [pairs_a, pairs_b],
        "azimuth": [azimuth_a, azimuth_b],
        "against": against or [],
    }
    print_evaluation(scores, _notes_on_earlier_evidence(scores["given"], given))
    if json_file is not None:
        write_result(json_file, scores)
    elif is_writable_run(run):
        say(f"All values: {RunFolder(run).report}, or --json FILE.")
    else:
        say("All values: --json FILE.")


def _notes_on_earlier_evidence(
    used: Mapping[str, Sequence[str]], given: Mapping[str, Sequence[Path | None]]
) -> list[str]:
    """Return a line that names evidence which comes from an earlier evaluation; no line if there is none."""
    parts = []
    for kind, label in EVIDENCE_LABELS.items():
        given_now = {str(absolute(path)) for path in given[kind] if path is not None}
        earlier = [path for path in used[kind] if path not in given_now]
        if earlier:
            parts.append(f"the {label} given before ({', '.join(earlier)})")
    return [f"Also uses {' and '.join(parts)}."] if parts else []
