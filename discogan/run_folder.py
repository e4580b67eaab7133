"""The run folder: paths, description, progress, logs and results. No PyTorch here; ``checkpoints`` holds the tensors.

    RUN/config.json                        settings, versions, data fingerprint, directions; written first
    RUN/metrics.jsonl                      losses, one JSON object for each logged step
    RUN/scores.jsonl                       the unsupervised score and the metrics that it is made of
    RUN/samples/step-000500.png
    RUN/checkpoints/step-000500/           generator_ab.safetensors generator_ba.safetensors
                                           discriminator_a.safetensors discriminator_b.safetensors
                                           training_state.safetensors progress.json config.json
    RUN/last                               names the newest checkpoint
    RUN/best/                              the networks to use: the newest whose score is close to the best
    RUN/seeds/seed-3/                      runs of other seeds that --seeds-tried compared
    RUN/seeds/plan.json                    their settings, and the scores of the finished rounds
    RUN/verdict.json                       whether a relation was found, written when the budget is used
    RUN/evaluation.json                    the latest result of discogan evaluate
    RUN/report.html                        all of it on one page

Files and folders appear under their names only when they are complete and on disk (temporary name, fsync, rename).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from discogan.errors import DamagedCheckpointError, RecordError, RunError
from discogan.files import open_regular, suggest_path, write_json
from discogan.records import read_json, read_record
from discogan.registry import load_recorded_imports
from discogan.run_records import CheckpointRecord, FileDigest, Plan, Progress, RunDescription
from discogan.trust import is_trusted, trust

NETWORKS = ("generator_ab", "generator_ba", "discriminator_a", "discriminator_b")
"""The networks of a checkpoint, one safetensors file each."""
FILES_OF_VERSION_0_1 = (*(f"{name}.safetensors" for name in NETWORKS), "training_state.safetensors", "config.json")
"""The files of a checkpoint of version 0.1.0, whose progress.json does not name them."""
CHECKPOINT_NAME = re.compile(r"step-(\d+)")
"""The name of a checkpoint, which holds its step."""
MIN_REFERENCE_PROGRESS = 0.8
"""A reference run must have at least this share of the steps of the longest one."""


class RunFolder:
    """One run on disk."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.checkpoints = self.path / "checkpoints"
        self.last = self.path / "last"
        self.best = self.path / "best"
        self.samples = self.path / "samples"
        self.metrics = self.path / "metrics.jsonl"
        self.scores = self.path / "scores.jsonl"
        self.verdict = self.path / "verdict.json"
        self.evaluation = self.path / "evaluation.json"
        self.report = self.path / "report.html"
        # Version 0.1.0 called the folder "starts".
        self.seeds = self.path / ("starts" if (self.path / "starts").exists() else "seeds")
        self.plan = self.seeds / "plan.json"

    @property
    def exists(self) -> bool:
        """Whether a run was started here."""
        return self.config.exists()

    @property
    def is_checkpoint(self) -> bool:
        """Whether the folder is a single checkpoint, such as RUN/best or a model from the Hub."""
        return any((self.path / name).exists() for name in ("progress.json", f"{NETWORKS[0]}.safetensors"))

    def require_new(self) -> None:
        """Raise ``RunError`` if the folder already holds a run."""
        if self.exists or self.seeds.exists() or (self.checkpoints.exists() and any(self.checkpoints.iterdir())):
            raise RunError(f"{self.path} already holds a run. Continue it with --resume {self.path}, or change --out.")

    def require_resumable(self) -> None:
        """Raise ``RunError`` for a single checkpoint."""
        if self.is_checkpoint:
            raise RunError(
                f"{self.path} is a single checkpoint, not a run folder, so training cannot resume from it. "
                "Pass the run folder to --resume."
            )

    def create(self, description: RunDescription) -> None:
        """Start a run. config.json is written last, because it marks the folder as a run."""
        self.samples.mkdir(parents=True, exist_ok=True)
        self.checkpoints.mkdir(exist_ok=True)
        write_json(self.config, description.to_dict())

    def describe(self, table: Any = None) -> RunDescription:
        """Read config.json and load the user's files that it names; raise ``RunError`` if that fails.

        ``table`` is the content of config.json if it was read already.

        The image folders of a run that was not trained by this user are left out (``trust_images``), because a
        stranger's run could name any folder of this machine.
        """
        description = self.describe_for_training(table)
        return description if is_trusted("images", images_identity(description)) else description.without_images()

    def describe_for_training(self, table: Any = None) -> RunDescription:
        """Return the description with its image folders, which ``--resume`` asks for, whoever trained the run."""
        table = _read_config(self.path) if table is None else table
        description = RunDescription.from_dict(table, self.config)
        load_recorded_imports(description.imports, self.path)
        return description

    def read_plan(self) -> Plan:
        """Return the plan of a run whose seeds are being compared; raise ``RunError`` if it is missing or damaged."""
        plan = Plan.from_dict(read_json(self.plan), self.plan)
        load_recorded_imports(plan.description.imports, self.path)
        return plan

    @property
    def is_search(self) -> bool:
        """Whether seeds are still being compared here: the run itself has not trained further than any of them."""
        if self.exists or not self.plan.exists():
            return False
        own = self.last_checkpoint()
        seeds = [RunFolder(path).last_checkpoint() for path in self.seeds.glob("seed-*")]
        return own is None or step_of(own) <= max((step_of(path) for path in seeds if path), default=0)

    def load_imports(self) -> None:
        """Load the user's files that the run records; raise ``RunError`` if one is missing or not trusted."""
        if self.config.exists():
            self.describe_for_training()
        if self.plan.exists():
            self.read_plan()

    def seed_run(self, seed: int) -> RunFolder:
        """Return the run folder of one of several seeds that are compared."""
        return RunFolder(self.seeds / f"seed-{seed}")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for writing; raise ``RunError`` if another process holds it."""
        if not self.path.is_dir():
            raise RunError(f"There is no run at {self.path}. Start one with discogan train A B --out {self.path}.")
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(blocking=False)
        except Timeout as error:
            raise RunError(f"Another process is training {self.path}. Wait for it or stop it.") from error
        with lock:
            yield

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold a new run, also while its images are prepared; raise ``RunError`` if the folder holds a run already.

        If nothing was written, the folder is removed again.
        """
        is_new = not self.path.exists()
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with self.locked():
                self.require_new()
                yield
        finally:
            if is_new and [path.name for path in self.path.iterdir()] == [".lock"]:
                (self.path / ".lock").unlink()
                self.path.rmdir()

    def sheets(self) -> list[Path]:
        """Return the sample sheets that training wrote, oldest first."""
        return sorted(self.samples.glob("step-*.png"), key=step_of)

    def last_checkpoint(self) -> Path | None:
        """Return the newest complete checkpoint, or ``None``."""
        return max(self.complete_checkpoints(), key=step_of, default=None)

    def complete_checkpoints(self) -> list[Path]:
        """Return the complete checkpoints, oldest first. Finding, writing and pruning use this one definition."""
        return sorted(filter(is_complete_checkpoint, self.checkpoints.glob("step-*")), key=step_of)

    def broken_checkpoints(self) -> list[Path]:
        """Return the folders that are named like a checkpoint but are not complete, by name."""
        named = [path for path in self.checkpoints.glob("step-*") if CHECKPOINT_NAME.fullmatch(path.name)]
        return sorted(path for path in named if not is_complete_checkpoint(path))

    @property
    def former_best(self) -> Path:
        """The folder that holds the former best/ for the moment between the two renames that replace it."""
        return self.path / ".dropping-best"

    def inference_checkpoint(self, skipped: Container[Path] = ()) -> Path:
        """Return the checkpoint to use: the folder itself if it is one, else best/, else the newest.

        ``skipped`` checkpoints are damaged and not considered. Raises ``RunError`` if there is none.
        """
        if self.is_checkpoint:
            return self.path
        bests = [path for path in (self.best, self.former_best) if path.exists()]
        if bests and self.best not in skipped:
            return self.best
        for candidate in [*bests, *reversed(self.complete_checkpoints())]:
            if candidate not in skipped:
                return candidate
        _read_config(self.path)
        raise RunError(f"{self.path} has no checkpoint yet. Continue with discogan train --resume {self.path}.")


def step_of(path: Path) -> int:
    """Return the step in the name of a checkpoint or a sample sheet."""
    return int(path.stem.rpartition("-")[2])


# Checkpoints --------------------------------------------------------------------------------------


def is_complete_checkpoint(folder: Path) -> bool:
    """Return whether a folder is named like a checkpoint and holds what its progress.json records.

    The step must be the one in the name, and each file must have its recorded size. The content is verified when the
    checkpoint is loaded.
    """
    return bool(CHECKPOINT_NAME.fullmatch(folder.name)) and not find_damage(folder)


def find_damage(checkpoint: Path) -> str:
    """Return why a checkpoint in a folder ``step-N`` is not complete; empty if it is."""
    try:
        record = read_checkpoint_record(checkpoint)
    except DamagedCheckpointError as error:
        return error.problem
    if record.step != step_of(checkpoint):
        return f"progress.json records step {record.step}"
    sizes = {name: digest.bytes for name, digest in (record.files or {}).items()}
    for name in sizes or FILES_OF_VERSION_0_1:
        file = checkpoint / name
        if not file.is_file():
            return f"{name} is missing"
        if sizes and file.stat().st_size != sizes[name]:
            return f"{name} has {file.stat().st_size:,} bytes instead of {sizes[name]:,}"
    return ""


def read_checkpoint_record(checkpoint: Path) -> CheckpointRecord:
    """Return a checkpoint's progress.json; raise ``DamagedCheckpointError`` if it is missing or damaged."""
    try:
        return read_record(checkpoint / "progress.json", CheckpointRecord)
    except RecordError as error:
        raise DamagedCheckpointError(checkpoint, f"progress.json: {error.problem}") from error


def read_progress(checkpoint: Path) -> Progress:
    """Return the progress at which a checkpoint was written.

    Raises ``DamagedCheckpointError`` if progress.json is missing or damaged.
    """
    return read_checkpoint_record(checkpoint).progress


def write_checkpoint_record(checkpoint: Path, progress: Progress) -> None:
    """Write progress.json, with a digest of every tensor file and of config.json. It completes the checkpoint."""
    digests = {}
    for file in sorted([*checkpoint.glob("*.safetensors"), checkpoint / "config.json"]):
        digests[file.name] = asdict(digest_file(file))
    write_json(checkpoint / "progress.json", {**asdict(progress), "files": digests})


def digest_file(file: Path) -> FileDigest:
    """Return the size and the SHA-256 of a file."""
    with open_regular(file) as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return FileDigest(file.stat().st_size, digest)


def read_verified(checkpoint: Path, name: str, record: CheckpointRecord) -> bytes:
    """Return a file of a checkpoint; raise ``DamagedCheckpointError`` unless it is the one that ``record`` names.

    Checkpoints of version 0.1.0 have no digests, so their files are read as they are.
    """
    if record.files is not None and name not in record.files:
        raise DamagedCheckpointError(checkpoint, f"progress.json does not record {name}")
    try:
        with open_regular(checkpoint / name) as file:
            size = os.fstat(file.fileno()).st_size
            if record.files is not None and size != record.files[name].bytes:
                raise DamagedCheckpointError(checkpoint, f"{name} has changed since it was written (its size differs)")
            data = file.read(size)
    except OSError as error:
        raise DamagedCheckpointError(checkpoint, f"{name} cannot be read ({error.strerror})") from error
    if record.files is None:
        return data
    if hashlib.sha256(data).hexdigest() != record.files[name].sha256:
        raise DamagedCheckpointError(checkpoint, f"{name} has changed since it was written (its SHA-256 differs)")
    return data


# Several seeds ------------------------------------------------------------------------------------


def reference_checkpoints(run: Path, seed: int) -> list[Path]:
    """Return the newest checkpoints of a run's other seeds, without the runs that were eliminated early.

    A run that was stopped early has learned too little to agree with anything, and a run that diverged in the first
    round has no score.
    """
    folder = RunFolder(run)
    if not folder.plan.exists():
        return []
    rounds = folder.read_plan().rounds
    scored_seeds = sorted(int(name) for name in rounds[0]) if rounds else []
    steps: dict[Path, int] = {}
    for scored_seed in scored_seeds:
        checkpoint = folder.seed_run(scored_seed).last_checkpoint()
        if scored_seed != seed and checkpoint is not None:
            steps[checkpoint] = read_progress(checkpoint).step
    return [path for path, step in steps.items() if step >= MIN_REFERENCE_PROGRESS * max(steps.values())]


# Image folders that may be opened -----------------------------------------------------------------


def images_identity(description: RunDescription) -> bytes:
    """Return what identifies the image folders of a run: their paths, and the fingerprints of their images."""
    config = description.config
    keys = [description.data.of(domain).key for domain in "ab"]
    return json.dumps([config.source, config.anchors.file, keys, description.data.anchors]).encode()


def trust_images(description: RunDescription) -> None:
    """Allow all commands of this user to open the image folders that the run names."""
    trust("images", images_identity(description))


def _read_config(folder: Path) -> Any:
    if folder.suffix == ".onnx" and folder.is_file():
        raise RunError(f"{folder} is an exported model. This command needs the run folder that it came from.")
    if folder.is_file():
        raise RunError(f"{folder} is a file. Give the run folder.")
    if not folder.exists():
        raise RunError(
            f"There is no run at {folder}{suggest_path(folder)}. Start one with discogan train A B --out {folder}."
        )
    if not (folder / "config.json").exists():
        newest = RunFolder(folder).last_checkpoint()
        if newest is not None:
            raise RunError(f"{folder / 'config.json'} is missing. Copy {newest / 'config.json'} to it.")
        inner = next(folder.glob("*/config.json"), None)
        advice = f"There is one at {inner.parent}." if inner else f"Start one with discogan train A B --out {folder}."
        raise RunError(f"There is no run at {folder} (no config.json). {advice}")
    return read_json(folder / "config.json")
