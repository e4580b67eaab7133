"""The networks of a run, their optimisers, and one optimiser step on tensors of any shape."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from torch import Tensor

from discogan import devices
from discogan.checkpoints import (
    State,
    load_network,
    load_optimiser_state,
    optimiser_state,
    read_description,
    read_tensors,
)
from discogan.config import Config
from discogan.errors import DamagedCheckpointError
from discogan.losses import at_least_float32, reconstruction
from discogan.model import TranslationModel, averaged_copy, build_model, update_average
from discogan.networks import Shape
from discogan.objectives import Objective, Terms
from discogan.registry import OBJECTIVES
from discogan.run_folder import read_checkpoint_record


class Learner:
    """New networks for a configuration, for images of its size or for data of the ``shapes`` given.

    All randomness is a function of (seed, step), so a step can be repeated from its number alone.
    """

    def __init__(self, config: Config, shapes: tuple[Shape, Shape] | None = None) -> None:
        options = config.training
        self.config = config
        self.device = devices.pick_device(options.device)
        devices.seed_step(config.seed, -1)
        model = build_model(config, shapes)
        self._format = devices.memory_format(self.device, options.memory_format, model)
        self.model = devices.place(model, self.device, options.memory_format).train()
        self.generators, self.discriminators = self.model.generators, self.model.discriminators
        self.average = averaged_copy(self.generators) if options.ema_decay else None
        self.objective: Objective = OBJECTIVES.build(config.objective, "objective")
        self.generator_optimiser = self._adam(self.generators)
        self.discriminator_optimiser = self._adam(self.discriminators)

    @property
    def inference_generators(self) -> torch.nn.ModuleDict:
        """The generators to use outside training: the averaged ones, if an average is kept."""
        return self.average if self.average is not None else self.generators

    def inference_model(self) -> TranslationModel:
        """Return the networks that a checkpoint written now would hold; they share this learner's weights."""
        networks = {**self.inference_generators, **self.discriminators}
        model = TranslationModel(**networks, pixel_range=self.model.pixel_range)
        model.directions = tuple(self.objective.directions)
        model.round_trip_directions = tuple(self.objective.round_trip_directions)
        return model

    def step(self, real_a: Tensor, real_b: Tensor, step: int, anchors: tuple[Tensor, Tensor] | None = None) -> Terms:
        """Run one optimiser step (counted from 0) on a batch of each domain, float (N, ...).

        ``anchors`` are known pairs, row by row; their number may differ. Returns the terms, detached.
        """
        devices.seed_step(self.config.seed, step)
        self._set_learning_rate(step)
        steps_generators = self.objective.steps_generators(step)
        real_a, real_b = self._in_memory_format(real_a), self._in_memory_format(real_b)
        trips = self.model.round_trips(real_a, real_b, differentiable=steps_generators)
        terms: Terms = {}
        if self.objective.steps_discriminators(step):
            with self._autocast():
                terms |= self.objective.discriminator_terms(self.model, trips, step)
            _descend(self.discriminator_optimiser, terms)
        if steps_generators:
            # Frozen discriminators still pass gradients to the images, but skip those of their weights.
            self.discriminators.requires_grad_(False)
            with self._autocast():
                generator_terms = self.objective.generator_terms(self.model, trips, step)
                if anchors is not None:
                    anchors_a, anchors_b = anchors
                    generator_terms |= self._anchor_terms(
                        self._in_memory_format(anchors_a), self._in_memory_format(anchors_b)
                    )
            _descend(self.generator_optimiser, generator_terms)
            self.discriminators.requires_grad_(True)
            terms |= generator_terms
            if self.average is not None:
                update_average(self.average, self.generators, self.config.training.ema_decay, step)
        return {name: term.detach() for name, term in terms.items()}

    def _in_memory_format(self, batch: Tensor) -> Tensor:
        """Return images in the memory format of the networks; data of another shape unchanged."""
        return batch.contiguous(memory_format=self._format) if batch.ndim == 4 else batch

    def _set_learning_rate(self, step: int) -> None:
        options = self.config.training
        rate = options.learning_rate * ((1 + step / options.decay_steps) ** -0.5 if options.decay_steps else 1.0)
        for optimiser in (self.generator_optimiser, self.discriminator_optimiser):
            for group in optimiser.param_groups:
                group["lr"] = rate

    def _anchor_terms(self, known_a: Tensor, known_b: Tensor) -> Terms:
        weight = self.config.anchors.weight
        return {
            "anchors_a": weight * reconstruction(self.model.translate(known_b, "b_to_a"), known_a, "l1"),
            "anchors_b": weight * reconstruction(self.model.translate(known_a, "a_to_b"), known_b, "l1"),
        }

    def state(self) -> dict[str, State]:
        """Return tensors by file and name: the networks for inference, and what only resuming needs."""
        files: dict[str, State] = {name: network.state_dict() for name, network in self.inference_generators.items()}
        files |= {name: network.state_dict() for name, network in self.discriminators.items()}
        state = optimiser_state(self.generator_optimiser, "generator_optimiser")
        state |= optimiser_state(self.discriminator_optimiser, "discriminator_optimiser")
        state |= {f"objective.{name}": value for name, value in self.objective.state_dict().items()}
        state |= {f"generators.{name}": value for name, value in self.generators.state_dict().items()}
        return {**files, "training_state": state}

    def restore(self, checkpoint: Path) -> State:
        """Restore what ``state`` returned; return the trainer's tensors in the checkpoint (``loss_log``).

        Raises ``DamagedCheckpointError`` if files are missing, have changed, or do not fit.
        """
        record = read_checkpoint_record(checkpoint)
        read_description(checkpoint, record)
        for networks in (self.inference_generators, self.discriminators):
            for name, network in networks.items():
                load_network(network, read_tensors(checkpoint, name, record), checkpoint, name)
        state = read_tensors(checkpoint, "training_state", record)
        known = ("generator_optimiser", "discriminator_optimiser", "objective", "generators", "loss_log")
        for key in state:
            if key.partition(".")[0] not in known:
                raise DamagedCheckpointError(checkpoint, f"training_state.safetensors has an unknown tensor {key}")
        load_network(self.generators, _below(state, "generators"), checkpoint, "generators")
        load_optimiser_state(self.generator_optimiser, "generator_optimiser", state, checkpoint)
        load_optimiser_state(self.discriminator_optimiser, "discriminator_optimiser", state, checkpoint)
        objective_state = {name: value.to(self.device) for name, value in _below(state, "objective").items()}
        self.objective.load_state_dict(objective_state)
        return _below(state, "loss_log")

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


def _descend(optimiser: torch.optim.Optimizer, terms: Mapping[str, Tensor]) -> None:
    optimiser.zero_grad()
    torch.stack([at_least_float32(term) for term in terms.values()]).sum().backward()  # type: ignore[no-untyped-call]
    optimiser.step()


def _below(state: State, prefix: str) -> State:
    """Return the tensors whose names begin with ``prefix.``, without it."""
    return {key.removeprefix(prefix + "."): value for key, value in state.items() if key.startswith(prefix + ".")}
