import math

import torch

from discogan.training.loss_log import LossLog, NonFiniteLoss


def terms(**values):
    return {name: torch.tensor(value) for name, value in values.items()}


def test_means_cover_the_steps_in_which_a_loss_occurs():
    log = LossLog()
    log.add(0, terms(b=1.0, a=2.0))
    log.add(1, terms(a=4.0))
    means = log.take_means()
    assert means == {"a": 3.0, "b": 1.0}
    assert list(means) == ["a", "b"]


def test_taking_the_means_empties_the_log():
    log = LossLog()
    log.add(0, terms(a=1.0))
    log.take_means()
    assert log.take_means() == {}
    log.add(1, terms(a=5.0))
    assert log.take_means() == {"a": 5.0}


def test_the_first_nonfinite_loss_is_named_with_its_step_from_1():
    log = LossLog()
    assert log.first_non_finite() is None
    log.add(3, terms(a=1.0, b=2.0))
    assert log.first_non_finite() is None
    log.add(4, terms(a=1.0, b=math.inf))
    log.add(5, terms(a=math.nan, b=2.0))
    assert log.first_non_finite() == NonFiniteLoss(5, "b")


def test_checking_keeps_the_losses():
    log = LossLog()
    log.add(0, terms(a=1.0))
    log.first_non_finite()
    assert log.take_means() == {"a": 1.0}


def test_a_restored_log_has_the_means_of_an_uninterrupted_one():
    values = [{"a": 0.1, "b": 3.0}, {"a": 0.7}, {"a": 1e-30, "b": -2.5}, {"b": 7.0}]
    whole, first, second = LossLog(), LossLog(), LossLog()
    for step, terms in enumerate(values):
        log = first if step < 2 else second
        if step == 2:
            second.load_state_dict(first.state_dict())
        for each in (whole, log):
            each.add(step, {name: torch.tensor(value) for name, value in terms.items()})
    assert second.take_means() == whole.take_means()
    assert second.state_dict() == {}
