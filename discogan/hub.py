"""Share runs on the Hugging Face Hub: weights, config.json and a model card, without the paths of this machine."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from discogan.checkpoints import load_model
from discogan.errors import DiscoGANWarning, RunError
from discogan.extras import import_extra
from discogan.files import UNFINISHED_NAME, read_regular, remove_left_overs, unfinished_name, write_json, write_text
from discogan.names import absolute
from discogan.pages import render
from discogan.report.tables import describe_verdict, score_rows, verdict_metric_rows
from discogan.run_folder import NETWORKS, RunFolder, read_checkpoint_record, read_verified, write_checkpoint_record
from discogan.run_summary import RunSummary, read_summary

REPOSITORY_NAME = re.compile(r"[\w.-]+/[\w.-]+")
CARD = "README.md"
MARK = re.compile(r"\n<!-- discogan card ([0-9a-f]{64}) -->\n$")
"""The last line of a generated card: the SHA-256 of the text before it tells whether a person has edited it."""
SHARED_FILES = (
    *(f"{network}.safetensors" for network in NETWORKS),
    "config.json",
    "verdict.json",
    "evaluation.json",
    "samples.png",
    CARD,
    "progress.json",
)
"""Files of a package, in the order in which they appear; a former package's other files are removed."""
LOADED_FILES = ("*.safetensors", "*.json")
"""Files of a repository that loading a run needs."""


def package(
    run: str | Path, folder: str | Path, licence: str = "", name: str = "USER/NAME", samples: bool = False
) -> Path:
    """Write the files to share into ``folder``; raise ``RunError`` if the run has no checkpoint yet.

    The files are:

    - the networks of the best checkpoint
    - config.json without the paths and file names of this machine
    - verdict.json and evaluation.json, if the run has them
    - README.md, a model card that calls the repository ``name``
    - with ``samples``, a sheet of training images and their translations
    """
    summary = read_summary(run)
    checkpoint = summary.folder.inference_checkpoint()
    folder = Path(folder)
    for place in map(RunFolder, [folder, *absolute(folder).parents]):
        if place.exists and place.checkpoints.is_dir():
            raise RunError(f"{folder} is a run folder or inside one. Give another folder for the files to share.")
    is_package = RunFolder(folder).is_checkpoint
    if folder.is_dir() and not is_package:
        foreign = sorted(file.name for file in folder.iterdir() if not UNFINISHED_NAME.match(file.name))
        if foreign:
            raise RunError(f"{folder} has a file {foreign[0]} of another origin. Give an empty folder.")
    keeps_card = is_edited_card(folder / CARD)
    if keeps_card:
        message = f"{folder / CARD} was edited, so it stays as it is. Delete it to get a new one."
        warnings.warn(message, DiscoGANWarning, stacklevel=2)
    load_model(checkpoint, torch.device("cpu"))  # Damaged weights must not be shared.
    folder.mkdir(parents=True, exist_ok=True)
    remove_left_overs(folder)
    temporary = folder / unfinished_name()
    temporary.mkdir()
    try:
        _write_package(summary, checkpoint, temporary, licence, name, samples)
        # First, so that a kill leaves no mixture of two runs that can be loaded.
        (folder / "progress.json").unlink(missing_ok=True)
        for file in SHARED_FILES:
            if file == CARD and keeps_card:
                continue
            if (temporary / file).exists():
                (temporary / file).replace(folder / file)
            else:
                (folder / file).unlink(missing_ok=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _write_package(summary: RunSummary, checkpoint: Path, folder: Path, licence: str, name: str, samples: bool) -> None:
    record = read_checkpoint_record(checkpoint)
    for network in NETWORKS:
        file = f"{network}.safetensors"
        (folder / file).write_bytes(read_verified(checkpoint, file, record))
    write_json(folder / "config.json", summary.description.portable().to_dict())
    write_checkpoint_record(folder, record.progress)
    if summary.verdict:
        write_json(folder / "verdict.json", summary.verdict)
    if summary.evaluation:
        # These keys contain paths of this machine.
        shared = {key: value for key, value in summary.evaluation.items() if key not in ("run", "given")}
        write_json(folder / "evaluation.json", shared)
    sheets = summary.folder.sheets() if samples else []
    if sheets:
        shutil.copyfile(sheets[-1], folder / "samples.png")
    card = _card(summary, licence, name, has_samples=bool(sheets))
    write_text(folder / CARD, f"{card}\n<!-- discogan card {_digest(card)} -->\n")


def is_edited_card(file: Path) -> bool:
    """Return whether a model card exists and is not, or not any more, the one that ``package`` wrote."""
    if not file.exists():
        return False
    text = read_regular(file).decode("utf-8", "replace")
    mark = MARK.search(text)
    return mark is None or mark[1] != _digest(text[: mark.start()])


def _digest(card: str) -> str:
    return hashlib.sha256(card.encode("utf-8", "backslashreplace")).hexdigest()


def push(run: str | Path, name: str, *, private: bool = False, licence: str = "", samples: bool = False) -> str:
    """Upload a run to the repository ``name`` (user/name), which is created if it is missing; return its address.

    Raises ``RunError`` if the Hub refuses or cannot be reached, and ``ConfigError`` without huggingface_hub.
    """
    hub = import_extra("huggingface_hub", "hub", "The Hub")
    with TemporaryDirectory() as folder:
        package(run, folder, licence, name, samples)
        try:
            hub.create_repo(name, private=private, exist_ok=True)
            if private and not hub.model_info(name).private:
                raise RunError(f"{name} exists already and is public. Make it private first, or use another name.")
            commit = hub.upload_folder(repo_id=name, folder_path=folder, commit_message=f"discogan: {Path(run).name}")
        except RunError:
            raise
        except Exception as error:  # Errors of the Hub, of its HTTP library and of the network share no base class.
            raise RunError(f"{name} was not uploaded ({_first_line(error)}). {_cure(error)}") from error
    return str(commit).partition("/tree/")[0]


def is_hub_name(run: str | Path) -> bool:
    """Return whether ``run`` is user/name and not a path on this machine."""
    if not isinstance(run, str) or REPOSITORY_NAME.fullmatch(run) is None:
        return False
    return not Path(run).exists() and not Path(run.partition("/")[0]).exists()


def fetch(name: str) -> Path:
    """Download a repository's run into the Hub's cache, if needed, and return its folder; raises ``RunError``."""
    hub = import_extra("huggingface_hub", "hub", "The Hub")
    try:
        return Path(hub.snapshot_download(name, allow_patterns=list(LOADED_FILES)))
    except Exception as error:  # As in ``push``.
        raise RunError(
            f"There is no run {name}, neither here nor on the Hub ({_first_line(error)}). "
            f"Give a run folder or user/name. {_cure(error)}"
        ) from error


def _card(summary: RunSummary, licence: str, name: str, *, has_samples: bool) -> str:
    return render(
        "card.md",
        summary=summary,
        licence=licence,
        name=name,
        has_samples=has_samples,
        verdict=describe_verdict(summary),
        verdict_metrics=verdict_metric_rows(summary.verdict),
        scores=score_rows(summary.evaluation),
        has_pairs=bool(summary.evaluation and summary.evaluation["paired"]),
        settings=json.dumps(summary.description.portable().config.to_dict(), indent=2),
    )


def _cure(error: Exception) -> str:
    """Return what to do about an error of the Hub, by the status of its response if there was one."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if status is None:
        return "Check the network and the proxy; the Hub did not answer."
    if status in (401, 403):
        return "Log in with: hf auth login"
    if status == 404:
        return "Check the name. If it is private, log in with: hf auth login"
    return f"The Hub answered with status {status}. Try again later."


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
