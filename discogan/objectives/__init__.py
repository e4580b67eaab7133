"""Objectives: the losses that the networks minimise. One file for each method, which reads as its equations.

An objective is a frozen dataclass whose fields are its options. It returns named terms that are already
weighted. The training loop sums, logs and minimises them without knowing what they mean.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from discogan.config import Options
from discogan.directions import DIRECTIONS, Direction, opposite
from discogan.model import RoundTrips, TranslationModel

Terms = dict[str, Tensor]


class Objective(Options, ABC):
    """The losses of a method. ``step`` counts from 0; every term is a scalar tensor."""

    @property
    def directions(self) -> Sequence[Direction]:
        """The directions that the objective trains."""
        return DIRECTIONS

    @property
    def round_trip_directions(self) -> Sequence[Direction]:
        """The directions whose round trip is trained as well."""
        return [direction for direction in self.directions if opposite(direction) in self.directions]

    @abstractmethod
    def generator_terms(self, model: TranslationModel, trips: RoundTrips, step: int) -> Terms:
        """Return the loss terms of the generators; the discriminators are frozen meanwhile."""

    @abstractmethod
    def discriminator_terms(self, model: TranslationModel, trips: RoundTrips, step: int) -> Terms:
        """Return the loss terms of the discriminators; fakes must be detached from the generators."""

    def steps_generators(self, step: int) -> bool:
        """Return whether this step updates the generators."""
        return True

    def steps_discriminators(self, step: int) -> bool:
        """Return whether this step updates the discriminators; if it updates both, the discriminators go first."""
        return True

    def state_dict(self) -> dict[str, Tensor]:
        """Return the tensors needed to resume exactly; most objectives have none."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore the state that ``state_dict`` returned."""
        del state
