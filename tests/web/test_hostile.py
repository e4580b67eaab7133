"""A server process under a hundred hostile requests of each kind still answers at once, in bounded memory."""

import pytest

hostile = pytest.importorskip("hostile", reason="psutil is not installed")

KINDS = ("chunks", "tiff", "pixels", "half")
"""The other kinds of benchmarks/hostile.py are slow variants of these."""
MAX_HEALTH_SECONDS = 0.2
MAX_MEMORY_BYTES = 1.5e9


def check(run, kind, seconds):
    measured = hostile.measure(run, hostile.ATTACKS[kind], 100, seconds)
    waits = sorted(measured.waits)
    # One slow answer may be the fault of another program on this machine.
    assert waits[-2] < MAX_HEALTH_SECONDS
    assert measured.peak_bytes < MAX_MEMORY_BYTES
    assert set(measured.responses) <= {"200", "408", "413", "415", "422", "431", "503", "504", "closed", "none yet"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_server_answers_under_attack(small_run, kind):
    check(small_run, kind, 3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(set(hostile.ATTACKS) - set(KINDS)))
def test_the_server_answers_under_every_other_attack(small_run, kind):
    check(small_run, kind, 8)
