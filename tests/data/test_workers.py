"""Jobs in several processes: the order, errors, and workers that are killed at any time."""

import contextlib
import os
import random
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from discogan.data.workers import map_in_processes
from discogan.errors import DataError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the tests look for processes in /proc")


def square(number):
    time.sleep(random.Random(number).choice([0, 0, 0.002]))  # Workers finish in another order than they started in.
    return number**2


def fail_at(number, bad):
    if number == bad:
        raise DataError(f"job {number}")
    return number


def end_at(number, bad):
    if number == bad:
        os._exit(3)
    return number


def wait_long(number):
    time.sleep(60 if number else 0)


def unpicklable(_):
    return threading.Lock()


def all_children():
    return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


@pytest.fixture
def children():
    """The workers that run now. Other tests may have left processes that are none."""
    before = all_children()
    return lambda: sorted(all_children() - before)


@pytest.mark.parametrize("workers", [1, 2, 3, 50])
@pytest.mark.parametrize("jobs", [0, 1, 2, 3, 40])
def test_results_come_in_the_order_of_the_jobs(workers, jobs, children):
    assert list(map_in_processes(square, range(jobs), workers)) == [number**2 for number in range(jobs)]
    assert not children()


@pytest.mark.parametrize("bad", [0, 1, 6])
def test_the_error_of_a_job_is_raised_after_the_results_before_it(bad):
    results = []
    with pytest.raises(DataError, match=f"job {bad}"):
        results.extend(map_in_processes(partial(fail_at, bad=bad), range(7), 2))
    assert results == list(range(bad))


@pytest.mark.parametrize("bad", [0, 5, 6])
def test_a_worker_that_ends_is_one_message(bad, children):
    with pytest.raises(DataError, match=r"A decoding process died.*data\.workers=1"):
        list(map_in_processes(partial(end_at, bad=bad), range(7), 2))
    assert not children()


def test_a_result_that_cannot_be_sent_is_an_error():
    with pytest.raises(TypeError, match="pickle"):
        list(map_in_processes(unpicklable, range(3), 2))


def test_leaving_early_ends_workers_that_are_busy(children):
    started = time.monotonic()
    results = map_in_processes(wait_long, range(4), 2)
    next(results)
    assert len(children()) == 2
    results.close()
    assert not children()
    assert time.monotonic() - started < 30


@pytest.mark.timeout(300)
def test_a_worker_killed_at_any_time_never_holds_up_the_others(children):
    """Also while it waits for work or has none left: there a shared lock would wait for ever."""
    died = 0
    for seed in range(80):
        chance = random.Random(seed)
        killer = threading.Thread(target=kill_one, args=(chance, children))
        killer.start()
        try:
            assert list(map_in_processes(square, range(20), 2)) == [number**2 for number in range(20)]
        except DataError:
            died += 1
        killer.join()
        assert not children()
    assert 0 < died < 80


def kill_one(chance, children):
    end = time.monotonic() + 1
    while not (pids := children()) and time.monotonic() < end:
        time.sleep(0)
    time.sleep(chance.choice([0, 0.001, 0.01, 0.05]) * chance.random())
    with contextlib.suppress(ProcessLookupError, IndexError):  # It has ended.
        os.kill(chance.choice(pids), signal.SIGKILL)
