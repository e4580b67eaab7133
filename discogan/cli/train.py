"""``discogan train``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from discogan.cli.console import print_json_alone, print_verdict, say, write_result
from discogan.cli.parameters import Device, JsonFile, Settings, Threads
from discogan.errors import ConfigError

if TYPE_CHECKING:
    from discogan.training import Outcome


@Parameter(name="*")
@dataclass(frozen=True)
class NewRunOptions:
    """Options of a new run, which cannot change later."""

    preset: str | None = None
    """Settings to start from (default: modern). discogan list shows all presets."""
    image_size: int | None = None
    """Side of the images in pixels: 32, 64 (default), 128 or 256."""
    seed: int | None = None
    """Random seed (default: 0). The same seed and settings give the same run."""
    seeds_tried: int | None = None
    """Train this many seeds and stop the worse half at each round, within the same total budget."""
    starts: Annotated[int | None, Parameter(show=False)] = None
    """The name that version 0.1.0 used for --seeds-tried."""
    anchors: Path | None = None
    """CSV file of known pairs, with the columns path_a,path_b. A fifth of them is held out to check the result."""

    def given(self) -> dict[str, Any]:
        """Return the options that the user gave, as arguments of ``discogan.train``."""
        options = {
            "preset": self.preset,
            "image_size": self.image_size,
            "seed": self.seed,
            "seeds_tried": self.starts if self.seeds_tried is None else self.seeds_tried,
            "anchors": self.anchors,
        }
        return {name: value for name, value in options.items() if value is not None}


@Parameter(name="*")
@dataclass(frozen=True)
class SessionOptions:
    """Options that may differ each time that a run is resumed."""

    steps: int | None = None
    """Total budget in optimiser steps, earlier sessions included."""
    minutes: float | None = None
    """Total budget in minutes of training time, earlier sessions included."""
    stop_when_stalled: bool = False
    """Stop if neither the score nor the round trips improve for 40% of the budget."""
    track: list[str] | None = None
    """Also log to this tracker (may be repeated): tensorboard, wandb, or one of your own."""
    device: Device | None = None
    """Device to train on: auto (default), cpu, cuda or mps."""
    threads: Threads | None = None
    """CPU threads to train with; 0 is PyTorch's own choice."""
    settings: Settings = None

    def given(self) -> dict[str, Any]:
        """Return the options as arguments of ``discogan.train`` and ``discogan.resume``."""
        settings = list(self.settings or ())
        if self.stop_when_stalled:
            settings.append("training.stop_when_stalled=true")
        if self.device is not None:
            settings.append(f"training.device={self.device}")
        if self.threads is not None:
            settings.append(f"training.threads={self.threads}")
        return {"steps": self.steps, "minutes": self.minutes, "settings": settings, "track": self.track or ()}


def train(
    a: Path | None = None,
    b: Path | None = None,
    *,
    out: Path | None = None,
    resume: Path | None = None,
    new: NewRunOptions | None = None,
    session: SessionOptions | None = None,
    json_file: JsonFile = None,
) -> int:
    """Train a translator between two folders of unpaired images, or resume a run.

    Ctrl-C saves a checkpoint and stops. --resume continues from there with the same result as without the stop.

    Example: discogan train sketches/ photos/ --out runs/one --minutes 6

    Parameters
    ----------
    a
        Image folder of domain A, or a folder that holds trainA and trainB.
    b
        Image folder of domain B.
    out
        The new run folder.
    resume
        The run folder to resume. --set changes its training options; --set source.a=DIR gives the new place of its
        images.
    """
    from discogan.run_folder import RunFolder

    print_json_alone(json_file)
    new_options = (new or NewRunOptions()).given()
    session_options = (session or SessionOptions()).given()
    if resume is None:
        outcome = _start(a, b, out, {**new_options, **session_options})
    elif a or b or out or new_options:
        raise ConfigError(
            "--resume keeps a run's folders and settings. "
            "Leave out the folders, --out, --preset, --image-size, --seed, --seeds-tried and --anchors."
        )
    else:
        outcome = _resume(resume, session_options)
    verdict = outcome.verdict.to_dict() if outcome.verdict else None
    result = {"run": str(outcome.run), "ended": outcome.ended, "step": outcome.step, "verdict": verdict}
    if json_file is not None and RunFolder(outcome.run).exists:
        result["data"] = asdict(RunFolder(outcome.run).describe().data)
    write_result(json_file, result)
    return print_outcome(outcome)


def _start(a: Path | None, b: Path | None, out: Path | None, options: dict[str, Any]) -> Outcome:
    if a is None or out is None:
        raise ConfigError(
            "Give two folders and a run folder: discogan train A B --out RUN. To continue a run, give --resume RUN."
        )
    from discogan import api
    from discogan.cli.training_display import TrainingDisplay

    with TrainingDisplay() as display:
        return api.train(a, b, out=out, **options, observer=display)


def _resume(run: Path, options: dict[str, Any]) -> Outcome:
    from discogan import api
    from discogan.cli.training_display import TrainingDisplay
    from discogan.run_folder import RunFolder, read_progress

    checkpoint = RunFolder(run).last_checkpoint()
    step_before = read_progress(checkpoint).step if checkpoint else 0
    with TrainingDisplay() as display:
        outcome = api.resume(run, **options, observer=display)
    if outcome.step == step_before and outcome.ended == "budget":
        say("The budget was already used up, so nothing was trained. Give a larger total: --minutes M or --steps N.")
    return outcome


def print_outcome(outcome: Outcome) -> int:
    """Print how a training ended and what to do next, in at most 8 lines; return the exit code."""
    from discogan.cli.training_display import duration_text
    from discogan.run_summary import read_summary

    run = outcome.run
    if outcome.ended == "interrupted":
        say(f"Stopped at step {outcome.step:,} and saved a checkpoint. Continue with: discogan train --resume {run}")
        return 128 + outcome.signal
    summary = read_summary(run)
    config = summary.config
    stalled = " It stopped early, because it made no more progress." if outcome.ended == "stalled" else ""
    say(
        f"Trained {outcome.step:,} steps of {config.preset} at {config.data.image_size} px "
        f"in {duration_text(summary.seconds)} (seed {config.seed}).{stalled}"
    )
    if outcome.verdict is not None:
        print_verdict(outcome.verdict.to_dict())
    say(f"Report:    {run / 'report.html'}")
    say(f"Translate: discogan translate {run} INPUT --direction a_to_b --out DIR")
    say(f"Score:     discogan evaluate {run} --pairs-a DIR --pairs-b DIR")
    return 0


def losses_line(record: dict[str, Any]) -> str:
    """Return the losses of a metrics record on one line."""
    from discogan.run_summary import losses

    return "  ".join(f"{name} {value:.3f}" for name, value in losses(record).items())
