"""Objectives: what the networks of a run minimise. One file a method, each reading as its equations.

An objective is a frozen dataclass: its fields are its options, and it answers with named terms that are
already weighted. The training loop sums, logs and steps them and knows nothing of what they are.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from discogan.config import Table
from discogan.model import DIRECTIONS, Direction, RoundTrips, TranslationModel, opposite
from discogan.registry import OBJECTIVES

Terms = dict[str, Tensor]


class Objective(ABC):
    """The losses of a method. ``step`` counts from 0; every term is a scalar tensor."""

    @property
    def directions(self) -> Sequence[Direction]:
        """The translations that it trains."""
        return DIRECTIONS

    @property
    def round_trips(self) -> Sequence[Direction]:
        """Those of them whose way back is trained as well."""
        return [way for way in self.directions if opposite(way) in self.directions]

    @abstractmethod
    def generator_terms(self, model: TranslationModel, trips: RoundTrips, step: int) -> Terms:
        """What the generators minimise, term by term; the discriminators are frozen meanwhile."""

    @abstractmethod
    def discriminator_terms(self, model: TranslationModel, trips: RoundTrips, step: int) -> Terms:
        """What the discriminators minimise; fakes must be detached from the generators."""

    def steps_generators(self, step: int) -> bool:
        """Whether this step updates the generators."""
        return True

    def steps_discriminators(self, step: int) -> bool:
        """Whether this step updates the discriminators; they go first where both are updated."""
        return True

    def state_dict(self) -> dict[str, Tensor]:
        """What must be saved to resume exactly; most objectives remember nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take back what ``state_dict`` gave."""
        del state


def build_objective(table: Table) -> Objective:
    """The objective a configuration names, with its options; raises ``ConfigError``."""
    objective: Objective = OBJECTIVES.resolve(table, "objective")[1]
    return objective
