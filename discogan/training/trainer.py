"""The loop: batches in, steps, logs, samples, checkpoints."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor

from discogan import devices
from discogan.checkpoint import NETWORKS, Progress, RunFolder, read_progress
from discogan.config import Config
from discogan.data.batches import UnpairedBatches
from discogan.data.store import expect_random_access
from discogan.errors import DivergedError
from discogan.images import Pixels, draw_sheet
from discogan.model import TranslationModel
from discogan.objectives import Terms
from discogan.tracking import MetricsLog, read_metrics
from discogan.training.data import TrainingData
from discogan.training.learner import Learner
from discogan.training.observer import Ended, Observer, Outcome, StepReport
from discogan.training.signals import signals_caught
from discogan.training.watch import Alarm, Cores, Watch, few_images, score_record
from discogan.verdict import Probe

SAMPLES = 8


class Trainer:
    """Everything that changes while a run trains, and the loop that changes it."""

    def __init__(self, config: Config, run: RunFolder, data: TrainingData, observer: Observer) -> None:
        options = config.training
        self.config, self.run, self.data, self.observer = config, run, data, observer
        self.learner = Learner(config)
        self.model, self.device = self.learner.model, self.learner.device
        pixels_a, pixels_b = expect_random_access(data.a.pixels), expect_random_access(data.b.pixels)
        self.batches = UnpairedBatches(pixels_a, pixels_b, options.batch_size, config.seed, config.data.flip)
        self.progress = Progress()
        self._pending: list[tuple[int, Terms]] = []
        self._restore()
        self.log = MetricsLog(run.metrics, self.progress.step)
        objective = self.learner.objective
        self.probe = Probe(data.a.pixels, data.b.pixels, objective.directions, objective.round_trips)
        self.scores = MetricsLog(run.scores, self.progress.step)
        self.watch = Watch(read_metrics(run.scores))

    def fit(self) -> Outcome:
        """Train until the budget is used or a signal asks to stop; a checkpoint is written either way."""
        options = self.config.training
        self.observer.on_start(self.run.path, self.config, self.progress)
        self._alarm(few_images({"A": len(self.data.a), "B": len(self.data.b)}))
        before, started = self.progress.elapsed_seconds, self._now()
        stalled, cores = False, Cores(torch.get_num_threads() if self.device.type == "cpu" else 1)
        with signals_caught() as caught, devices.memory_errors():
            while self._fraction() < 1 and not caught and not stalled:
                step = self.progress.step
                self._pending.append((step, self.train_step(step)))
                self.progress = Progress(step + 1, before + self._now() - started)
                record = None
                if self._due(options.log_every_steps):
                    record = self._log_metrics()
                    self._alarm(cores.look())
                if self._due(options.sample_every_steps):
                    self._draw_samples()
                if self._due(options.score_every_steps):
                    stalled = self._score() and options.stop_when_stalled
                if self._due(options.checkpoint_every_steps):
                    self._save()
                self.observer.on_step(self._report(record))
            self._save()  # Before what a full disk or a second signal may end.
            if not caught and self.watch.last_step != self.progress.step:
                self._score()
            self._draw_samples()
        ended: Ended = "interrupted" if caught and self._fraction() < 1 else "stalled" if stalled else "budget"
        return Outcome(self.run.path, self.progress.step, ended, caught[0] if caught else 0)

    def current(self) -> TranslationModel:
        """The networks as they would be loaded from a checkpoint made now, in evaluation mode."""
        networks = {**self.learner.outside, **self.learner.discriminators}
        return TranslationModel(**networks, pixel_range=self.model.pixel_range).eval()

    def train_step(self, step: int) -> Terms:
        """One optimiser step (counted from 0) on one batch of each domain; the terms, detached."""
        real_a, real_b = map(self._encode, self.batches.batch(step))
        if self.data.anchors is None:
            return self.learner.step(real_a, real_b, step)
        known = self.data.anchors.batch(self.config.anchors.batch_size, self.config.seed, step)
        return self.learner.step(real_a, real_b, step, (self._encode(known[0]), self._encode(known[1])))

    def _encode(self, pixels: Pixels) -> Tensor:
        """uint8 (N, H, W, C) as the networks take it."""
        return self.model.pixel_range.encode(torch.from_numpy(pixels).to(self.device))

    def _now(self) -> float:
        """Seconds on the clock that the budget is measured by."""
        if self.config.training.clock == "wall":
            return time.monotonic()
        return time.process_time() / torch.get_num_threads()

    def _due(self, every: int) -> bool:
        return self.progress.step % every == 0

    def _fraction(self) -> float:
        """Share of the budget used; with both a step and a time budget, of the one that ends first."""
        options = self.config.training
        by_steps = self.progress.step / options.steps if options.steps else 0.0
        by_time = self.progress.elapsed_seconds / (60 * options.minutes) if options.minutes else 0.0
        return min(1.0, max(by_steps, by_time))

    def _report(self, record: dict[str, Any] | None) -> StepReport:
        step, seconds = self.progress.step, self.progress.elapsed_seconds
        seen = step * self.config.training.batch_size
        return StepReport(step, seen, seconds, self._fraction(), record, self.run.path)

    def _score(self) -> bool:
        """Look at the run without pairs, keep it as best/ unless it has got worse; whether it has stalled."""
        training = [network for network in self.model.children() if network.training]
        figures, _ = self.probe.measure(self.current())
        for network in training:
            network.train()
        record = score_record(self.progress.step, self._fraction(), figures)
        if self.watch.keeps(record):
            self._check_finite()
            self.run.save_best(self.learner.state(), self.progress)
        alarms = self.watch.look(record)
        self.scores.append({**record, "alarms": [alarm.message for alarm in alarms]})
        self._alarm(alarms)
        return any(alarm.kind == "stall" for alarm in alarms)

    def _alarm(self, alarms: list[Alarm]) -> None:
        for alarm in alarms:
            self.observer.on_alarm(alarm)

    def _log_metrics(self) -> dict[str, Any]:
        losses = self._checked_means()
        seen, seconds = self.progress.step * self.config.training.batch_size, self.progress.elapsed_seconds
        record = {
            "step": self.progress.step,
            "images_seen": seen,
            "elapsed_seconds": round(seconds, 3),
            "images_per_second": round(seen / max(seconds, 1e-9), 1),
            **losses,
        }
        self.log.append(record)
        return record

    def _checked_means(self) -> dict[str, float]:
        """Each term's mean since the last call; raises ``DivergedError`` naming the first that is not finite.

        Looking once for many steps spares the device a wait in each of them.
        """
        values: dict[str, list[float]] = {}
        for step, terms in self._pending:
            for (name, _), value in zip(terms.items(), torch.stack(list(terms.values())).tolist(), strict=True):
                if not abs(value) < float("inf"):
                    raise DivergedError(step + 1, name, self._last_good())
                values.setdefault(name, []).append(value)
        self._pending = []
        return {name: sum(series) / len(series) for name, series in sorted(values.items())}

    def _last_good(self) -> str:
        last = self.run.last_checkpoint()
        return f"the last good checkpoint is {last}" if last else "there is no checkpoint before it"

    def _draw_samples(self) -> None:
        """A sheet of fixed training images: A, A->B, A->B->A, then B likewise."""
        networks = self.learner.outside
        was_training = networks.training
        networks.eval()
        rows = self._sample_rows(networks, "A", "B") + self._sample_rows(networks, "B", "A")
        networks.train(was_training)
        step = self.progress.step
        unfinished = self.run.samples / f".step-{step:06d}.png"
        draw_sheet(rows, f"step {step:,}").save(unfinished)
        finished = unfinished.replace(self.run.samples / f"step-{step:06d}.png")
        self.observer.on_samples(finished, step)

    def _sample_rows(self, networks: torch.nn.ModuleDict, one: str, other: str) -> list[tuple[str, list[Pixels]]]:
        store = self.data.a if one == "A" else self.data.b
        pixels = store.pixels[:: max(1, len(store) // SAMPLES)][:SAMPLES].copy()
        there, back = (f"generator_{way.lower()}" for way in (one + other, other + one))
        with torch.inference_mode():
            real = self._encode(pixels)
            fake = networks[there](real)
            images = (real, fake, networks[back](fake))
        names = (one, f"{one} to {other}", f"{one} to {other} to {one}")
        decode = self.model.pixel_range.decode
        return [(name, list(decode(batch).cpu().numpy())) for name, batch in zip(names, images, strict=True)]

    def _save(self) -> None:
        """A checkpoint, unless something in it is broken."""
        self._check_finite()
        self.run.save_checkpoint(self.learner.state(), self.progress, self.config.training.keep_checkpoints)

    def _check_finite(self) -> None:
        """Raises ``DivergedError`` before a broken state could become the newest checkpoint."""
        pending = list(self._pending)
        self._checked_means()
        self._pending = pending
        for name in NETWORKS:
            for value in getattr(self.model, name).state_dict().values():
                if value.is_floating_point() and not value.isfinite().all():
                    raise DivergedError(self.progress.step, f"weights of {name}", self._last_good())

    def _restore(self) -> None:
        """Take up the newest checkpoint, where there is one."""
        self.run.mend_best()
        checkpoint = self.run.last_checkpoint()
        if checkpoint is None:
            return
        self.learner.restore(checkpoint)
        self.progress = read_progress(checkpoint)
