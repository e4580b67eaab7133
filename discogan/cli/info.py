"""``discogan list`` and ``discogan info``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from discogan.cli.console import print_json_alone, print_table, write_result
from discogan.cli.parameters import JsonFile, RunFolderPath
from discogan.cli.train import losses_line
from discogan.labels import verdict_name

if TYPE_CHECKING:
    from discogan.config import TrainingOptions
    from discogan.run_folder import RunSummary


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


def info(run: RunFolderPath, *, json_file: JsonFile = None) -> None:
    """Say what a run is and how it stands."""
    from discogan.report import comparison
    from discogan.run_folder import read_summary

    print_json_alone(json_file)
    print_table(str(run), ["", ""], [list(row) for row in _rows(read_summary(run))])
    write_result(json_file, comparison([run])[0])


def _rows(summary: RunSummary) -> Iterator[tuple[str, str]]:
    config, progress, metrics = summary.config, summary.progress, summary.metrics
    yield "preset", f"{config.preset}, {config.data.image_size} px, seed {config.seed}"
    for part in ("source", "objective", "generator", "discriminator"):
        yield part, _table(getattr(config, part))
    domains = {domain: summary.description.data[domain] for domain in "ab"}
    yield "images", ", ".join(f"{name.upper()} {known['count']:,}{_skipped(known)}" for name, known in domains.items())
    yield "budget", _budget(config.training)
    yield "last checkpoint", f"step {progress.step:,}, {progress.elapsed_seconds:.0f} s" if progress else "none"
    yield "last losses", losses_line(metrics[-1]) if metrics else "none yet"
    if summary.verdict:
        yield "verdict", f"{verdict_name(summary.verdict)}, score {summary.verdict['score']:.2f} of 1"
    yield "made with", ", ".join(f"{name} {version}" for name, version in summary.description.versions.items())


def _budget(training: TrainingOptions) -> str:
    limits = ((training.steps, "steps"), (training.minutes, "minutes"))
    return " or ".join(f"{limit:,} {unit}" for limit, unit in limits if limit is not None)


def _table(table: Mapping[str, object]) -> str:
    return ", ".join([str(table["name"]), *(f"{key}={value}" for key, value in table.items() if key != "name")])


def _skipped(known: Mapping[str, Any]) -> str:
    return f" ({len(known['skipped'])} skipped)" if known["skipped"] else ""
