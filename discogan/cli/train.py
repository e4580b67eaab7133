"""``discogan train``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from discogan.cli.console import console, errors, print_json_alone, print_verdict, say, write_result
from discogan.cli.parameters import JsonFile, Settings
from discogan.errors import ConfigError

SECONDS_BETWEEN_LINES = 30
"""How often a line is printed where there is no terminal to draw a bar on."""

if TYPE_CHECKING:
    from rich.progress import TaskID

    from discogan.training import Alarm, Outcome, StepReport


@Parameter(name="*")
@dataclass(frozen=True)
class NewRun:
    """What a new run is made from; one that goes on has it already."""

    preset: str | None = None
    """Settings to start from, modern by default; discogan list shows them."""
    image_size: int | None = None
    """32, 64 (the default), 128 or 256 pixels."""
    seed: int | None = None
    """The same seed (0 by default) and settings give the same run."""
    starts: int | None = None
    """Seeds to begin from within the same budget: the best, judged without pairs, goes on; the others are witnesses."""
    anchors: Path | None = None
    """CSV file of known pairs, with the columns path_a,path_b; a fifth of them checks the relation."""

    def chosen(self) -> dict[str, Any]:
        """What the user gave."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@Parameter(name="*")
@dataclass(frozen=True)
class Sitting:
    """What may change from one sitting of a run to the next."""

    steps: int | None = None
    """Stop after this many optimiser steps in all."""
    minutes: float | None = None
    """Stop after this much training time in all."""
    stop_when_stalled: Annotated[bool, Parameter(negative="")] = False
    """Stop once neither score nor round trips have got better for two fifths of the budget."""
    track: Annotated[list[Literal["tensorboard", "wandb"]] | None, Parameter(negative="")] = None
    """Tell a tracker as well, any number of times: tensorboard (into RUN/tensorboard) or wandb."""
    settings: Settings = None

    def changes(self) -> dict[str, Any]:
        """The same as arguments of ``discogan.train`` and ``discogan.resume``."""
        stalled = ["training.stop_when_stalled=true"] if self.stop_when_stalled else []
        settings = [*(self.settings or ()), *stalled]
        return {"steps": self.steps, "minutes": self.minutes, "settings": settings, "track": self.track or ()}


def train(
    a: Path | None = None,
    b: Path | None = None,
    *,
    out: Path | None = None,
    resume: Path | None = None,
    new: NewRun | None = None,
    sitting: Sitting | None = None,
    json_file: JsonFile = None,
) -> int:
    """Train a translator between two folders of unpaired images, or go on with a run.

    Ctrl-C stops with a checkpoint; --resume goes on exactly from there.

    Parameters
    ----------
    a
        Folder of domain A, or a root that holds trainA and trainB.
    b
        Folder of domain B.
    out
        Folder to make the run in.
    resume
        Run to go on with; --set changes its training options, or source.a=DIR where its images were moved.
    """
    print_json_alone(json_file)
    chosen, changes = (new or NewRun()).chosen(), (sitting or Sitting()).changes()
    if resume is None:
        outcome = _start(a, b, out, {**chosen, **changes})
    elif a or b or out or chosen:
        raise ConfigError(
            "--resume goes on with the run as it is; "
            "leave out folders, --out, --preset, --image-size, --seed, --starts and --anchors."
        )
    else:
        outcome = _resume(resume, changes)
    write_result(json_file, outcome_facts(outcome))
    return report_outcome(outcome)


def outcome_facts(outcome: Outcome) -> dict[str, Any]:
    """How a training ended, as plain values."""
    verdict = outcome.verdict.to_dict() if outcome.verdict else None
    return {"run": str(outcome.run), "ended": outcome.ended, "step": outcome.step, "verdict": verdict}


def _start(a: Path | None, b: Path | None, out: Path | None, options: dict[str, Any]) -> Outcome:
    from discogan import api

    if a is None or out is None:
        raise ConfigError("Give two folders and a run: discogan train A B --out RUN (or --resume RUN).")
    with Display() as display:
        return api.train(a, b, out=out, **options, observer=display.observer())


def _resume(run: Path, changes: dict[str, Any]) -> Outcome:
    from discogan import api
    from discogan.run_folder import RunFolder, read_progress

    checkpoint = RunFolder(run).last_checkpoint()
    before = read_progress(checkpoint).step if checkpoint else 0
    with Display() as display:
        outcome = api.resume(run, **changes, observer=display.observer())
    if outcome.step == before and outcome.ended == "budget":
        say("Its budget was used up already, so nothing was added; give a larger one in all: --minutes M or --steps N.")
    return outcome


def report_outcome(outcome: Outcome) -> int:
    """Say how a training ended and how to go on; the exit code."""
    run = outcome.run
    if outcome.ended == "interrupted":
        say(f"Stopped at step {outcome.step:,} with a checkpoint; go on with: discogan train --resume {run}")
        return 128 + outcome.signal
    ended = "Stalled after" if outcome.ended == "stalled" else "Trained"
    say(f"{ended} {outcome.step:,} steps. Look at {run / 'report.html'}")
    if outcome.verdict is not None:
        print_verdict(outcome.verdict.to_dict())
    say(f"Translate: discogan translate {run} INPUT --direction a_to_b --out DIR")
    say(f"Score:     discogan evaluate {run} --pairs-a DIR --pairs-b DIR")
    return 0


class Display:
    """Live progress of a training; where there is no terminal, a line now and then."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            console=errors,
            transient=True,
            disable=console.quiet,
        )
        self._tasks: dict[str, TaskID] = {}
        self._next_line = 0.0

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def observer(self) -> Any:
        """An observer of training that shows what it is told."""
        from discogan.training import Observer

        display = self

        class Shown(Observer):
            def on_prepare(self, domain: str, done: int, total: int) -> None:
                display._show(f"decoding {domain.upper()}", done, total, f"{done:,}/{total:,} images")

            def on_skipped(self, domain: str, problems: list[str]) -> None:
                for problem in problems:
                    display.say(f"Skipped in {domain.upper()}: {problem}")

            def on_start(self, run: Path, config: Any, progress: Any) -> None:
                at = f" from step {progress.step:,}" if progress.step else ""
                display.say(f"Training {config.preset} at {config.data.image_size} px into {run}{at}")

            def on_step(self, report: StepReport) -> None:
                display._step(report)

            def on_alarm(self, alarm: Alarm) -> None:
                if not console.quiet:
                    errors.print(f"Warning: {alarm.message}", highlight=False, soft_wrap=True, markup=False)

            def on_round(self, scores: Mapping[str, float]) -> None:
                ranked = sorted(scores, key=lambda seed: -scores[seed])
                listed = ", ".join(f"seed {seed} {scores[seed]:.2f}" for seed in ranked)
                display.say(f"Scores of {len(ranked)} starts: {listed}")

        return Shown()

    def say(self, message: str) -> None:
        """A line above the bar."""
        if console.quiet:
            return
        self._progress.console.print(message, highlight=False, soft_wrap=True, markup=False)

    def _show(self, name: str, done: float, total: float, note: str) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, note="")
        self._progress.update(self._tasks[name], completed=done, total=total, note=note, visible=done < total)

    def _step(self, report: StepReport) -> None:
        remaining = report.elapsed_seconds / report.fraction - report.elapsed_seconds
        speed = report.images_seen / report.elapsed_seconds
        note = f"step {report.step:,}  {speed:,.0f} images/s  {_clock(remaining)} left"
        self._show("training", report.fraction, 1.0, note)
        if report.record and not errors.is_terminal and report.elapsed_seconds > self._next_line:
            self._next_line = report.elapsed_seconds + SECONDS_BETWEEN_LINES
            self.say(f"{note}  {losses_line(report.record)}")


def losses_line(record: dict[str, Any]) -> str:
    """The losses of a metrics record on one line."""
    from discogan.run_folder import losses

    return "  ".join(f"{name} {value:.3f}" for name, value in losses(record).items())


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
