"""That relations are found at all: short trainings on pictures whose true pairs are known."""

import pytest

from discogan import api
from discogan.data.synthetic import draw_domains
from discogan.evaluation import evaluate


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demo_s_relation_is_found_without_pairs(tmp_path):
    draw_domains(tmp_path, seed=1)
    api.train(
        tmp_path / "train_a",
        tmp_path / "train_b",
        out=tmp_path / "run",
        preset="modern",
        image_size=32,
        minutes=2,
        seed=1,
    )
    scores = evaluate(tmp_path / "run", tmp_path / "test_a", tmp_path / "test_b")
    for direction in ("a_to_b", "b_to_a"):
        assert scores[direction]["top_1"] >= 0.6
        assert scores[direction]["diversity"] > 0.6


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_hands_are_found_from_their_edges(shared_data, tmp_path):
    data = shared_data / "hands_edges_photo"
    api.train(data / "train_a", data / "train_b", out=tmp_path / "run", preset="modern", image_size=32, minutes=1.5)
    scores = evaluate(tmp_path / "run", data / "test_a", data / "test_b")
    for direction in ("a_to_b", "b_to_a"):
        assert scores[direction]["top_1"] > scores[direction]["identity_top_1"] + 0.1
