"""``discogan evaluate``."""

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from discogan.cli.console import print_scores, say


def evaluate(
    run: Path,
    *,
    pairs_a: Path | None = None,
    pairs_b: Path | None = None,
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
    json_file
        Write the scores to this file as well.
    device
        auto, cpu, cuda, mps.
    """
    from discogan import evaluation

    scores = evaluation.evaluate(run, pairs_a, pairs_b, device=device)
    print_scores(scores)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(scores, indent=2) + "\n", "utf-8")
        say(f"Scores written to {json_file}")
