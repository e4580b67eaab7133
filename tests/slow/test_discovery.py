"""Short trainings on images with known true pairs find the relation."""

import pytest

from discogan import api
from discogan.data.synthetic import draw_domains
from discogan.evaluation import evaluate


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_relation_of_the_demo_is_found_without_pairs(tmp_path):
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
def test_the_relation_of_hands_and_their_edges_is_found(shared_data, tmp_path):
    data = shared_data / "hands_edges_photo"
    api.train(data / "train_a", data / "train_b", out=tmp_path / "run", preset="modern", image_size=32, minutes=1.5)
    scores = evaluate(tmp_path / "run", data / "test_a", data / "test_b")
    for direction in ("a_to_b", "b_to_a"):
        assert scores[direction]["top_1"] > scores[direction]["identity_top_1"] + 0.1
