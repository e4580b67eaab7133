"""Unpaired batches: each domain in its own random order, which depends on seed and step only."""

import numpy as np

from discogan.images import Pixels


class UnpairedBatches:
    """Batches of two stores. ``batch(step)`` depends on (seed, step) only, so no position must be saved.

    Each domain is shuffled again after each pass over its images, independently of the other domain. So the order of
    the files, their names and their counts cannot relate an image of A to one of B.
    """

    def __init__(self, pixels_a: Pixels, pixels_b: Pixels, batch_size: int, seed: int, flip: bool = False) -> None:
        self._domains = (pixels_a, pixels_b)
        self._batch_size = batch_size
        self._seed = seed
        self._flip = flip
        self._orders: dict[tuple[int, int], np.ndarray] = {}

    def batch(self, step: int) -> tuple[Pixels, Pixels]:
        """Return uint8 (batch_size, H, W, C) of A and of B for the step, counted from 0."""
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
        passes, indices = np.divmod(positions, count)
        rows = [self._order(domain, number)[index] for number, index in zip(passes, indices, strict=True)]
        return np.array(rows)

    def _order(self, domain: int, number: int) -> np.ndarray:
        """Return the shuffled rows of a domain for pass ``number``; the latest two passes of a domain are cached."""
        key = (domain, number)
        if key not in self._orders:
            kept = (domain, number - 1)
            self._orders = {old: order for old, order in self._orders.items() if old[0] != domain or old == kept}
            rng = np.random.default_rng([self._seed, domain, number])
            self._orders[key] = rng.permutation(len(self._domains[domain]))
        return self._orders[key]
