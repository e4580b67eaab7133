"""Check that a run folder is intact: ``discogan verify``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from discogan.checkpoints import check_state, read_description, read_tensors
from discogan.errors import DiscoGANError
from discogan.model import build_model
from discogan.run_folder import NETWORKS, RunFolder, read_checkpoint_record
from discogan.run_summary import read_evaluation, read_metrics, read_scores, read_verdict


@dataclass(frozen=True)
class Check:
    """The result for one file or folder of a run."""

    path: str
    """Relative to the run folder."""
    status: str
    """``intact``, ``unverified`` (written by version 0.1.0, without digests) or ``damaged``."""
    problem: str = ""


def verify_run(run: str | Path) -> list[Check]:
    """Check every record, checkpoint and sample sheet of a run folder, and of the seeds that it tried.

    Every file of a checkpoint is compared with its SHA-256; keys, shapes and dtypes with the networks that config.json
    describes; and all values must be finite. Changes nothing. Raises ``RunError`` if there is no run.
    """
    folder = RunFolder(run)
    if not folder.plan.exists() or folder.exists:
        folder.describe()
    return [check for each in [folder, *_seed_runs(folder)] for check in _checks(each, folder.path)]


def _seed_runs(folder: RunFolder) -> list[RunFolder]:
    return [RunFolder(path) for path in sorted(folder.seeds.glob("seed-*")) if path.is_dir()]


def _checks(folder: RunFolder, root: Path) -> Iterator[Check]:
    records: list[tuple[Path, Callable[[], object]]] = [
        (folder.config, folder.describe_for_training),
        (folder.plan, folder.read_plan),
        (folder.metrics, lambda: read_metrics(folder)),
        (folder.scores, lambda: read_scores(folder)),
        (folder.verdict, lambda: read_verdict(folder)),
        (folder.evaluation, lambda: read_evaluation(folder)),
    ]
    for file, read in records:
        if file.exists():
            yield _check(file, root, read)
    checkpoints = [*folder.complete_checkpoints(), *folder.broken_checkpoints(), folder.best]
    for checkpoint in [folder.path] if folder.is_checkpoint else checkpoints:
        if checkpoint.exists():
            yield _check_checkpoint(checkpoint, root)
    for sheet in folder.sheets():
        yield _check(sheet, root, lambda sheet=sheet: _decode(sheet))  # type: ignore[misc]


def _check(path: Path, root: Path, read: Callable[[], object]) -> Check:
    name = path.relative_to(root).as_posix()
    try:
        read()
    except (DiscoGANError, OSError, SyntaxError) as error:
        return Check(name, "damaged", str(error))
    return Check(name, "intact")


def _check_checkpoint(checkpoint: Path, root: Path) -> Check:
    def read() -> None:
        record = read_checkpoint_record(checkpoint)
        with torch.device("meta"):
            model = build_model(read_description(checkpoint, record).config)
        for name in NETWORKS:
            check_state(getattr(model, name), read_tensors(checkpoint, name, record), checkpoint, name)
        for name in record.files or {}:
            if name.endswith(".safetensors"):
                read_tensors(checkpoint, name.removesuffix(".safetensors"), record)

    check = _check(checkpoint, root, read)
    if check.status == "intact" and read_checkpoint_record(checkpoint).files is None:
        return Check(check.path, "unverified", "It was written by version 0.1.0, which recorded no digests.")
    return check


def _decode(sheet: Path) -> None:
    with Image.open(sheet) as image:
        image.load()
