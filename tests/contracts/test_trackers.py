"""Rules for every tracker, tested as soon as it is registered."""

import numpy as np
import pytest
from PIL import Image

from discogan.config import load_config
from discogan.errors import ConfigError
from discogan.registry import TRACKERS
from discogan.run_records import Progress, Verdict
from discogan.training import Alarm, Observer, Outcome, StepReport


def build(name):
    try:
        return TRACKERS.get(name).build()
    except ConfigError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", TRACKERS.entries())
def test_a_tracker_accepts_every_event_of_a_training_and_of_a_resumed_one(name, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    config = load_config("modern", image_size=32)
    record = {"step": 1, "images_seen": 4, "elapsed_seconds": 1.0, "images_per_second": 4.0, "reconstruction_a": 0.5}
    sheet = tmp_path / "step-000001.png"
    Image.fromarray(np.zeros((8, 8, 3), dtype=np.uint8)).save(sheet)
    tracker = build(name)
    assert isinstance(tracker, Observer)
    for step in (1, 2):
        tracker.on_prepare("a", 1, 2)
        tracker.on_skipped("b", ["x.png is not a readable image."])
        tracker.on_start(tmp_path, config, Progress(step - 1, 1.0))
        tracker.on_step(StepReport(step, 4, 1.0, 0.5, {**record, "step": step}, tmp_path))
        tracker.on_step(StepReport(step, 4, 1.0, 0.5, None, tmp_path))
        tracker.on_samples(sheet, step)
        tracker.on_alarm(Alarm("collapse", "The outputs are nearly identical."))
        tracker.on_round({"0": 0.5, "1": 0.4})
        tracker.on_end(Outcome(tmp_path, step, "budget", verdict=make_verdict() if step == 2 else None))


def make_verdict():
    return Verdict(label="unconfirmed", reason="No other run confirms it.", score=0.5, metrics={}, agreement=None)
