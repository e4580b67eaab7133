"""The mutants of a module, and the recorded results of ``make mutation``."""

import json
from collections import Counter

import pytest

pytest.importorskip("cosmic_ray", reason="cosmic-ray is not installed")

import mutation

SOURCE = '''from a import real_a
def loss(real: int | None, fake_a: int) -> float | None:
    """real_a - fake_a"""
    return (real - fake_a).mean() if fake_a else 2
'''


@pytest.fixture
def changes(tmp_path, monkeypatch):
    """The lines of the mutants of a small module."""
    file = tmp_path / "module.py"
    file.write_text(SOURCE)
    monkeypatch.setattr(mutation, "module_file", lambda _module: file)
    return [(mutant.line, mutant.after) for mutant, _ in mutation.mutants("module")]


def test_operators_numbers_conditions_and_names_change(changes):
    after = {"".join(line.split()) for _, line in changes}
    assert {
        "return(real+fake_a).mean()iffake_aelse2",
        "return(real-fake_a).sum()iffake_aelse2",
        "return(fake-fake_a).mean()iffake_aelse2",
        "return(real-real_a).mean()iffake_aelse2",
        "return(real-fake_a).mean()ifnotfake_aelse2",
        "return(real-fake_a).mean()iffake_aelse3",
    } <= after


def test_code_that_does_not_run_does_not_change(changes):
    assert {line for line, _ in changes} == {4}


def test_mutants_have_keys_of_their_own():
    keys = Counter(mutant.key for mutant, _ in mutation.mutants("objectives/gan"))
    assert set(keys.values()) == {1}


def test_every_survivor_has_a_reason_and_enough_are_killed():
    recorded = [json.loads(line) for line in mutation.RESULTS.read_text().splitlines()]
    survivors = [row for row in recorded if row["outcome"] == "survived"]
    assert all(row.get("reason") for row in survivors)
    assert 1 - len(survivors) / len(recorded) >= mutation.MIN_KILLED_SHARE
    assert {row["module"] for row in recorded} == set(mutation.TESTS)
