"""The training loop: batches, steps, logs, samples, checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from discogan import devices
from discogan.checkpoints import require_fitting, restore_best, save_best, save_checkpoint, set_aside
from discogan.config import Config
from discogan.data.batches import UnpairedBatches
from discogan.data.store import expect_random_access
from discogan.errors import DamagedCheckpointError, DivergedError, RunError
from discogan.images import Pixels
from discogan.model import evaluation_mode
from discogan.objectives import Terms
from discogan.run_folder import NETWORKS, RunFolder, find_damage, read_progress, step_of
from discogan.run_records import Progress
from discogan.run_summary import MetricsLog, read_metrics, read_scores
from discogan.training.budget import Budget
from discogan.training.data import TrainingData
from discogan.training.learner import Learner
from discogan.training.loss_log import LossLog
from discogan.training.monitor import Alarm, CpuMonitor, Monitor, few_images, score_record
from discogan.training.observer import Ended, Observer, Outcome, StepReport
from discogan.training.samples import write_sample_sheet
from discogan.training.signals import catch_signals
from discogan.verdict import Probe


class Trainer:
    """The state that changes while a run trains, and the loop that changes it."""

    def __init__(self, config: Config, run: RunFolder, data: TrainingData, observer: Observer) -> None:
        options = config.training
        self.config, self.run, self.data, self.observer = config, run, data, observer
        require_fitting(run, config)
        self.learner = Learner(config)
        self.model, self.device = self.learner.model, self.learner.device
        pixels_a, pixels_b = expect_random_access(data.a.pixels), expect_random_access(data.b.pixels)
        self.batches = UnpairedBatches(pixels_a, pixels_b, options.batch_size, config.seed, config.data.flip)
        self.losses = LossLog()
        self.progress = self._restore()
        self._first_step = self.progress.step
        self.budget = Budget(options, self.progress)
        self.metrics_log = MetricsLog(run.metrics, self.progress.step)
        self.scores_log = MetricsLog(run.scores, self.progress.step)
        self.monitor = Monitor(read_scores(run))
        objective = self.learner.objective
        self.probe = Probe(data.a.pixels, data.b.pixels, objective.directions, objective.round_trip_directions)

    def fit(self) -> Outcome:
        """Train until the budget is used or a signal arrives, then write a checkpoint in either case."""
        options = self.config.training
        self.observer.on_start(self.run.path, self.config, self.progress)
        self._raise_alarms(few_images({"A": len(self.data.a), "B": len(self.data.b)}))
        cpu = CpuMonitor(torch.get_num_threads() if self.device.type == "cpu" else 1)
        has_stalled = False
        self.budget.start()
        with catch_signals() as signals, devices.memory_errors():
            while self.budget.fraction(self.progress) < 1 and not signals and not has_stalled:
                step = self.progress.step
                self.losses.add(step, self.train_step(step))
                self.progress = Progress(step + 1, self.budget.elapsed_seconds())
                record = None
                if self._is_due(options.log_every_steps):
                    record = self._log_losses()
                    self._raise_alarms(cpu.check())
                if self._is_due(options.sample_every_steps):
                    self._write_samples()
                if self._is_due(options.score_every_steps):
                    has_stalled = self._score() and options.stop_when_stalled
                if self._is_due(options.checkpoint_every_steps):
                    self._save()
                self.observer.on_step(self._report(record))
            self._save()  # First, because a full disk or a second signal can end the rest.
            if not signals and self.monitor.last_step != self.progress.step:
                self._score()
            self._write_samples()
        ended: Ended = "budget"
        if signals and self.budget.fraction(self.progress) < 1:
            ended = "interrupted"
        elif has_stalled:
            ended = "stalled"
        return Outcome(self.run.path, self.progress.step, ended, signals[0] if signals else 0)

    def train_step(self, step: int) -> Terms:
        """Run one optimiser step (counted from 0) on one batch of each domain; return the terms, detached."""
        batch_a, batch_b = self.batches.batch(step)
        real_a, real_b = self._encode(batch_a), self._encode(batch_b)
        if self.data.anchors is None:
            return self.learner.step(real_a, real_b, step)
        anchors_a, anchors_b = self.data.anchors.batch(self.config.anchors.batch_size, self.config.seed, step)
        return self.learner.step(real_a, real_b, step, (self._encode(anchors_a), self._encode(anchors_b)))

    def _encode(self, pixels: Pixels) -> Tensor:
        """Return uint8 (N, H, W, C) as the networks take it."""
        return self.model.pixel_range.encode(torch.from_numpy(pixels).to(self.device))

    def _is_due(self, every_steps: int) -> bool:
        return self.progress.step % every_steps == 0

    def _report(self, record: dict[str, Any] | None) -> StepReport:
        step, seconds = self.progress.step, self.progress.elapsed_seconds
        images_seen = step * self.config.training.batch_size
        score = self.monitor.latest_score
        return StepReport(step, images_seen, seconds, self.budget.fraction(self.progress), record, self.run.path, score)

    def _raise_alarms(self, alarms: list[Alarm]) -> None:
        for alarm in alarms:
            self.observer.on_alarm(alarm)

    def _score(self) -> bool:
        """Measure the unsupervised score, update best/, raise alarms; return whether the run has stalled."""
        model = self.learner.inference_model()
        with evaluation_mode(model):
            metrics, _ = self.probe.measure(model)
        record = score_record(self.progress.step, self.budget.fraction(self.progress), metrics)
        if self.monitor.should_replace_best(record):
            self._require_finite()
            save_best(self.run, self.learner.state(), self.progress)
        alarms = self.monitor.add(record)
        self.scores_log.append({**record, "alarms": [alarm.message for alarm in alarms]})
        self._raise_alarms(alarms)
        return any(alarm.kind == "stall" for alarm in alarms)

    def _log_losses(self) -> dict[str, Any]:
        self._require_finite_losses()
        images_seen, seconds = self.progress.step * self.config.training.batch_size, self.progress.elapsed_seconds
        record = {
            "step": self.progress.step,
            "images_seen": images_seen,
            "elapsed_seconds": round(seconds, 3),
            "images_per_second": round(images_seen / max(seconds, 1e-9), 1),
            **self.losses.take_means(),
        }
        self.metrics_log.append(record)
        return record

    def _write_samples(self) -> None:
        model = self.learner.inference_model()
        with evaluation_mode(model):
            file = write_sample_sheet(model, self.data, self.run, self.progress.step)
        self.observer.on_samples(file, self.progress.step)

    def _save(self) -> None:
        """Write a checkpoint, unless a loss or a weight is not finite."""
        self._require_finite()
        files = self.learner.state()
        files["training_state"] |= {f"loss_log.{name}": values for name, values in self.losses.state_dict().items()}
        save_checkpoint(self.run, files, self.progress, self.config.training.keep_checkpoints)
        # Only now, because a full disk must not cost a finished run its verdict.
        self._remove_former_verdict()

    def _remove_former_verdict(self) -> None:
        """Remove the verdict of a smaller budget; ``read_verdict`` ignores it from the first newer checkpoint on."""
        if self.progress.step > self._first_step:
            self.run.verdict.unlink(missing_ok=True)

    def _require_finite(self) -> None:
        """Raise ``DivergedError`` before a broken state can become the newest checkpoint."""
        self._require_finite_losses()
        for name, tensors in self.learner.state().items():
            for value in tensors.values():
                if value.is_floating_point() and not value.isfinite().all():
                    what = f"weights of {name}" if name in NETWORKS else "the optimiser's state"
                    raise self._diverged(self.progress.step, what)

    def _require_finite_losses(self) -> None:
        broken = self.losses.first_non_finite()
        if broken is not None:
            raise self._diverged(broken.step, broken.name)

    def _diverged(self, step: int, term: str) -> DivergedError:
        last = self.run.last_checkpoint()
        return DivergedError(step, term, f"The last good checkpoint is {last}." if last else "There is no checkpoint.")

    def _restore(self) -> Progress:
        """Load the newest intact checkpoint, if there is one, and return its progress.

        Damaged checkpoints are named and set aside, because their steps must be written again.
        """
        restore_best(self.run)
        damaged = {path: find_damage(path) for path in self.run.broken_checkpoints()}
        for checkpoint in reversed(self.run.complete_checkpoints()):
            try:
                self.losses.load_state_dict(self.learner.restore(checkpoint))
            except DamagedCheckpointError as error:
                damaged[checkpoint] = error.problem
                continue
            if damaged:
                message = _damage_message(self.run, damaged, checkpoint.name)
                for path in damaged:
                    set_aside(path)
                self._raise_alarms([Alarm("damaged_checkpoint", message)])
            return read_progress(checkpoint)
        logged = self._last_logged_step()
        must_have_checkpoint = logged > self.config.training.checkpoint_every_steps
        if damaged or must_have_checkpoint or self.run.last.exists() or self.run.verdict.exists():
            names = f" (damaged: {_list(damaged)})" if damaged else ""
            raise RunError(
                f"{self.run.path} was trained before, but none of its checkpoints is complete{names}. "
                f"Restore {self.run.checkpoints}, or start a new run."
            )
        if logged:
            message = f"{self.run.path} was stopped at step {logged} or later, before its first checkpoint."
            self._raise_alarms([Alarm("no_checkpoint", f"{message} Training starts again at step 0.")])
        return Progress()

    def _last_logged_step(self) -> int:
        """Return the last step of which a log or a sample sheet remains, 0 if there is none."""
        logged = [int(record["step"]) for record in read_metrics(self.run)[-1:]]
        return max([0, *logged, *map(step_of, self.run.sheets())])


def _damage_message(run: RunFolder, damaged: Mapping[Path, str], used: str) -> str:
    return f"{run.path} has damaged checkpoints ({_list(damaged)}). Training continues from {used}."


def _list(damaged: Mapping[Path, str]) -> str:
    return "; ".join(f"{path.name}: {problem}" for path, problem in damaged.items())
