from discogan.training import watch as module
from discogan.training.watch import Cores, Watch, few_images, score_record
from discogan.verdict import Figures

GOOD = {"round_trip": 0.1, "diversity": 1.0, "distribution": 0.2, "change": 1.0, "judged": 0.7}


def record(fraction, b_to_a=None, **changes):
    figures = {"a_to_b": Figures(**{**GOOD, **changes}), "b_to_a": Figures(**{**GOOD, **(b_to_a or {})})}
    return score_record(round(fraction * 1000), fraction, figures)


def kinds(alarms):
    return [alarm.kind for alarm in alarms]


def test_a_healthy_run_raises_nothing():
    watch = Watch([])
    assert not any(watch.look(record(tenth / 10, distribution=0.9 - tenth / 20)) for tenth in range(11))


def test_a_collapse_is_said_once_in_each_direction():
    watch = Watch([])
    alarms = watch.look(record(0.5, diversity=0.1))
    assert kinds(alarms) == ["collapse"]
    assert "A to B" in alarms[0].message
    assert "--starts 4" in alarms[0].message
    assert watch.look(record(0.55, diversity=0.1)) == []
    assert "B to A" in watch.look(record(0.6, b_to_a={"diversity": 0.1}))[0].message


def test_nothing_alarms_early():
    assert Watch([]).look(record(0.1, diversity=0.0, judged=1.0)) == []


def test_domination_takes_several_looks():
    watch = Watch([])
    looks = [watch.look(record(fraction, judged=1.0, distribution=0.7)) for fraction in (0.3, 0.35, 0.4)]
    assert [kinds(look) for look in looks] == [[], [], ["domination"]]
    assert "objective.gamma" in looks[2][0].message


def test_a_discriminator_that_wins_and_still_teaches_is_no_alarm():
    watch = Watch([])
    assert not any(watch.look(record(fraction, judged=1.0)) for fraction in (0.3, 0.35, 0.4))


def test_a_run_without_a_better_score_for_long_has_stalled():
    watch = Watch([record(0.3)])
    assert watch.look(record(0.6, distribution=0.3)) == []
    alarms = watch.look(record(0.75, distribution=0.3))
    assert kinds(alarms) == ["stall"]
    assert "step 300" in alarms[0].message


def test_a_run_whose_round_trips_still_get_better_has_not_stalled():
    watch = Watch([record(0.3, round_trip=0.2)])
    assert watch.look(record(0.6, round_trip=0.15, distribution=0.4)) == []
    assert watch.look(record(0.75, round_trip=0.15, distribution=0.4)) == []
    assert kinds(watch.look(record(1.0, round_trip=0.149, distribution=0.4))) == ["stall"]


def test_a_later_state_is_kept_unless_it_has_got_much_worse():
    watch = Watch([])
    for fraction, distribution, kept in ((0.1, 0.2, True), (0.2, 0.1, True), (0.3, 0.3, True), (0.4, 0.45, False)):
        look = record(fraction, distribution=distribution)
        assert watch.keeps(look) == kept
        watch.look(look)
    assert not watch.keeps(record(0.5, diversity=0.1))
    assert watch.keeps(record(0.6, distribution=0.2))


def test_a_budget_that_was_raised_is_no_stall():
    short = {**record(0.4), "fraction": 1.0}
    assert Watch([short]).look(record(0.6, distribution=0.3)) == []


def test_a_watch_made_from_the_log_has_said_what_the_log_made_it_say():
    log = [record(0.4), record(0.5, diversity=0.1)]
    watch = Watch(log)
    assert watch.look(record(0.55, diversity=0.1)) == []
    assert watch.best_score == log[0]["score"]


def test_so_few_images_that_nothing_shows_in_them_are_said():
    assert few_images({"A": 20, "B": 500}) == []
    (alarm,) = few_images({"A": 1, "B": 500})
    assert alarm.message.startswith("A has 1 image: too few")
    assert few_images({"A": 2, "B": 3})[0].message.startswith("A has 2 images and B has 3 images:")


def test_cores_that_other_work_takes_are_said_once(monkeypatch):
    times = {"process_time": 0.0, "monotonic": 0.0}

    class Clock:
        process_time = staticmethod(lambda: times["process_time"])
        monotonic = staticmethod(lambda: times["monotonic"])

    monkeypatch.setattr(module, "time", Clock)
    alone, two = Cores(1), Cores(2)
    times.update(process_time=19.0, monotonic=10.0)
    assert two.look() == []
    times.update(process_time=22.0, monotonic=20.0)
    assert kinds(two.look()) == ["crowd"]
    assert two.look() == alone.look() == []
