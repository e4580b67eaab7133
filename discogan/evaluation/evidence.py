"""An evaluation with all evidence known for a run, also that of earlier evaluations, recorded in its folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from discogan.config import Table
from discogan.errors import DataError
from discogan.evaluation.azimuth import evaluate_azimuth
from discogan.evaluation.scores import Scores, score_run
from discogan.files import write_json
from discogan.names import absolute
from discogan.run_folder import RunFolder
from discogan.run_summary import read_evaluation

Folders = tuple[Path, ...]


@dataclass(frozen=True)
class Evidence:
    """What an evaluation uses besides the run's own images."""

    pairs: Folders = ()
    """The folders of A and B with true pairs, or none."""
    azimuth: Folders = ()
    """The folders of A and B with known azimuths, or none."""
    against: Folders = ()
    """Reference runs."""

    def to_dict(self) -> dict[str, list[str]]:
        """Absolute paths for JSON."""
        return {kind.name: [str(absolute(path)) for path in getattr(self, kind.name)] for kind in fields(self)}


def evaluate(
    run: str | Path,
    pairs_a: str | Path | None = None,
    pairs_b: str | Path | None = None,
    *,
    azimuth_a: str | Path | None = None,
    azimuth_b: str | Path | None = None,
    metrics: Sequence[str] = (),
    settings: Sequence[str] = (),
    against: Sequence[str | Path] = (),
    device: str = "auto",
) -> Scores:
    """Score a run with the evidence given and that of earlier evaluations, and write evaluation.json.

    ``discogan.evaluate`` describes parameters and result. Raises ``ConfigError``, ``DataError`` and ``RunError``.
    """
    given = Evidence(
        pairs=_both_folders(pairs_a, pairs_b, "True pairs need both folders. Give --pairs-a and --pairs-b."),
        azimuth=_both_folders(azimuth_a, azimuth_b, "Azimuths need both folders. Give --azimuth-a and --azimuth-b."),
        against=tuple(Path(path) for path in against),
    )
    evidence = with_earlier_evidence(given, RunFolder(run))
    scores = score_run(
        run, *evidence.pairs, metrics=metrics, settings=settings, against=evidence.against, device=device
    )
    if evidence.azimuth:
        scores["azimuth"] = evaluate_azimuth(run, *evidence.azimuth, device=device)
    scores["given"] = evidence.to_dict()
    if is_writable_run(run):
        write_json(RunFolder(run).evaluation, scores)
    return scores


def is_writable_run(run: str | Path) -> bool:
    """Whether results can be written to this folder: a run folder, not a single checkpoint, and not read-only."""
    folder = RunFolder(run)
    return folder.exists and not folder.is_checkpoint and os.access(folder.path, os.W_OK)


def with_earlier_evidence(given: Evidence, folder: RunFolder) -> Evidence:
    """Add the evidence of the latest evaluation of the same networks, if it still exists.

    Folders of pairs or azimuths that are given replace earlier ones. Reference runs are added to.
    """
    earlier: Table = {}
    # A stranger's evaluation.json could name any folder of this machine.
    if folder.exists and folder.describe().config.knows_its_images:
        earlier = (read_evaluation(folder) or {}).get("given", {})
    pairs = given.pairs or _existing_folders(earlier.get("pairs", ()))
    azimuth = given.azimuth or _existing_folders(earlier.get("azimuth", ()))
    known = [absolute(path) for path in given.against]
    added = [Path(path) for path in earlier.get("against", ()) if Path(path).exists() and Path(path) not in known]
    return Evidence(pairs, azimuth, (*given.against, *added))


def _both_folders(a: str | Path | None, b: str | Path | None, message: str) -> Folders:
    """Return both folders or none; raise ``DataError`` if only one is given, because an earlier one may not fit it."""
    if (a is None) != (b is None):
        raise DataError(message)
    return (Path(a), Path(b)) if a is not None and b is not None else ()


def _existing_folders(paths: Sequence[str]) -> Folders:
    """Return the folders as paths, or none if one of them is gone."""
    folders = tuple(Path(path) for path in paths)
    return folders if all(folder.exists() for folder in folders) else ()
