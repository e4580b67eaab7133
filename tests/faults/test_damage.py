"""Damaged files of a run and of the cache: the right answer, or one message; never a traceback or a wrong output."""

import json
import random
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.faults.command import Result
from tests.faults.folders import contents
from tests.faults.places import Site
from tests.faults.rows import IS_FULL, Tally, scenario

DAMAGES: dict[str, Callable[[bytes, random.Random], bytes | None]] = {
    "emptied": lambda _data, _rng: b"",
    "cut in half": lambda data, _rng: data[: len(data) // 2],
    "without its last byte": lambda data, _rng: data[:-1],
    "one bit flipped": lambda data, rng: flip_bit(data, rng),
    "deleted": lambda _data, _rng: None,
}
"""What happens to a file: its new content, or ``None`` if it is deleted."""


def flip_bit(data: bytes, rng: random.Random) -> bytes:
    """Return the data with one bit changed, in the last nine tenths: the weights of a tensor file, not its header."""
    if not data:
        return data
    changed = bytearray(data)
    position = rng.randrange(len(data) // 10, len(data))
    changed[position] ^= 1 << rng.randrange(8)
    return bytes(changed)


def commands(site: Site, trial: Path) -> dict[str, list[object]]:
    run = trial / "run"
    one = ["--threads", 1]
    return {
        "info": ["info", run],
        "report": ["report", run],
        "translate": ["translate", run, site.a, "--direction", "a_to_b", "--out", trial / "out", *one],
        "match": ["match", run, site.a, site.b, "--out", trial / "out" / "matches.csv", *one],
        "evaluate": ["evaluate", run, "--json", trial / "out.json", *one],
        "resume": ["train", "--resume", run, "--steps", 30],
        "verify": ["verify", run],
    }


def outcome(trial: Path, command: str) -> dict[str, str]:
    """Return what a command computed, as digests by name."""
    if command == "evaluate":
        scores = json.loads((trial / "out.json").read_text())
        return {name: json.dumps(scores[name], sort_keys=True) for name in ("a_to_b", "b_to_a")}
    if command == "resume":
        checkpoint = contents(trial / "run" / "checkpoints" / "step-000030")
        return {name: value for name, value in checkpoint.items() if name.endswith(".safetensors")}
    if command in ("translate", "match"):
        return contents(trial / "out")
    return {}


@cache
def right_outcomes(site: Site, command: str) -> list[dict[str, str]]:
    """Return the outcomes of the undamaged run: with best/ first, then with each checkpoint instead of it."""
    outcomes = []
    for name in [None, *sorted(path.name for path in (site.finished / "run" / "checkpoints").iterdir())]:
        site.prepare(site.trial)
        if name is not None and command == "resume":
            newer = [path for path in (site.trial / "run" / "checkpoints").iterdir() if path.name > name]
            for path in newer:
                shutil.rmtree(path)
        elif name is not None:
            shutil.rmtree(site.trial / "run" / "best")
            shutil.copytree(site.trial / "run" / "checkpoints" / name, site.trial / "run" / "best")
            (site.trial / "run" / "best" / "training_state.safetensors").unlink()
        result = site.run(site.trial, *commands(site, site.trial)[command])
        assert result.code == 0, str(result)
        outcomes.append(outcome(site.trial, command))
    return outcomes


def check(tally: Tally, site: Site, command: str, result: Result, case: str, damaged: Path) -> None:
    """Note a traceback, and an outcome that differs from the right ones.

    The outcome of an older checkpoint is right if a message names the damaged file or its folder. ``verify`` must find
    damage in every file whose digest a checkpoint records.
    """
    allowed = [0, 1, 2] if command == "verify" else [0, 2]
    if not tally.check_end(result, allowed, case) or result.code:
        return
    if command == "verify":
        has_digest = damaged.name != "progress.json" and damaged.parent.name.startswith(("best", "step-"))
        if has_digest:
            tally.wrong.append(f"{case}: the damage is not found")
        return
    first, *others = right_outcomes(site, command)
    got = outcome(site.trial, command)
    is_named = any(str(path) in result.err + result.out for path in (damaged, damaged.parent))
    if got == first or (is_named and got in others):
        return
    tally.wrong.append(f"{case}: another result, {'with' if is_named else 'without'} a message; {result.summary}")


def damage(file: Path, kind: str, rng: random.Random) -> None:
    changed = DAMAGES[kind](file.read_bytes(), rng)
    file.unlink()
    if changed is not None:
        file.write_bytes(changed)


def run_files(site: Site, part: str = "") -> list[str]:
    """Return the files of the finished run by relative path: those below seeds/, or all others."""
    run = site.finished / "run"
    files = [path for path in run.rglob("*") if path.is_file() and path.name != ".lock"]
    chosen = [path for path in files if path.is_relative_to(run / "seeds") == (part == "seeds")]
    return sorted(path.relative_to(site.finished).as_posix() for path in chosen)


COMMANDS = ("info", "report", "translate", "match", "evaluate", "resume", "verify")
SLOW_COMMANDS = ("report", "evaluate", "resume")
"""Commands that are tried on a sample of the files of other seeds."""
QUICK_KINDS = ("one bit flipped", "deleted")
QUICK_COMMANDS = ("translate", "resume", "verify")
RUN_CASES = [
    pytest.param(
        command,
        kind,
        marks=[] if kind in QUICK_KINDS and command in QUICK_COMMANDS else pytest.mark.faults,
    )
    for command in COMMANDS
    for kind in DAMAGES
]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("command", "kind"), RUN_CASES)
def test_a_damaged_file_of_a_run(site: Site, trial, command, kind):
    if command != "verify":
        right_outcomes(site, command)
    with scenario(f"file {kind}", f"run, {command}") as tally:
        rng = random.Random(f"{command} {kind}")
        files, seed_files = run_files(site), run_files(site, "seeds")
        if not IS_FULL:
            files = rng.sample(files, 4)
        elif command in SLOW_COMMANDS:
            files += rng.sample(seed_files, 6)
        else:
            files += seed_files
        for name in files:
            repeats = 3 if IS_FULL and kind == "one bit flipped" and name.endswith((".json", ".jsonl")) else 1
            for _ in range(repeats):
                site.prepare(trial)
                damage(trial / name, kind, rng)
                result = site.run(trial, *commands(site, trial)[command])
                tally.tried += 1
                check(tally, site, command, result, f"{name} {kind}", trial / name)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "kind", [kind if kind in QUICK_KINDS else pytest.param(kind, marks=pytest.mark.faults) for kind in DAMAGES]
)
@pytest.mark.parametrize(
    "command", ["new training", *(pytest.param(name, marks=pytest.mark.faults) for name in ("resume", "report"))]
)
def test_a_damaged_file_of_the_cache(site: Site, trial, command, kind):
    def words() -> list[object]:
        if command == "new training":
            return site.train_words(trial / "new", 3, "training.log_every_steps=1")
        return commands(site, trial)[command]

    def weights() -> dict[str, str]:
        folder = trial / ("new/best" if command == "new training" else "run/best")
        return {name: value for name, value in contents(folder).items() if name.endswith(".safetensors")}

    site.prepare(trial)
    result = site.run(trial, *words())
    assert result.code == 0, str(result)
    expected = weights()
    with scenario(f"file {kind}", f"cache, {command}") as tally:
        rng = random.Random(f"cache {command} {kind}")
        files = sorted(path.relative_to(trial).as_posix() for path in (trial / "cache").rglob("*") if path.is_file())
        if not IS_FULL:
            files = rng.sample(files, 2)
        for name in files:
            site.prepare(trial)
            damage(trial / name, kind, rng)
            result = site.run(trial, *words())
            tally.tried += 1
            if tally.check_end(result, [0, 2], f"{name} {kind}") and result.code == 0 and weights() != expected:
                tally.wrong.append(f"{name} {kind}: the weights differ from those of an undamaged cache")
            if result.code == 2:
                again = site.run(trial, *words())
                tally.check_end(again, [0], f"{name} {kind}, the second time: {result.err.strip()}")
