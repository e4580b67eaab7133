"""The loop: batches in, steps, logs, samples, checkpoints."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal

import torch
from torch import Tensor

from discogan import devices
from discogan.checkpoint import (
    NETWORKS,
    Progress,
    RunFolder,
    State,
    load_network,
    load_optimiser_state,
    optimiser_state,
    read_progress,
    read_tensors,
)
from discogan.config import Config
from discogan.data.batches import UnpairedBatches
from discogan.data.store import ImageStore
from discogan.errors import DivergedError
from discogan.images import Pixels, draw_sheet
from discogan.model import averaged_copy, build_model, update_average
from discogan.objectives import Terms, build_objective
from discogan.tracking import MetricsLog
from discogan.training.observer import Observer, Outcome, StepReport
from discogan.training.signals import signals_caught

SAMPLES = 8


class Trainer:
    """Everything that changes while a run trains, and the loop that changes it."""

    def __init__(
        self, config: Config, run: RunFolder, stores: tuple[ImageStore, ImageStore], observer: Observer
    ) -> None:
        options = config.training
        self.config, self.run, self.stores, self.observer = config, run, stores, observer
        self.device = devices.pick_device(options.device)
        devices.seed_step(config.seed, -1)
        self.model = build_model(config).to(self.device).train()
        self.generators, self.discriminators = self.model.generators, self.model.discriminators
        self.average = averaged_copy(self.generators) if options.ema_decay else None
        self.objective = build_objective(config.objective)
        self.generator_optimiser = self._adam(self.generators)
        self.discriminator_optimiser = self._adam(self.discriminators)
        pixels_a, pixels_b = stores[0].pixels, stores[1].pixels
        self.batches = UnpairedBatches(pixels_a, pixels_b, options.batch_size, config.seed, config.data.flip)
        self.progress = Progress()
        self._pending: list[tuple[int, Terms]] = []
        self._restore()
        self.log = MetricsLog(run.metrics, self.progress.step)

    def fit(self) -> Outcome:
        """Train until the budget is used or a signal asks to stop; a checkpoint is written either way."""
        options = self.config.training
        self.observer.on_start(self.run.path, self.config, self.progress)
        before, started = self.progress.elapsed_seconds, time.monotonic()
        with signals_caught() as caught, devices.memory_errors():
            while self._fraction() < 1 and not caught:
                step = self.progress.step
                self._pending.append((step, self.train_step(step)))
                self.progress = Progress(step + 1, before + time.monotonic() - started)
                record = self._log_metrics() if self._due(options.log_every_steps) else None
                if self._due(options.sample_every_steps):
                    self._draw_samples()
                if self._due(options.checkpoint_every_steps):
                    self._save()
                self.observer.on_step(self._report(record))
        self._draw_samples()
        self._save()
        ended: Literal["budget", "interrupted"] = "interrupted" if caught and self._fraction() < 1 else "budget"
        return Outcome(self.run.path, self.progress.step, ended, caught[0] if caught else 0)

    def train_step(self, step: int) -> Terms:
        """One optimiser step (counted from 0) on one batch of each domain; the terms, detached."""
        devices.seed_step(self.config.seed, step)
        steps_generators = self.objective.steps_generators(step)
        real_a, real_b = (
            self.model.pixel_range.encode(torch.from_numpy(pixels).to(self.device))
            for pixels in self.batches.batch(step)
        )
        trips = self.model.round_trips(real_a, real_b, differentiable=steps_generators)
        terms: Terms = {}
        if self.objective.steps_discriminators(step):
            with self._autocast():
                terms |= self.objective.discriminator_terms(self.model, trips, step)
            _descend(self.discriminator_optimiser, terms)
        if steps_generators:
            # Frozen discriminators still pass gradients on to the images, and skip those of their weights.
            self.discriminators.requires_grad_(False)
            with self._autocast():
                generator_terms = self.objective.generator_terms(self.model, trips, step)
            _descend(self.generator_optimiser, generator_terms)
            self.discriminators.requires_grad_(True)
            terms |= generator_terms
            if self.average is not None:
                update_average(self.average, self.generators, self.config.training.ema_decay, step)
        return {name: term.detach() for name, term in terms.items()}

    def _adam(self, networks: torch.nn.Module) -> torch.optim.Adam:
        options = self.config.training
        return torch.optim.Adam(
            networks.parameters(),
            lr=options.learning_rate,
            betas=(options.beta1, options.beta2),
            weight_decay=options.weight_decay,
            fused=self.device.type in ("cpu", "cuda"),
        )

    def _autocast(self) -> AbstractContextManager[object]:
        return devices.autocast(self.device, self.config.training.precision)

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
        return StepReport(step, step * self.config.training.batch_size, seconds, self._fraction(), record)

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
        networks = self.average if self.average is not None else self.generators
        was_training = networks.training
        networks.eval()
        rows = self._sample_rows(networks, "A", "B") + self._sample_rows(networks, "B", "A")
        networks.train(was_training)
        step = self.progress.step
        unfinished = self.run.samples / f".step-{step:06d}.png"
        draw_sheet(rows, f"step {step:,}").save(unfinished)
        unfinished.replace(self.run.samples / f"step-{step:06d}.png")

    def _sample_rows(self, networks: torch.nn.ModuleDict, one: str, other: str) -> list[tuple[str, list[Pixels]]]:
        store = self.stores["AB".index(one)]
        pixels = store.pixels[:: max(1, len(store) // SAMPLES)][:SAMPLES].copy()
        there, back = (f"generator_{way.lower()}" for way in (one + other, other + one))
        with torch.inference_mode():
            real = self.model.pixel_range.encode(torch.from_numpy(pixels).to(self.device))
            fake = networks[there](real)
            images = (real, fake, networks[back](fake))
        names = (one, f"{one} to {other}", f"{one} to {other} to {one}")
        decode = self.model.pixel_range.decode
        return [(name, list(decode(batch).cpu().numpy())) for name, batch in zip(names, images, strict=True)]

    def _save(self) -> None:
        """A checkpoint: the networks to use outside, and in training_state what only resuming needs."""
        self._check_finite()
        outside = self.average if self.average is not None else self.generators
        files: dict[str, State] = {name: network.state_dict() for name, network in outside.items()}
        files |= {name: network.state_dict() for name, network in self.discriminators.items()}
        state = optimiser_state(self.generator_optimiser, "generator_optimiser")
        state |= optimiser_state(self.discriminator_optimiser, "discriminator_optimiser")
        state |= {f"objective.{name}": value for name, value in self.objective.state_dict().items()}
        state |= {f"generators.{name}": value for name, value in self.generators.state_dict().items()}
        files["training_state"] = state
        self.run.save_checkpoint(files, self.progress, self.config.training.keep_checkpoints)

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
        checkpoint = self.run.last_checkpoint()
        if checkpoint is None:
            return
        for name in NETWORKS:
            state = read_tensors(checkpoint, name)
            in_average = self.average is not None and name in self.average
            load_network(self.average[name] if in_average else getattr(self.model, name), state, checkpoint)  # type: ignore[index]
        state = read_tensors(checkpoint, "training_state")
        load_network(self.generators, _below(state, "generators"), checkpoint)
        load_optimiser_state(self.generator_optimiser, "generator_optimiser", state)
        load_optimiser_state(self.discriminator_optimiser, "discriminator_optimiser", state)
        self.objective.load_state_dict({k: v.to(self.device) for k, v in _below(state, "objective").items()})
        self.progress = read_progress(checkpoint)


def _descend(optimiser: torch.optim.Optimizer, terms: Mapping[str, Tensor]) -> None:
    optimiser.zero_grad()
    torch.stack([term.float() for term in terms.values()]).sum().backward()  # type: ignore[no-untyped-call]
    optimiser.step()


def _below(state: State, prefix: str) -> State:
    return {key.removeprefix(prefix + "."): value for key, value in state.items() if key.startswith(prefix + ".")}
