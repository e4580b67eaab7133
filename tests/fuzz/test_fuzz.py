"""A short campaign with generated inputs, every case that once broke a rule, and tests of the rules themselves.

``make fuzz`` runs the long campaign.
"""

import os
import pickle
import socket
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import strategies as st

from discogan.errors import DataError
from tests.fuzz import harness, material
from tests.fuzz.__main__ import SEEDS, portions, run_worker
from tests.fuzz.harness import RuleError, Target, execute
from tests.fuzz.targets import TARGETS
from tests.fuzz.worker import Job, generate

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc, which only Linux has")
CASES = 300
SECONDS = 0.7
"""Time for the generated cases of a target, after its libraries are loaded."""


@pytest.fixture(scope="module")
def valid_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    material.create(folder)
    return folder


@pytest.fixture(scope="module")
def states(valid_files):
    """What the worker did for each target: first the cases in ``seeds``, then generated ones."""
    jobs = []
    for name in TARGETS:
        job = Job(
            target=name,
            material=str(valid_files),
            box=str(valid_files / f"box-{name}"),
            state=str(valid_files / f"{name}.json"),
            seeds=str(valid_files / "found" / name),
            cases=CASES,
            max_seconds=SECONDS,
            replay=tuple(sorted(str(file) for file in (SEEDS / name).glob("*.*"))),
        )
        if name != "onnx_files" or (valid_files / "model.onnx").exists():
            jobs.append(job)
    return dict(zip([job.target for job in jobs], run_worker(jobs), strict=True))


def state_of(name, states):
    if name not in states:
        pytest.skip("there is no ONNX file without the extra export")
    return states[name]


@pytest.mark.parametrize("name", TARGETS)
def test_generated_inputs_break_no_rule(name, states):
    state = state_of(name, states)
    found = [f"{each['rule']} {each['where']} {each['what']} {each['seed']}" for each in state["findings"].values()]
    assert not found, "\n".join(found)
    assert state["done"]
    assert state["cases"] > 0


@pytest.mark.parametrize("name", [name for name in TARGETS if (SEEDS / name).is_dir()])
def test_cases_that_once_broke_a_rule_break_none(name, states):
    state = state_of(name, states)
    assert set(state["replayed"]) == {file.name for file in (SEEDS / name).glob("*.*")}
    assert not {seed: broken for seed, broken in state["replayed"].items() if broken}


# The rules themselves -----------------------------------------------------------------------------


class Deed(Target):
    """Runs a function."""

    name = "deed"
    memory_mib = 50
    allowed = (DataError,)

    def strategy(self):
        return st.sampled_from([deed for deed, _ in BAD_DEEDS.values()])

    def run(self, case):
        case(self)


def judge(deed, tmp_path):
    target = Deed(tmp_path, tmp_path)
    target.work.mkdir(exist_ok=True)
    return execute(target, deed)


def raise_error(error):
    raise error


def open_connection():
    with socket.socket() as connection:
        connection.connect(("127.0.0.1", 9))


def rename_outside(target):
    file = target.work / "file"
    file.write_text("")
    file.rename(target.box / "outside")


BAD_DEEDS = {
    "wrong exception": (lambda _: [][1], "exception"),
    "error of another kind": (lambda _: raise_error(RuntimeError("x")), "exception"),
    "exit": (lambda _: raise_error(SystemExit(2)), "exception"),
    "empty message": (lambda _: raise_error(DataError(" ")), "message"),
    "long message": (lambda _: raise_error(DataError("x" * 10_000)), "message"),
    "wrong result": (lambda _: raise_error(RuleError("x")), "result"),
    "write": (lambda target: (target.box / "outside").write_text("x"), "write"),
    "write through a parent": (lambda target: (target.work / ".." / "outside").write_text("x"), "write"),
    "new folder": (lambda target: (target.box / "outside").mkdir(), "write"),
    "rename": (rename_outside, "write"),
    "removal": (lambda target: (target.box / "kept").unlink(), "write"),
    "network": (lambda _: open_connection(), "forbidden"),
    "program": (lambda _: subprocess.run(["true"]), "forbidden"),
    "pickle": (lambda _: pickle.loads(pickle.dumps(Deed)), "forbidden"),
    "memory": (lambda _: bytearray(100 * 2**20), "memory"),
}


@pytest.mark.parametrize("deed", BAD_DEEDS)
def test_a_broken_rule_is_a_finding(deed, tmp_path):
    (tmp_path / "kept").write_text("")
    function, rule = BAD_DEEDS[deed]
    finding = judge(function, tmp_path)
    assert finding is not None
    assert finding.rule == rule
    assert (tmp_path / "kept").exists()
    assert not (tmp_path / "outside").exists()


def test_a_forbidden_deed_is_found_even_if_the_package_catches_it(tmp_path):
    def deed(target):
        try:
            (target.box / "outside").write_text("x")
        except BaseException:
            return

    finding = judge(deed, tmp_path)
    assert finding is not None
    assert finding.rule == "write"


GOOD_DEEDS = {
    "nothing": lambda _: None,
    "an allowed error": lambda _: raise_error(DataError("x.png is broken. Remove it.")),
    "a write into the folder": lambda target: (target.work / "file").write_text("x"),
    "a removal in the folder": lambda target: ((target.work / "file").write_text(""), (target.work / "file").unlink()),
    "reading": lambda _: Path(__file__).read_text(),
}


@pytest.mark.parametrize("deed", GOOD_DEEDS)
def test_what_is_allowed_is_no_finding(deed, tmp_path):
    assert judge(GOOD_DEEDS[deed], tmp_path) is None


def test_work_without_an_end_is_a_hang(tmp_path, monkeypatch):
    def deed(_):
        while True:
            pass

    monkeypatch.setattr(harness, "CPU_SECONDS", 0.2)
    assert judge(deed, tmp_path).rule == "hang"


def test_waiting_without_an_end_is_a_hang(tmp_path, monkeypatch):
    monkeypatch.setattr(harness, "WALL_SECONDS", 0.2)
    os.mkfifo(tmp_path / "pipe")
    assert judge(lambda target: (target.box / "pipe").read_bytes(), tmp_path).rule == "hang"
    assert judge(lambda _: time.sleep(60), tmp_path).rule == "hang"


def test_a_worker_that_ends_early_is_a_finding(tmp_path):
    job = Job(
        target="json_bytes",
        material=str(tmp_path / "missing"),
        box=str(tmp_path / "box"),
        state=str(tmp_path / "state.json"),
        seeds=str(tmp_path / "seeds"),
        cases=10,
    )
    [finding] = run_worker([job])[0]["findings"].values()
    assert finding["rule"] == "crash"
    assert "length-zero" in finding["trace"]


def test_a_campaign_has_all_its_cases(tmp_path):
    jobs = list(portions(list(TARGETS.values()), 100_000, tmp_path, has_coverage=True))
    assert abs(sum(job.cases for job in jobs) - 100_000) < len(TARGETS)
    assert {job.target for job in jobs} == set(TARGETS)
    assert len({job.box for job in jobs}) == len(jobs)


@pytest.mark.parametrize("name", [name for name in TARGETS if not TARGETS[name].is_bytes])
def test_a_case_survives_its_seed_file(name, valid_files):
    target = TARGETS[name](valid_files, valid_files / "box")
    cases = []
    generate(target, 0, 10, cases.append, lambda: False)
    assert cases
    for case in cases:
        assert target.dump(target.load(target.dump(case))) == target.dump(case)
