from discogan.run_records import DirectionMetrics
from discogan.training import monitor as module
from discogan.training.monitor import CpuMonitor, Monitor, few_images, score_record

GOOD = {"round_trip": 0.1, "diversity": 1.0, "distribution": 0.2, "change": 1.0, "discriminator_accuracy": 0.7}


def record(fraction, b_to_a=None, **changes):
    metrics = {
        "a_to_b": DirectionMetrics(**{**GOOD, **changes}),
        "b_to_a": DirectionMetrics(**{**GOOD, **(b_to_a or {})}),
    }
    return score_record(round(fraction * 1000), fraction, metrics)


def kinds(alarms):
    return [alarm.kind for alarm in alarms]


def test_a_healthy_run_raises_no_alarm():
    monitor = Monitor([])
    assert not any(monitor.add(record(tenth / 10, distribution=0.9 - tenth / 20)) for tenth in range(11))


def test_a_collapse_raises_one_alarm_per_direction():
    monitor = Monitor([])
    alarms = monitor.add(record(0.5, diversity=0.1))
    assert kinds(alarms) == ["collapse"]
    assert "A to B" in alarms[0].message
    assert "--seeds-tried 4" in alarms[0].message
    assert monitor.add(record(0.55, diversity=0.1)) == []
    assert "B to A" in monitor.add(record(0.6, b_to_a={"diversity": 0.1}))[0].message


def test_there_are_no_alarms_early():
    assert Monitor([]).add(record(0.1, diversity=0.0, discriminator_accuracy=1.0)) == []


def test_domination_needs_several_checks():
    monitor = Monitor([])
    checks = [
        monitor.add(record(fraction, discriminator_accuracy=1.0, distribution=0.7)) for fraction in (0.3, 0.35, 0.4)
    ]
    assert [kinds(alarms) for alarms in checks] == [[], [], ["domination"]]
    assert "objective.gamma" in checks[2][0].message


def test_an_accurate_discriminator_with_a_good_score_is_no_alarm():
    monitor = Monitor([])
    assert not any(monitor.add(record(fraction, discriminator_accuracy=1.0)) for fraction in (0.3, 0.35, 0.4))


def test_a_run_whose_score_does_not_improve_has_stalled():
    monitor = Monitor([record(0.3)])
    assert monitor.add(record(0.6, distribution=0.3)) == []
    alarms = monitor.add(record(0.75, distribution=0.3))
    assert kinds(alarms) == ["stall"]
    assert "step 300" in alarms[0].message


def test_a_run_whose_round_trips_improve_has_not_stalled():
    monitor = Monitor([record(0.3, round_trip=0.2)])
    assert monitor.add(record(0.6, round_trip=0.15, distribution=0.4)) == []
    assert monitor.add(record(0.75, round_trip=0.15, distribution=0.4)) == []
    assert kinds(monitor.add(record(1.0, round_trip=0.149, distribution=0.4))) == ["stall"]


def test_a_later_state_replaces_best_unless_it_is_much_worse():
    monitor = Monitor([])
    for fraction, distribution, replaces in ((0.1, 0.2, True), (0.2, 0.1, True), (0.3, 0.3, True), (0.4, 0.45, False)):
        check = record(fraction, distribution=distribution)
        assert monitor.should_replace_best(check) == replaces
        monitor.add(check)
    assert not monitor.should_replace_best(record(0.5, diversity=0.1))
    assert monitor.should_replace_best(record(0.6, distribution=0.2))


def test_a_raised_budget_is_no_stall():
    short = {**record(0.4), "fraction": 1.0}
    assert Monitor([short]).add(record(0.6, distribution=0.3)) == []


def test_a_restored_monitor_does_not_repeat_alarms():
    log = [record(0.4), record(0.5, diversity=0.1)]
    monitor = Monitor(log)
    assert monitor.add(record(0.55, diversity=0.1)) == []
    assert monitor.best_score == log[0]["score"]


def test_too_few_images_raise_an_alarm():
    assert few_images({"A": 20, "B": 500}) == []
    (alarm,) = few_images({"A": 1, "B": 500})
    assert alarm.message.startswith("A has 1 image, which is too few")
    assert few_images({"A": 2, "B": 3})[0].message.startswith("A has 2 images and B has 3 images, which")


def test_a_busy_cpu_raises_one_alarm(monkeypatch):
    times = {"process_time": 0.0, "monotonic": 0.0}

    class Clock:
        process_time = staticmethod(lambda: times["process_time"])
        monotonic = staticmethod(lambda: times["monotonic"])

    monkeypatch.setattr(module, "time", Clock)
    single_thread, two_threads = CpuMonitor(1), CpuMonitor(2)
    times.update(process_time=19.0, monotonic=10.0)
    assert two_threads.check() == []
    times.update(process_time=22.0, monotonic=20.0)
    assert kinds(two_threads.check()) == ["busy_cpu"]
    assert two_threads.check() == single_thread.check() == []
