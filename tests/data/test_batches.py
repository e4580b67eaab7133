from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discogan.data.batches import UnpairedBatches


def numbered(count: int) -> np.ndarray:
    """Images whose pixels all have the value of their index."""
    return np.arange(count, dtype=np.uint8)[:, None, None, None].repeat(4, 1).repeat(4, 2)


def rows(batches: UnpairedBatches, steps: range, domain: int = 0) -> list[int]:
    return [int(image[0, 0, 0]) for step in steps for image in batches.batch(step)[domain]]


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 17), st.integers(0, 5))
def test_each_pass_sees_every_image_once(count_a, count_b, batch_size, seed):
    batches = UnpairedBatches(numbered(count_a), numbered(count_b), batch_size, seed)
    for domain, count in enumerate((count_a, count_b)):
        seen = rows(batches, range(-(-3 * count // batch_size)), domain)
        for turn in range(3):
            assert sorted(seen[turn * count : (turn + 1) * count]) == list(range(count))


def test_a_batch_depends_on_seed_and_step_only():
    stores = numbered(30), numbered(20)
    forwards, backwards = UnpairedBatches(*stores, 7, 3), UnpairedBatches(*stores, 7, 3)
    in_order = [forwards.batch(step) for step in range(12)]
    for step in reversed(range(12)):
        for one, other in zip(in_order[step], backwards.batch(step), strict=True):
            assert (one == other).all()
    assert rows(UnpairedBatches(*stores, 7, 4), range(4)) != rows(forwards, range(4))


def test_the_domains_are_in_unrelated_orders():
    batches = UnpairedBatches(numbered(50), numbered(50), 50, 0)
    together = Counter()
    for step in range(200):
        a, b = (images[:, 0, 0, 0] for images in batches.batch(step))
        together[int((a == b).sum())] += 1
    mean = sum(count * times for count, times in together.items()) / 200
    assert mean == pytest.approx(1.0, abs=0.35)


def test_flips_mirror_about_half_of_the_images():
    images = np.zeros((64, 4, 4, 3), np.uint8)
    images[:, :, 0] = 9
    plain = UnpairedBatches(images, images, 64, 0)
    flipping = UnpairedBatches(images, images, 64, 0, flip=True)
    assert (plain.batch(0)[0][:, :, 0] == 9).all()
    mirrored = sum(int((flipping.batch(step)[0][:, 0, 3, 0] == 9).sum()) for step in range(20))
    assert 0.45 < mirrored / (20 * 64) < 0.55
    assert (images[:, :, 0] == 9).all()
