"""Runs on the Hugging Face Hub: a folder of safetensors, config.json, a model card, without paths of this machine."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from discogan.errors import RunError
from discogan.extras import import_extra
from discogan.files import write_json, write_text
from discogan.pages import render
from discogan.report.tables import describe_verdict, score_rows, verdict_metric_rows
from discogan.run_folder import NETWORKS, RunSummary, read_summary

NAME = re.compile(r"[\w.-]+/[\w.-]+")
FILES = ("*.safetensors", "*.json")
"""What loading a run needs of a repository."""


def package(
    run: str | Path, folder: str | Path, licence: str = "", name: str = "USER/NAME", samples: bool = False
) -> Path:
    """Write a run as the Hub has it into ``folder``; raises ``RunError`` where the run has no checkpoint yet.

    The networks of the best checkpoint, config.json without the paths and file names of this machine, the verdict and
    scores where they are known, and README.md, a model card that calls the repository ``name``. ``samples`` adds a
    sheet of images that it trained on, beside their translations.
    """
    summary = read_summary(run)
    checkpoint = summary.folder.inference_checkpoint()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for network in NETWORKS:
        shutil.copyfile(checkpoint / f"{network}.safetensors", folder / f"{network}.safetensors")
    shutil.copyfile(checkpoint / "progress.json", folder / "progress.json")
    write_json(folder / "config.json", summary.description.portable().to_dict())
    if summary.verdict:
        write_json(folder / "verdict.json", summary.verdict)
    if summary.evaluation:
        shared = {key: x for key, x in summary.evaluation.items() if key not in ("run", "given")}
        write_json(folder / "evaluation.json", shared)
    sheets = summary.folder.sheets() if samples else []
    if sheets:
        shutil.copyfile(sheets[-1], folder / "samples.png")
    write_text(folder / "README.md", _card(summary, licence, name, has_samples=bool(sheets)))
    return folder


def push(run: str | Path, name: str, *, private: bool = False, licence: str = "", samples: bool = False) -> str:
    """Upload a run as the repository ``name`` (user/name), made where it is not there; where to look at it.

    Raises ``RunError`` where the Hub refuses or cannot be reached, and ``ConfigError`` without huggingface_hub.
    """
    hub = import_extra("huggingface_hub", "hub", "The Hub")
    with TemporaryDirectory() as folder:
        package(run, folder, licence, name, samples)
        try:
            hub.create_repo(name, private=private, exist_ok=True)
            if private and not hub.model_info(name).private:
                raise RunError(f"{name} is there already, and public; make it private first or take another name.")
            done = hub.upload_folder(repo_id=name, folder_path=folder, commit_message=f"discogan: {Path(run).name}")
        except RunError:
            raise
        except Exception as error:  # Its own, its HTTP library's, and the network's.
            raise RunError(f"The Hub did not take {name} ({_brief(error)}); log in with: hf auth login.") from error
    return str(done).partition("/tree/")[0]


def is_hub_name(run: str | Path) -> bool:
    """Whether this is user/name rather than something on this machine."""
    if not isinstance(run, str) or NAME.fullmatch(run) is None:
        return False
    return not Path(run).exists() and not Path(run.partition("/")[0]).exists()


def fetch(name: str) -> Path:
    """A repository's run in the Hub's cache, downloaded unless it is there; raises ``RunError``."""
    hub = import_extra("huggingface_hub", "hub", "The Hub")
    try:
        return Path(hub.snapshot_download(name, allow_patterns=list(FILES)))
    except Exception as error:  # As in push.
        raise RunError(
            f"There is no run at {name}, neither here nor on the Hub ({_brief(error)}); give a run folder or user/name."
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


def _brief(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
