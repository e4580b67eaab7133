"""All experiments by name."""

from __future__ import annotations

from discogan.config import preset_names, read_preset
from discogan.errors import unknown_choice
from discogan.experiments import Experiment
from discogan.experiments.azimuth import Azimuth
from discogan.experiments.photographs import Photographs
from discogan.experiments.toy import Ring, Toy

EXPERIMENTS: dict[str, Experiment] = {
    "toy": Toy(),
    "toy_same_scale": Toy(Ring(1.0, 0.05), Ring(1.0, 0.05)),
    "car2car": Azimuth("car", "car"),
    "head2head": Azimuth("head", "head"),
    "chair2car": Azimuth("chair", "car"),
    "car2head": Azimuth("car", "head"),
    "car2car_full": Azimuth("car", "car", full_turn=True),
    "head2head_full": Azimuth("head", "head", full_turn=True),
    "chair2car_full": Azimuth("chair", "car", full_turn=True),
    "car2head_full": Azimuth("car", "head", full_turn=True),
    "folders": Photographs(),
    **{name: Photographs(name) for name in preset_names() if "download" in read_preset(name)},
}


def get_experiment(name: str) -> Experiment:
    """Return the experiment named ``name``; raise ``ConfigError`` with the choices if there is none."""
    if name not in EXPERIMENTS:
        raise unknown_choice("experiment", name, EXPERIMENTS)
    return EXPERIMENTS[name]
