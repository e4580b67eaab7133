"""Each experiment from data to figures, on the smallest scale that shows something."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image

from discogan.config import read_preset
from discogan.errors import ConfigError, DataError, DivergedError
from discogan.experiments import Job, toy
from discogan.experiments.azimuth import Azimuth
from discogan.experiments.catalogue import EXPERIMENTS, get_experiment
from discogan.experiments.grid import reproduce
from discogan.experiments.photographs import Photographs
from discogan.experiments.toy import Toy
from discogan.model import build_model
from tests.conftest import write_images

TINY = ("generator.width=4", "discriminator.width=4")


def test_every_experiment_describes_itself():
    assert {"toy", "car2car", "head2head", "chair2car", "car2head", "car2car_full", "folders"} <= EXPERIMENTS.keys()
    assert {"edges2shoes", "handbags2shoes", "celeba_hair", "facescrub", "official_car2car"} <= EXPERIMENTS.keys()
    for name, experiment in EXPERIMENTS.items():
        assert len(experiment.summary) > 20, name
    with pytest.raises(ConfigError, match="Choose one of: car2car"):
        get_experiment("dog2cat")


def test_the_toy_score_distinguishes_a_bijection_from_a_collapse():
    class Scaled(torch.nn.Module):
        def __init__(self, factor, bias=0.0):
            super().__init__()
            self.factor, self.bias = factor, bias

        def forward(self, points):
            return points * self.factor + torch.tensor([self.bias, 0.0])

    job = Job("toy", "mixtures", "discogan", 0, 0, 0.0, 1)
    model = build_model(Toy().config(job), ((2,), (2,)))
    ratio = Toy().b.radius / Toy().a.radius
    model.generator_ab, model.generator_ba = Scaled(ratio), Scaled(1 / ratio)
    bijection = {"directions": ["a_to_b"], "a_to_b": Toy().score(model, "a_to_b")}
    assert bijection["a_to_b"]["covered"] == 10
    assert bijection["a_to_b"]["round_trip"] == pytest.approx(0, abs=1e-5)
    assert Toy().found(bijection)
    model.generator_ab = Scaled(0.0, 3.0)
    collapsed = {"directions": ["a_to_b"], "a_to_b": Toy().score(model, "a_to_b")}
    assert (collapsed["a_to_b"]["covered"], collapsed["a_to_b"]["collisions"]) == (1, 45)
    assert not Toy().found(collapsed)


@pytest.mark.parametrize("objective", Toy().objectives)
def test_every_objective_trains_on_points(objective, tmp_path):
    experiment = dataclasses.replace(Toy(), steps=12)
    row = experiment.run(Job("toy", "mixtures", objective, 0, 0, 0.0, 1), tmp_path, tmp_path)
    assert row["steps"] == 12
    assert all(0 <= row[direction]["within_3_sigma"] <= 1 for direction in row["directions"])
    recorded = np.load(tmp_path / "points" / f"{objective}-seed0-toy-mixtures.npz")
    assert recorded["points"].shape[1:] == (toy.RECORDED_POINTS, 2)
    assert recorded["steps"][0] == 0
    assert recorded["steps"][-1] == 12


def test_the_same_toy_seed_is_the_same_run(tmp_path):
    experiment = dataclasses.replace(Toy(), steps=8)
    rows = [experiment.run(Job("toy", "mixtures", "modern", seed, 0, 0.0, 1), tmp_path, tmp_path) for seed in (1, 1, 2)]
    assert rows[0] == rows[1] != rows[2]


def test_toy_figures(tmp_path):
    experiment = dataclasses.replace(Toy(), steps=6)
    jobs = [Job("toy", "mixtures", objective, 0, 0, 0.0, 1) for objective in ("gan", "discogan")]
    rows = [{**vars(job), **experiment.run(job, tmp_path, tmp_path)} for job in jobs]
    still, moving = experiment.figures(rows, tmp_path)
    with Image.open(still) as image:
        assert image.width > 2 * image.height
    with Image.open(moving) as image:
        assert image.n_frames >= 5


@pytest.mark.usefixtures("rendering")
def test_azimuth_end_to_end(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "discogan.experiments.azimuth.IDENTITIES", {"train_0": (0, 6), "train_1": (6, 6), "test": (12, 4)}
    )
    monkeypatch.setattr("discogan.evaluation.azimuth_regressor.TRAINING_STEPS", 60)
    rows = reproduce("car2car", tmp_path, seeds=1, objectives=["gan", "modern"], minutes=0.01, settings=TINY, say=print)
    assert len(rows) == 2
    by_name = {row["objective"]: row for row in rows}
    assert by_name["gan"]["directions"] == ["a_to_b"]
    scores = by_name["modern"]["b_to_a"]
    assert len(scores["inputs"]) == len(scores["outputs"]) == 44
    assert 0 <= scores["median_error"] <= 180
    assert {path.name for path in tmp_path.iterdir()} >= {"results.jsonl", "table.md", "table.json", "sheets"}
    assert len(list(tmp_path.glob("azimuths-*.png"))) == 1
    assert not list((tmp_path / "runs").iterdir())
    parts = [
        {path.name.split("_")[0] for path in (tmp_path / "data" / "car2car-renders-32px" / part).glob("*.png")}
        for part in ("train_a", "train_b", "test_a")
    ]
    assert not parts[0] & parts[1]
    assert not (parts[0] | parts[1]) & parts[2]


def test_azimuth_on_a_user_s_folder_uses_the_front_half(tmp_path):
    for part in ("cars_train_0", "cars_train_1", "cars_test"):
        folder = write_images(tmp_path / part, 6, 0)
        for path, azimuth in zip(sorted(folder.iterdir()), (0, 90, 180, 285, 345, 15), strict=True):
            path.rename(folder / f"{path.stem[-1]}_az{azimuth:03d}_el10.png")
    data = Azimuth("car", "car").prepare(tmp_path / "out", tmp_path, 32)
    labels = (data / "train_a" / "labels.csv").read_text().split()
    assert sorted(float(line.split(",")[2]) for line in labels[1:]) == [-75, -15, 0, 15]
    with pytest.raises(DataError, match="There is no folder"):
        Azimuth("chair", "car").prepare(tmp_path / "other", tmp_path, 32)


def test_photographs_with_true_pairs(tmp_path):
    for part in ("train_a", "train_b", "test_a", "test_b"):
        write_images(tmp_path / "set" / part, 6, 0)
    rows = reproduce(
        "folders",
        tmp_path / "out",
        seeds=1,
        objectives=["modern"],
        minutes=0.01,
        settings=TINY,
        data=tmp_path / "set",
        say=print,
    )
    assert rows[0]["data"] == "set"
    assert rows[0]["a_to_b"]["identity_top_1"] == 1
    assert Photographs().found(rows[0]) is (rows[0]["a_to_b"]["top_1"] == 1 and rows[0]["b_to_a"]["top_1"] == 1)
    (drawn,) = (tmp_path / "out" / "sheets").glob("modern-seed0-folders-set-32px-*.png")
    with Image.open(drawn) as sheet:
        assert sheet.height > 8 * 64  # Both domains, each translated three times.


def test_photographs_without_pairs_give_no_verdict(tmp_path):
    for part in ("train_a", "train_b"):
        write_images(tmp_path / "set" / part, 6, 0)
    rows = reproduce(
        "folders",
        tmp_path / "out",
        seeds=1,
        objectives=["gan"],
        minutes=0.01,
        settings=TINY,
        data=tmp_path / "set",
        say=print,
    )
    assert Photographs().found(rows[0]) is None
    assert "top_1" not in rows[0]["a_to_b"]
    assert "| gan | - | 0." in (tmp_path / "out" / "table.md").read_text()


def test_a_known_data_set_is_read_from_its_layout(tmp_path):
    for split in ("train", "val"):
        write_images(tmp_path / "set" / split, 6, 0)
    rows = reproduce(
        "edges2shoes",
        tmp_path / "out",
        seeds=1,
        objectives=["official"],
        minutes=0.01,
        settings=TINY,
        data=tmp_path / "set",
        say=print,
    )
    assert rows[0]["paired"]
    assert rows[0]["a_to_b"]["top_1"] <= 1


@pytest.mark.parametrize(
    "name",
    [name for name, experiment in EXPERIMENTS.items() if isinstance(experiment, Photographs) and experiment.preset],
)
def test_a_missing_data_set_says_what_to_download(name, tmp_path):
    with pytest.raises(ConfigError, match=r"needs data.*ROOT.*Download "):
        reproduce(name, tmp_path / "out", say=print)
    assert read_preset(name)["layout"] in EXPERIMENTS[name].summary
    with pytest.raises(DataError):
        reproduce(name, tmp_path / "out", data=tmp_path, say=print)


def test_a_toy_run_that_diverges_raises(tmp_path):
    job = Job("toy", "mixtures", "discogan", 1, 0, 0.0, 1, ("training.learning_rate=1e30", "training.steps=120"))
    with pytest.raises(DivergedError, match="became NaN"):
        Toy().run(job, tmp_path, tmp_path)


def test_official_settings_are_those_of_the_data_set(tmp_path):
    job = Job("official_car2car", "set", "official", 0, 32, 5.0, 1)
    config = Photographs("official_car2car")._config(job, tmp_path)
    assert config.generator["stages"] == 5
    assert config.objective["first_rate"] == 0.9
    assert Photographs("handbags2shoes")._config(job, tmp_path).objective["rate_steps"] == 1200


def test_rows_are_json(tmp_path):
    experiment = dataclasses.replace(Toy(), steps=3)
    row = experiment.run(Job("toy", "mixtures", "gan", 1, 0, 0.0, 1), tmp_path, tmp_path)
    assert json.loads(json.dumps(row)) == row


def test_the_real_domains_are_read(shared_data, tmp_path):
    for folder in sorted(path for path in shared_data.iterdir() if (path / "train_a").is_dir()):
        experiment = Photographs()
        prepared = experiment.prepare(tmp_path, folder, 32)
        (tests_a, tests_b), paired = experiment._tests(prepared)
        assert len(tests_a) > 50, folder
        assert paired == (len(tests_a) == len(tests_b) and (folder / "test_a").is_dir()), folder
