"""Unpaired batches: each domain in its own random order, as a pure function of the step."""

import numpy as np

from discogan.images import Pixels


class UnpairedBatches:
    """Batches of two stores. ``batch(step)`` depends on nothing but (seed, step): there is no position to save.

    Each domain is shuffled anew each time it has been seen once, independently of the other, so nothing
    about the order of the files, their names or their counts can tie an image of A to one of B.
    """

    def __init__(self, pixels_a: Pixels, pixels_b: Pixels, batch_size: int, seed: int, flip: bool = False) -> None:
        self._domains = (pixels_a, pixels_b)
        self._batch_size = batch_size
        self._seed = seed
        self._flip = flip
        self._orders: dict[tuple[int, int], np.ndarray] = {}

    def batch(self, step: int) -> tuple[Pixels, Pixels]:
        """uint8 (batch_size, H, W, C) of A and of B for the step, counted from 0."""
        return self._take(0, step), self._take(1, step)

    def _take(self, domain: int, step: int) -> Pixels:
        pixels = self._domains[domain]
        images: Pixels = pixels[self._rows(domain, step)]
        if self._flip:
            mirrored = np.random.default_rng([self._seed, domain, step, 1]).random(len(images)) < 0.5
            images[mirrored] = images[mirrored, :, ::-1]
        return images

    def _rows(self, domain: int, step: int) -> np.ndarray:
        count = len(self._domains[domain])
        positions = np.arange(step * self._batch_size, (step + 1) * self._batch_size)
        rounds, places = np.divmod(positions, count)
        return np.array([self._order(domain, turn)[place] for turn, place in zip(rounds, places, strict=True)])

    def _order(self, domain: int, turn: int) -> np.ndarray:
        """The shuffled rows of a domain for its ``turn``-th pass; only the newest two passes are remembered."""
        key = (domain, turn)
        if key not in self._orders:
            self._orders = {old: order for old, order in self._orders.items() if old[0] != domain or old[1] == turn - 1}
            rng = np.random.default_rng([self._seed, domain, turn])
            self._orders[key] = rng.permutation(len(self._domains[domain]))
        return self._orders[key]
