"""Trackers receive every logged step, the samples, the settings and the verdict, also after a resume."""

import pytest

import discogan
from discogan.errors import ConfigError
from discogan.observers.notebook import LiveFigure
from discogan.records import read_json_lines
from discogan.training import Observer, Observers, StepReport
from tests.conftest import SMALL

SETTINGS = (*SMALL, "training.sample_every_steps=2")


def test_tensorboard_shows_losses_samples_settings_and_verdict_of_both_sessions(domains, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = tmp_path / "run"
    discogan.train(*domains, out=run, image_size=32, steps=4, settings=SETTINGS, track=["tensorboard"])
    discogan.resume(run, steps=6, track=["tensorboard"])
    log = accumulator.EventAccumulator(str(run / "tensorboard"))
    log.Reload()
    logged = read_json_lines(run / "metrics.jsonl")
    events = log.Scalars("reconstruction_a")
    assert [event.step for event in events] == [2, 4, 6] == [record["step"] for record in logged]
    assert [event.value for event in events] == pytest.approx([record["reconstruction_a"] for record in logged])
    assert {event.step for event in log.Images("samples")} >= {2, 4, 6}
    assert "config/text_summary" in log.Tags()["tensors"]
    assert [event.step for event in log.Scalars("verdict/score")] == [4, 6]


def test_weights_and_biases_offline(domains, tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="the track extra is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    run = tmp_path / "run"
    discogan.train(*domains, out=run, image_size=32, steps=4, settings=SETTINGS, track=["wandb"])
    (folder,) = (run / "wandb").glob("offline-run-*")
    (file,) = folder.glob("*.wandb")
    content = file.read_bytes()
    for name in (b"reconstruction_a", b"samples", b"objective.gamma", b"verdict"):
        assert name in content


def test_an_unknown_tracker_is_named(domains, tmp_path):
    with pytest.raises(ConfigError, match=r"no tracker named 'mlflow'\. Choose one of: tensorboard, wandb"):
        discogan.train(*domains, out=tmp_path / "run", track=["mlflow"])
    assert not (tmp_path / "run").exists()


def test_a_function_is_called_after_each_step(domains, tmp_path):
    reports = []
    discogan.train(*domains, out=tmp_path / "run", image_size=32, steps=4, settings=SETTINGS, on_step=reports.append)
    assert [report.step for report in reports] == [1, 2, 3, 4]
    assert reports[-1].fraction == 1
    assert [report.step for report in reports if report.record] == [2, 4]


def test_a_live_figure_shows_losses_and_then_samples(domains, tmp_path):
    figures = []
    figure = LiveFigure(seconds=0, show=figures.append)
    discogan.train(*domains, out=tmp_path / "run", image_size=32, steps=6, settings=SETTINGS, on_step=figure)
    assert len(figures) >= 3
    lines = {line.get_label() for line in figures[-1].axes[0].get_lines()}
    assert {"reconstruction_a", "adversarial_b"} <= lines
    assert not lines & {"step", "images_per_second"}
    assert len(figures[-1].axes) == 2


def test_a_live_figure_is_drawn_at_intervals_and_at_the_end(tmp_path):
    shown = []
    figure = LiveFigure(seconds=1000, show=shown.append)
    for step in range(1, 10):
        figure(StepReport(step, step, 1.0, step / 10, {"step": step, "loss": 1.0}, tmp_path))
    assert len(shown) == 1
    figure(StepReport(10, 10, 1.0, 1.0, None, tmp_path))
    assert len(shown) == 2, "the last step is always drawn"


def test_several_observers_receive_every_event_in_order():
    calls = []

    class Listener(Observer):
        def __getattribute__(self, name):
            if name.startswith("on_"):
                return lambda *_: calls.append(name)
            return super().__getattribute__(name)

    events = [name for name in vars(Observer) if name.startswith("on_")]
    assert set(events) <= set(vars(Observers)), "Observers must pass a new event on"
    observers = Observers([Listener(), Listener()])
    for name in events:
        getattr(observers, name)(*[None] * (getattr(Observer, name).__code__.co_argcount - 1))
    assert calls == [name for name in events for _ in range(2)]
