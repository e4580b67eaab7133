import json
import shutil

import numpy as np
import pytest
import torch
from torch import nn

from discogan.api import train
from discogan.errors import DataError
from discogan.evaluation import azimuth, evaluate
from discogan.evaluation.scores import pair_records, score_direction
from discogan.images import PIXEL_RANGES
from discogan.metrics.azimuth import AzimuthRegressor, Fitted
from discogan.model import TranslationModel
from tests.conftest import SMALL, write_images

KEYS = {"top_1", "top_5", "l1", "ssim"}


class Apply(nn.Module):
    """A generator that is a plain function of pixels in [0, 1]."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, images):
        return self.function(images)


def model_of(a_to_b, b_to_a):
    nothing = nn.Identity()
    return TranslationModel(Apply(a_to_b), Apply(b_to_a), nothing, nothing, PIXEL_RANGES["sigmoid"]).eval()


@pytest.fixture
def pictures():
    return np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3), dtype=np.uint8).repeat(4, 1).repeat(4, 2)


def test_the_true_relation_scores_perfectly(pictures):
    negative = 255 - pictures
    model = model_of(lambda x: 1 - x, lambda x: 1 - x)
    for direction, source, target in (("a_to_b", pictures, negative), ("b_to_a", negative, pictures)):
        scores = score_direction(model, source, target, direction, paired=True)
        assert scores["top_1"] == scores["top_5"] == 1
        assert scores["ssim"] == pytest.approx(1, abs=1e-3)
        assert scores["l1"] == pytest.approx(0, abs=1e-3)
        assert scores["round_trip_l1"] == pytest.approx(0, abs=1e-3)
        assert scores["diversity"] == pytest.approx(1, abs=1e-3)
        assert scores["sliced_wasserstein"] == pytest.approx(0, abs=1e-3)
        assert scores["identity_top_1"] < 0.2
        assert scores["chance_top_1"] == pytest.approx(1 / 30)
        assert scores["chance_l1"] > 0.2


def test_a_collapse_scores_nothing(pictures):
    model = model_of(lambda x: x.mean(0, keepdim=True).expand_as(x), lambda x: x * 0)
    scores = score_direction(model, pictures, 255 - pictures, "a_to_b", paired=True)
    assert scores["top_1"] <= 1 / 30
    assert scores["diversity"] < 0.01
    assert scores["sliced_wasserstein"] > 0.1
    assert scores["round_trip_l1"] > 0.3


def test_a_copy_of_the_input_equals_the_identity(pictures):
    scores = score_direction(model_of(lambda x: x, lambda x: x), pictures, 255 - pictures, "a_to_b", paired=True)
    for key in KEYS:
        assert scores[key] == pytest.approx(scores[f"identity_{key}"])


def test_a_run_is_scored_both_ways(small_run, domains):
    scores = evaluate(small_run, *domains)
    assert scores["images_a"] == scores["images_b"] == 10
    for direction in ("a_to_b", "b_to_a"):
        assert scores[direction].keys() >= KEYS | {f"identity_{k}" for k in KEYS} | {f"chance_{k}" for k in KEYS}
    json.dumps(scores)


def test_without_pairs_the_run_s_own_images_are_scored(small_run):
    scores = evaluate(small_run)
    assert (scores["paired"], scores["images_a"], scores["images_b"]) == (False, 13, 10)
    assert scores["a_to_b"].keys() == {"round_trip_l1", "diversity", "sliced_wasserstein"}


def test_pairs_are_by_name_without_suffix_in_subfolders_too(tmp_path):
    a, b = write_images(tmp_path / "a" / "x", 4, 0), write_images(tmp_path / "b" / "x", 3, 1)
    shutil.move(b / "001.png", b / "001.PNG")
    (a / "000.png").rename(a / "other.png")
    first, second = pair_records(tmp_path / "a", tmp_path / "b")
    assert [record.name for record in first] == ["x/001.png", "x/002.png"]
    assert [record.name for record in second] == ["x/001.PNG", "x/002.png"]


def test_a_name_that_two_files_share_makes_no_pair(tmp_path):
    a, b = write_images(tmp_path / "a", 3, 0), write_images(tmp_path / "b", 3, 1)
    shutil.copy(a / "001.png", a / "001.webp")
    with pytest.raises(DataError, match=r"001\.png and 001\.webp"):
        pair_records(a, b)


def test_mistakes_are_explained(small_run, domains, tmp_path):
    with pytest.raises(DataError, match="--pairs-a and --pairs-b"):
        evaluate(small_run, pairs_a=domains[0])
    other = write_images(tmp_path / "b", 2, 0)
    for path in list(other.iterdir()):
        path.rename(other / f"x{path.name}")
    with pytest.raises(DataError, match="0 image names in common"):
        evaluate(small_run, domains[0], other)
    with pytest.raises(DataError, match="There is no folder"):
        evaluate(small_run, domains[0], tmp_path / "missing")
    with pytest.raises(DataError, match="is the run itself"):
        evaluate(small_run, against=[small_run])
    same_seed, otherwise = tmp_path / "same", tmp_path / "otherwise"
    for copy in (same_seed, otherwise):
        shutil.copytree(small_run, copy)
    with pytest.raises(DataError, match="same seed"):
        evaluate(small_run, against=[same_seed])
    for file in otherwise.rglob("config.json"):
        file.write_text(file.read_text().replace('"fit": "crop"', '"fit": "pad"'))
    with pytest.raises(DataError, match=r"sees images otherwise \(fit\)"):
        evaluate(small_run, against=[otherwise])


def test_a_regressor_of_azimuths_knows_the_training_images_too(domains, tmp_path, monkeypatch):
    folders = tmp_path / "train", tmp_path / "test"
    for folder, count in zip(folders, (6, 4), strict=True):
        folder.mkdir()
        for number, file in enumerate(sorted(domains[0].iterdir())[:count]):
            shutil.copy(file, folder / f"{number}_az{15 * number:03d}.png")
    train(folders[0], domains[1], out=tmp_path / "run", image_size=32, steps=1, settings=SMALL)
    known = []

    def fit_domain(listed, _decoding):
        known.append(len(listed))
        return Fitted(AzimuthRegressor(), 1.0, 1)

    monkeypatch.setattr(azimuth, "fit_domain", fit_domain)
    scores = azimuth.evaluate_azimuth(tmp_path / "run", folders[1], folders[1], device="cpu")
    assert known == [4 + 6, 4]
    assert len(scores["a_to_b"]["outputs"]) == 4
