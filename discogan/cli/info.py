"""``discogan info``. It does not import PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from discogan.cli.console import print_json_alone, print_table, write_result
from discogan.cli.parameters import JsonFile, RunFolderPath
from discogan.labels import verdict_name

if TYPE_CHECKING:
    from discogan.config import TrainingOptions
    from discogan.run_records import DomainRecord
    from discogan.run_summary import RunSummary


def info(run: RunFolderPath, *, json_file: JsonFile = None) -> None:
    """Show a run's settings, images, progress and verdict.

    Example: discogan info runs/one
    """
    from discogan.run_summary import read_summary

    print_json_alone(json_file)
    summary = read_summary(run)
    print_table(str(run), ["", ""], [list(row) for row in _rows(summary)])
    write_result(json_file, summary.facts())


def _rows(summary: RunSummary) -> Iterator[tuple[str, str]]:
    """Yield a label and a text for each fact."""
    from discogan.run_summary import losses

    config, progress = summary.config, summary.progress
    yield "preset", f"{config.preset}, {config.data.image_size} px, seed {config.seed}"
    for group in ("source", "objective", "generator", "discriminator"):
        yield group, _component(getattr(config, group))
    if not config.knows_its_images:
        yield "image folders", f"not opened; allow them with discogan trust {summary.folder.path}"
    yield "images", ", ".join(f"{domain.upper()} {_images(summary.description.data.of(domain))}" for domain in "ab")
    for domain in "ab":
        for remark in summary.description.data.of(domain).remarks:
            yield f"images of {domain.upper()}", remark
    yield "budget", _budget(config.training)
    yield "last checkpoint", f"step {progress.step:,}, {progress.elapsed_seconds:.0f} s" if progress else "none"
    last_losses = losses(summary.metrics[-1]) if summary.metrics else {}
    yield "last losses", "  ".join(f"{name} {value:.3f}" for name, value in last_losses.items()) or "none yet"
    if summary.verdict:
        yield "verdict", f"{verdict_name(summary.verdict)}, score {summary.verdict['score']:.2f} of 1"
    yield "versions", ", ".join(f"{name} {version}" for name, version in summary.description.versions.items())
    if summary.description.imports:
        yield "imports", ", ".join(summary.description.imports)


def _component(table: Mapping[str, object]) -> str:
    options = [f"{name}={value}" for name, value in table.items() if name != "name"]
    return ", ".join([str(table["name"]), *options])


def _images(domain: DomainRecord) -> str:
    skipped = f" ({len(domain.skipped)} skipped)" if domain.skipped else ""
    return f"{domain.count:,}{skipped}"


def _budget(training: TrainingOptions) -> str:
    limits = ((training.steps, "steps"), (training.minutes, "minutes"))
    return " or ".join(f"{limit:,} {unit}" for limit, unit in limits if limit is not None)
