"""The commands that faults are injected into, and the files that they read and write."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tests.faults.command import Command, Launcher, Result
from tests.faults.folders import contents

TINY = (
    "generator.width=4",
    "discriminator.width=4",
    "training.batch_size=4",
    "training.threads=1",
    "data.workers=1",
)
"""Settings that make a step take 10 ms."""
OFTEN = (
    "training.log_every_steps=2",
    "training.checkpoint_every_steps=7",
    "training.sample_every_steps=50",
    "training.score_every_steps=20",
)
"""Settings that make a short training write often."""


def flags(settings: Sequence[str]) -> list[str]:
    """Return settings as words of a command line."""
    words = []
    for setting in settings:
        words += ["--set", setting]
    return words


@dataclass(eq=False)
class Site:
    """The folders of the suite. A trial is a folder with a copy of the finished run and of its cache."""

    root: Path
    launcher: Launcher
    references: dict[str, Reference] = field(default_factory=dict)
    """For each place, what an undisturbed command leaves."""

    @property
    def trial(self) -> Path:
        return self.root / "trial"

    @property
    def a(self) -> Path:
        return self.root / "a"

    @property
    def b(self) -> Path:
        return self.root / "b"

    def start(self, folder: Path, *words: object, memory_bytes: int | None = None) -> Command:
        """Start a command whose cache is in ``folder``."""
        return self.launcher.start(*words, memory_bytes=memory_bytes, DISCOGAN_CACHE=str(folder / "cache"))

    def run(self, folder: Path, *words: object) -> Result:
        return self.start(folder, *words).wait()

    def train_words(self, out: Path, steps: int, *settings: str, options: Sequence[object] = ()) -> list[object]:
        """Return the words of a new training on the two domains."""
        size = ["--image-size", 32, "--steps", steps]
        return ["train", self.a, self.b, "--out", out, *size, *options, *flags((*TINY, *settings))]

    @cached_property
    def finished(self) -> Path:
        """A folder with a finished run of 21 steps of two seeds, evaluated, and its cache."""
        folder = self.root / "finished"
        shutil.rmtree(self.trial, ignore_errors=True)
        self.trial.mkdir()
        often = ("training.checkpoint_every_steps=5", "training.sample_every_steps=10", "training.score_every_steps=10")
        words = self.train_words(self.trial / "run", 25, "training.log_every_steps=1", *often)
        self._must_succeed(*words, "--seeds-tried", 2)
        self._must_succeed("evaluate", self.trial / "run")
        self.trial.rename(folder)
        self.trial.mkdir()
        return folder

    def _must_succeed(self, *words: object) -> None:
        result = self.run(self.trial, *words)
        assert result.code == 0, str(result)

    def prepare(self, trial: Path) -> None:
        """Make ``trial`` a copy of the finished run and its cache; a mounted folder keeps its mount."""
        finished = self.finished
        for path in trial.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        shutil.copytree(finished, trial, dirs_exist_ok=True)

    def reference(self, place: Place) -> Reference:
        """Return what an undisturbed command of this place leaves in the trial folder, and its duration."""
        if place.name not in self.references:
            place.prepare(self, self.trial)
            before = contents(self.trial)
            result = self.run(self.trial, *place.words(self, self.trial))
            assert result.code == 0, str(result)
            self.references[place.name] = Reference(before, contents(self.trial), result.seconds)
        return self.references[place.name]


@dataclass(frozen=True)
class Reference:
    """The contents of a trial folder before and after an undisturbed command."""

    before: Mapping[str, str]
    after: Mapping[str, str]
    seconds: float


@dataclass(frozen=True)
class Place:
    """A command that writes. It works on a trial folder, which holds ``run`` and ``cache``."""

    name: str
    words: Callable[[Site, Path], list[object]]
    has_run: bool = True
    """Whether the trial folder begins with a copy of the finished run; otherwise it begins empty."""

    def prepare(self, site: Site, trial: Path) -> None:
        site.prepare(trial)
        if not self.has_run:
            shutil.rmtree(trial / "run")
            shutil.rmtree(trial / "cache")

    def words_again(self, site: Site, trial: Path) -> list[object]:
        """Return the command with which a user continues after a fault."""
        if not self.has_run and (trial / "run" / "config.json").exists():
            return ["train", "--resume", trial / "run"]
        return self.words(site, trial)

    def __str__(self) -> str:
        return self.name


def _train(site: Site, trial: Path) -> list[object]:
    return site.train_words(trial / "run", 3, "training.log_every_steps=1")


def _build_store(site: Site, trial: Path) -> list[object]:
    size = ["--image-size", 32, "--steps", 1]
    settings = flags((*TINY, "data.workers=2", "training.log_every_steps=1"))
    return ["train", site.root / "many", site.b, "--out", trial / "run", *size, *settings]


def _resume(_: Site, trial: Path) -> list[object]:
    return ["train", "--resume", trial / "run", "--steps", 30]


def _translate(site: Site, trial: Path) -> list[object]:
    source = ["translate", trial / "run", site.root / "many", "--direction", "a_to_b"]
    return [*source, "--out", trial / "out", "--batch-size", 4, "--threads", 1]


def _match(site: Site, trial: Path) -> list[object]:
    return ["match", trial / "run", site.a, site.b, "--out", trial / "out" / "matches.csv", "--threads", 1]


def _export(_: Site, trial: Path) -> list[object]:
    return ["export", trial / "run", "--direction", "a_to_b", "--out", trial / "out" / "model.onnx"]


def _export_torch(_: Site, trial: Path) -> list[object]:
    out = ["--format", "torch", "--out", trial / "out" / "model.pt2"]
    return ["export", trial / "run", "--direction", "a_to_b", *out]


def _report(_: Site, trial: Path) -> list[object]:
    return ["report", trial / "run"]


def _evaluate(_: Site, trial: Path) -> list[object]:
    return ["evaluate", trial / "run", "--json", trial / "scores.json", "--threads", 1]


def _push(_: Site, trial: Path) -> list[object]:
    return ["push", trial / "run", "--folder", trial / "out", "--samples"]


TRAIN = Place("training start", _train, has_run=False)
BUILD_STORE = Place("store building", _build_store, has_run=False)
RESUME = Place("resume", _resume)
TRANSLATE = Place("translate", _translate)
MATCH = Place("match", _match)
EXPORT = Place("export onnx", _export)
EXPORT_TORCH = Place("export torch", _export_torch)
REPORT = Place("report", _report)
EVALUATE = Place("evaluate", _evaluate)
PUSH = Place("push --folder", _push)
COMMANDS = (TRANSLATE, MATCH, EXPORT, EXPORT_TORCH, REPORT, EVALUATE, PUSH)
"""Places that read a finished run."""
PLACES = (TRAIN, BUILD_STORE, RESUME, *COMMANDS)
