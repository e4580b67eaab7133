"""``discogan list`` and ``discogan info``."""

from pathlib import Path
from typing import Any

from discogan.cli.console import print_table


def list_parts() -> None:
    """Show what can be chosen: presets, objectives, networks, sources, metrics, renders, each with its options."""
    from dataclasses import fields

    from discogan.config import preset_names, read_preset
    from discogan.registry import DISCRIMINATORS, GENERATORS, METRICS, OBJECTIVES, RENDERS, SOURCES

    print_table("presets", ["name", ""], [[name, read_preset(name)["summary"]] for name in preset_names()])
    for registry in (OBJECTIVES, GENERATORS, DISCRIMINATORS, SOURCES, METRICS, RENDERS):
        rows = []
        for name, entry in registry.entries().items():
            options = [option for option in fields(entry.options) if option.init] if entry.options else []
            rows.append([name, entry.summary, ", ".join(option.name for option in options)])
        print_table(f"{registry.kind}s", ["name", "", "options"], rows)


def info(run: Path) -> None:
    """Say what a run is and how it stands.

    Parameters
    ----------
    run
        The run folder.
    """
    from discogan.checkpoint import RunFolder, read_progress
    from discogan.cli.train import losses_line
    from discogan.config import Config
    from discogan.tracking import read_metrics

    folder = RunFolder(run)
    description = folder.describe()
    config = Config.from_dict(description["config"])
    checkpoint = folder.last_checkpoint()
    progress = read_progress(checkpoint) if checkpoint else None
    steps, minutes = config.training.steps, config.training.minutes
    limits = ((steps, "steps"), (minutes, "minutes"))
    budget = " or ".join(f"{limit:,} {unit}" for limit, unit in limits if limit is not None)
    records = read_metrics(folder.metrics)
    rows = [
        ["preset", f"{config.preset}, {config.data.image_size} px, seed {config.seed}"],
        *([part, _table(getattr(config, part))] for part in ("source", "objective", "generator", "discriminator")),
        [
            "images",
            ", ".join(f"{d.upper()} {x['count']:,}" + _skipped(x["skipped"]) for d, x in _domains(description).items()),
        ],
        ["budget", budget],
        [
            "last checkpoint",
            f"{checkpoint.name}, {progress.elapsed_seconds:.0f} s" if checkpoint and progress else "none yet",
        ],
        ["last losses", losses_line(records[-1]) if records else "none yet"],
        ["made with", ", ".join(f"{name} {version}" for name, version in description["versions"].items())],
    ]
    print_table(str(run), ["", ""], rows)


def _table(table: dict[str, object]) -> str:
    return ", ".join([str(table["name"]), *(f"{key}={value}" for key, value in table.items() if key != "name")])


def _domains(description: dict[str, dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    return {domain: description["data"][domain] for domain in "ab"}


def _skipped(problems: list[str]) -> str:
    return f" ({len(problems)} skipped)" if problems else ""
