import numpy as np

from discogan.data.synthetic import KINDS, draw_domains, draw_lines, draw_picture, random_thing
from discogan.images import image_files


def test_every_kind_is_drawn_inside_the_picture():
    rng = np.random.default_rng(0)
    things = [random_thing(rng) for _ in range(120)]
    assert {thing.kind for thing in things} == set(KINDS)
    for thing in things:
        lines = np.asarray(draw_lines(thing))
        assert (lines < 128).any(2).sum() > 40
        assert np.asarray(draw_picture(thing)).std() > 10


def test_training_parts_share_no_object_and_test_pairs_share_each(tmp_path):
    draw_domains(tmp_path, train_a=6, train_b=8, test=5, seed=1)
    counts = {name: len(image_files(tmp_path / name)) for name in ("train_a", "train_b", "test_a", "test_b")}
    assert counts == {"train_a": 6, "train_b": 8, "test_a": 5, "test_b": 5}
    assert [path.name for path in image_files(tmp_path / "test_a")] == [
        path.name for path in image_files(tmp_path / "test_b")
    ]


def test_the_same_seed_draws_the_same(tmp_path):
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        draw_domains(tmp_path / name, train_a=2, train_b=2, test=1, seed=seed)
    first, second, third = (
        (tmp_path / name / "train_a" / "train-0000.png").read_bytes() for name in ("one", "two", "three")
    )
    assert first == second != third
