import pytest

from discogan.config import TrainingOptions
from discogan.run_records import Progress
from discogan.training import budget as module
from discogan.training.budget import Budget


@pytest.fixture
def clock(monkeypatch):
    """The time in seconds that both clocks show."""
    now = {"monotonic": 100.0, "process_time": 10.0}

    class Clock:
        monotonic = staticmethod(lambda: now["monotonic"])
        process_time = staticmethod(lambda: now["process_time"])

    monkeypatch.setattr(module, "time", Clock)
    return now


def test_elapsed_seconds_include_earlier_sessions(clock):
    budget = Budget(TrainingOptions(minutes=1), Progress(5, 30.0))
    clock["monotonic"] = 200.0
    budget.start()
    clock["monotonic"] = 212.5
    assert budget.elapsed_seconds() == 42.5


def test_the_processor_clock_counts_cpu_time_per_thread(clock, monkeypatch):
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    budget = Budget(TrainingOptions(minutes=1, clock="processor"), Progress())
    budget.start()
    clock.update(monotonic=1000.0, process_time=16.0)
    assert budget.elapsed_seconds() == 3.0


@pytest.mark.parametrize(
    ("limits", "progress", "fraction"),
    [
        ({"steps": 10}, Progress(4, 999.0), 0.4),
        ({"minutes": 2}, Progress(999, 30.0), 0.25),
        ({"steps": 10, "minutes": 2}, Progress(4, 30.0), 0.4),
        ({"steps": 10, "minutes": 2}, Progress(1, 90.0), 0.75),
        ({"steps": 10}, Progress(25, 1.0), 1.0),
    ],
)
def test_the_limit_that_ends_first_decides_the_fraction(limits, progress, fraction):
    assert Budget(TrainingOptions(**limits), progress).fraction(progress) == fraction
