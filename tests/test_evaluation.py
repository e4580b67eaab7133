"""Scores of a run, the evidence that an evaluation uses, and what it writes into the run folder."""

import json
import shutil
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

import discogan
from discogan import registry
from discogan.api import train
from discogan.errors import ConfigError, DataError
from discogan.evaluation import azimuth, evaluate, score_run
from discogan.evaluation.azimuth_regressor import AzimuthRegressor, FittedRegressor
from discogan.evaluation.scores import pair_records, score_direction
from discogan.evaluation.selection import select_metrics
from discogan.images import PIXEL_RANGES
from discogan.labels import left_out_sentence
from discogan.metrics import Metric, Value
from discogan.model import TranslationModel
from discogan.report import write_report
from tests.conftest import SMALL, refresh_digests, write_images

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


def test_the_true_relation_has_ideal_scores(pictures):
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


def test_a_collapse_has_poor_scores(pictures):
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


def test_a_run_is_scored_in_both_directions(small_run, domains):
    scores = score_run(small_run, *domains)
    assert scores["images_a"] == scores["images_b"] == 10
    for direction in ("a_to_b", "b_to_a"):
        assert scores[direction].keys() >= KEYS | {f"identity_{k}" for k in KEYS} | {f"chance_{k}" for k in KEYS}
    json.dumps(scores)


def test_without_pairs_the_training_images_are_scored(small_run):
    scores = score_run(small_run)
    assert (scores["paired"], scores["images_a"], scores["images_b"]) == (False, 13, 10)
    expected = {"round_trip_l1", "diversity", "sliced_wasserstein", "grain", "colour_distance"}
    assert scores["a_to_b"].keys() == expected


def test_pairs_share_a_name_without_suffix_also_in_subfolders(tmp_path):
    a, b = write_images(tmp_path / "a" / "x", 4, 0), write_images(tmp_path / "b" / "x", 3, 1)
    shutil.move(b / "001.png", b / "001.PNG")
    (a / "000.png").rename(a / "other.png")
    pairs = pair_records(tmp_path / "a", tmp_path / "b")
    assert [record.name for record in pairs.a] == ["x/001.png", "x/002.png"]
    assert [record.name for record in pairs.b] == ["x/001.PNG", "x/002.png"]
    assert pairs.left_out == {"a": ["x/003.png", "x/other.png"], "b": ["x/000.png"]}


def test_pairs_may_differ_in_composed_accents_and_case(tmp_path):
    a, b = write_images(tmp_path / "a", 5, 0), write_images(tmp_path / "b", 5, 1)
    for folder, names in (
        (a, ("caf\u00e9", "IMG_1", "x", "X", "only")),
        (b, ("cafe\u0301", "img_1", "x", "xx", "Only2")),
    ):
        for number, name in enumerate(names):
            (folder / f"{number:03d}.png").rename(folder / f"{name}.png")
    pairs = pair_records(a, b)
    names = {(first.name, second.name) for first, second in zip(pairs.a, pairs.b, strict=True)}
    assert names == {("caf\u00e9.png", "cafe\u0301.png"), ("IMG_1.png", "img_1.png"), ("x.png", "x.png")}
    assert pairs.left_out == {"a": ["X.png", "only.png"], "b": ["Only2.png", "xx.png"]}


def test_images_without_a_partner_are_named(small_run, domains, tmp_path):
    run = shutil.copytree(small_run, tmp_path / "run")
    scores = evaluate(run, *domains)
    assert scores["left_out"] == {"a": ["010.png", "011.png", "012.png"], "b": []}
    sentence = left_out_sentence(scores)
    assert sentence.endswith("no image of the same name: 3 of A (010.png, 011.png, 012.png).")
    assert left_out_sentence({"left_out": {"a": [], "b": []}}) == ""
    assert sentence in write_report(run).read_text("utf-8")


def test_two_files_of_a_folder_may_not_share_a_name(tmp_path):
    a, b = write_images(tmp_path / "a", 3, 0), write_images(tmp_path / "b", 3, 1)
    shutil.copy(a / "001.png", a / "001.webp")
    with pytest.raises(DataError, match=r"001\.png and 001\.webp"):
        pair_records(a, b)


def test_mistakes_are_explained(small_run, domains, tmp_path):
    with pytest.raises(DataError, match="--pairs-a and --pairs-b"):
        score_run(small_run, pairs_a=domains[0])
    other = write_images(tmp_path / "b", 2, 0)
    for path in list(other.iterdir()):
        path.rename(other / f"x{path.name}")
    with pytest.raises(DataError, match="0 image names in common"):
        score_run(small_run, domains[0], other)
    with pytest.raises(DataError, match="There is no folder"):
        score_run(small_run, domains[0], tmp_path / "missing")
    with pytest.raises(DataError, match="is the run itself"):
        score_run(small_run, against=[small_run])
    same_seed, padded = tmp_path / "same", tmp_path / "padded"
    for copy in (same_seed, padded):
        shutil.copytree(small_run, copy)
    with pytest.raises(DataError, match="same seed"):
        score_run(small_run, against=[same_seed])
    for file in padded.rglob("config.json"):
        file.write_text(file.read_text().replace('"fit": "crop"', '"fit": "pad"'))
    refresh_digests(padded)
    with pytest.raises(DataError, match=r"decodes images differently \(fit\)"):
        score_run(small_run, against=[padded])


def test_a_reference_run_on_other_images_is_refused(small_run, domains, tmp_path):
    train(domains[1], domains[0], out=tmp_path / "other", image_size=32, steps=2, seed=3, settings=SMALL)
    with pytest.raises(DataError, match="was trained on other images of A and B, so it says nothing"):
        score_run(small_run, against=[tmp_path / "other"])


def test_an_azimuth_regressor_is_also_trained_on_the_training_images(domains, tmp_path, monkeypatch):
    folders = tmp_path / "train", tmp_path / "test"
    for folder, count in zip(folders, (6, 4), strict=True):
        folder.mkdir()
        for number, file in enumerate(sorted(domains[0].iterdir())[:count]):
            shutil.copy(file, folder / f"{number}_az{15 * number:03d}.png")
    train(folders[0], domains[1], out=tmp_path / "run", image_size=32, steps=1, settings=SMALL)
    counts = []

    def fit_domain(labelled, _decoding):
        counts.append(len(labelled))
        return FittedRegressor(AzimuthRegressor(), 1.0, 1)

    monkeypatch.setattr(azimuth, "fit_domain", fit_domain)
    scores = azimuth.evaluate_azimuth(tmp_path / "run", folders[1], folders[1], device="cpu")
    assert counts == [4 + 6, 4]
    assert len(scores["a_to_b"]["outputs"]) == 4


@pytest.fixture
def brightness():
    """A user's own metric, registered for one test."""

    @discogan.register.metric("brightness")
    class Brightness(Metric):
        """Difference of the mean brightness."""

        needs_pairs: ClassVar[bool] = True
        has_baselines: ClassVar[bool] = True
        values: ClassVar[tuple[Value, ...]] = (Value("brightness", "brightness difference", "lower", 0.0),)

        def compute(self, images, references):
            return {"brightness": abs(images.mean() - references.mean()).item()}

    registry.METRICS.entries()
    yield Brightness
    del registry.METRICS._entries["brightness"]


@pytest.mark.usefixtures("brightness")
def test_a_metric_of_one_file_is_computed_described_and_in_the_report(small_run, domains, tmp_path):
    run = shutil.copytree(small_run, tmp_path / "run")
    scores = discogan.evaluate(run, *domains, device="cpu")
    assert {"brightness", "identity_brightness", "chance_brightness"} <= scores["a_to_b"].keys()
    (value,) = [value for value in scores["values"] if value["metric"] == "brightness"]
    assert (value["label"], value["better"], value["ideal"]) == ("brightness difference", "lower", 0.0)
    assert "brightness difference (lower is better)" in (run / "report.html").read_text()
    assert "brightness" not in discogan.evaluate(small_run / "best", device="cpu")["a_to_b"]


def test_images_are_translated_once_whatever_the_number_of_metrics(pictures, brightness):
    calls = []
    model = model_of(lambda x: calls.append("a_to_b") or 1 - x, lambda x: calls.append("b_to_a") or x)
    metrics = {"brightness": brightness()}
    for name in ("retrieval", "similarity", "diversity", "round_trip", "coverage"):
        metrics[name] = registry.METRICS.get(name).build()
    score_direction(model, pictures, pictures, "a_to_b", True, metrics)
    assert calls == ["a_to_b", "b_to_a"]


def test_a_metric_that_breaks_its_declaration_is_named(pictures, brightness, monkeypatch):
    monkeypatch.setattr(brightness, "compute", lambda *_: {"other": 0.0})
    with pytest.raises(ConfigError, match="The metric brightness returned other, but declares brightness"):
        score_direction(model_of(lambda x: x, lambda x: x), pictures, pictures, "a_to_b", True)
    monkeypatch.setattr(brightness, "values", (Value("l1", "L1", "lower", 0.0),))
    with pytest.raises(ConfigError, match="Two metrics return a value named 'l1'"):
        select_metrics(paired=True)


def test_options_of_metrics_are_checked():
    with pytest.raises(ConfigError, match="sets a metric that is not computed"):
        select_metrics([], ["fid.weights=x"])
    with pytest.raises(ConfigError, match="did you mean weights"):
        select_metrics(["fid"], ["fid.weigts=x"])
    with pytest.raises(ConfigError, match="--set needs"):
        select_metrics(["fid"], ["fid"])


def test_python_keeps_earlier_evidence_and_writes_what_it_returns(small_run, domains, tmp_path):
    run = shutil.copytree(small_run, tmp_path / "run")
    discogan.evaluate(run, *domains, device="cpu")
    (run / "report.html").unlink()
    scores = discogan.evaluate(run, device="cpu")
    assert scores["paired"]
    assert scores["given"]["pairs"] == [str(folder.resolve()) for folder in domains]
    assert json.loads((run / "evaluation.json").read_text()) == json.loads(json.dumps(scores))
    report = (run / "report.html").read_text()
    assert f"{scores['a_to_b']['top_1']:.3f}" in report
    assert "top-1 (higher is better)" in report


def test_earlier_pairs_that_are_gone_no_longer_count(small_run, tmp_path):
    run = shutil.copytree(small_run, tmp_path / "run")
    pairs = write_images(tmp_path / "a", 4, 0), write_images(tmp_path / "b", 4, 1)
    assert evaluate(run, *pairs, device="cpu")["paired"]
    shutil.rmtree(pairs[1])
    assert not evaluate(run, device="cpu")["paired"]


def test_nothing_is_written_into_a_checkpoint(small_run, tmp_path):
    run = shutil.copytree(small_run, tmp_path / "run")
    before = sorted((run / "best").iterdir())
    discogan.evaluate(run / "best", device="cpu")
    assert sorted((run / "best").iterdir()) == before
