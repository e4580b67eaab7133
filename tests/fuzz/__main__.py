"""The campaign behind ``make fuzz``: ``python -m tests.fuzz [--cases N] [--workers N] [--targets NAME ...]``.

Cases are shared among the targets by their weight, in portions. Each portion is a process of its own within limits.
Progress is kept in build/fuzz, so the next call continues a campaign that was stopped. At the end, each target writes
a row to docs/reliability/fuzz.jsonl. A new finding writes its case to tests/fuzz/seeds, and then ``test_fuzz.py`` fails
until the fault is fixed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.fuzz import material
from tests.fuzz.harness import WALL_SECONDS, Finding, Target
from tests.fuzz.targets import TARGETS
from tests.fuzz.worker import Job, State, write_seed

ROOT = Path(__file__).parents[2]
SEEDS = Path(__file__).parent / "seeds"
ROWS = ROOT / "docs" / "reliability" / "fuzz.jsonl"
PORTION_CASES = 2000
"""Cases of one process at most; a portion that was stopped is lost and runs again."""
COVERAGE_SHARE = 0.4
"""Share of the portions that search by coverage, for targets that allow it, if atheris is installed."""
STALL_SECONDS = 3 * WALL_SECONDS
"""Time without a new case after which a process counts as stuck in code that no signal stops."""


def run_worker(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Run jobs in a process of their own and return their states.

    A crash or a standstill of the process is a finding. The jobs after it are not run, and their states are not done.
    """
    files = []
    for job in jobs:
        Path(job.box, "work").mkdir(parents=True, exist_ok=True)
        Path(job.state).unlink(missing_ok=True)
        Path(job.box, "current").unlink(missing_ok=True)
        files.append(Path(job.box, "job.json"))
        files[-1].write_text(json.dumps(asdict(job)))
    process = subprocess.Popen([sys.executable, "-m", "tests.fuzz.worker", *map(str, files)], cwd=ROOT)
    is_stuck = False
    while process.poll() is None:
        time.sleep(0.05)
        is_stuck = min(map(_seconds_since_new_case, jobs)) > STALL_SECONDS
        if is_stuck:
            process.kill()
            process.wait()
    if process.returncode in (-signal.SIGTERM, -signal.SIGINT):
        raise KeyboardInterrupt  # A person stopped the process. No case did.
    states = [_read_state(job) for job in jobs]
    ended_in = next((row for row, state in enumerate(states) if not state["done"]), None)
    if ended_in is not None:
        _add_crash(states[ended_in], jobs[ended_in], process.returncode, is_stuck)
    return states


def _read_state(job: Job) -> dict[str, Any]:
    file = Path(job.state)
    return json.loads(file.read_text()) if file.exists() else asdict(State())


def _seconds_since_new_case(job: Job) -> float:
    """Return the time since a job began its newest case, or 0 before the first."""
    current = Path(job.box, "current")
    return time.time() - current.stat().st_mtime if current.exists() else 0.0


def _add_crash(state: dict[str, Any], job: Job, code: int, is_stuck: bool) -> None:
    """Record the case in which the process ended."""
    current, log_file = Path(job.box, "current"), Path(job.box, "log.txt")
    log = log_file.read_text(errors="replace") if log_file.exists() else ""
    content = current.read_bytes() if current.exists() else b""
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    what = "standstill: no signal stops the case" if is_stuck else f"process: {name}"
    finding = Finding("hang" if is_stuck else "crash", what)
    target = TARGETS[job.target](Path(job.material), Path(job.box))
    state["findings"][finding.signature] = {
        **{"rule": finding.rule, "what": f"{what} {log[-300:]}", "where": "", "trace": log[-6000:]},
        **{"seed": str(write_seed(Path(job.seeds), target, content)), "bytes": len(content), "count": 1},
    }


# Portions -----------------------------------------------------------------------------------------


def portions(targets: Sequence[type[Target]], cases: int, folder: Path, has_coverage: bool) -> Iterator[Job]:
    """Yield the jobs of a campaign; the cases of a job add up to ``cases`` over all of them."""
    total = sum(target.weight for target in targets)
    for target in targets:
        left = round(cases * target.weight / total)
        number = 0
        while left > 0:
            count = min(PORTION_CASES, left, max(50, round(PORTION_CASES * target.weight / 12)))
            by_coverage = has_coverage and target.by_coverage and number % 5 < 5 * COVERAGE_SHARE
            name = f"{target.name}-{number:03d}"
            yield Job(
                target=target.name,
                material=str(folder / "material"),
                box=str(folder / name),
                state=str(folder / f"{name}.json"),
                seeds=str(SEEDS / target.name),
                cases=count,
                seed=1000 * number,
                engine="coverage" if by_coverage else "hypothesis",
            )
            left -= count
            number += 1


def run_portion(job: Job, lock: threading.Lock) -> None:
    """Run a job unless an earlier campaign finished it, and print what it found."""
    done = Path(job.state).with_suffix(".done")
    if done.exists():
        return
    [state] = run_worker([job])
    done.write_text(json.dumps({**state, "engine": job.engine}, indent=1))
    with lock:
        summary = f"{job.target:16} {job.engine:10} {state['cases']:6,} cases {state['seconds']:7.1f} s"
        sys.stdout.write(f"{summary}  {len(state['findings'])} findings\n")
        for found in state["findings"].values():
            sys.stdout.write(f"    {found['rule']} {found['where']} {found['what'][:150]!r} {found['seed']}\n")
        sys.stdout.flush()


def write_rows(targets: Sequence[type[Target]], folder: Path) -> int:
    """Append a row for each target to docs/reliability/fuzz.jsonl; return the number of different findings."""
    revision = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    ROWS.parent.mkdir(parents=True, exist_ok=True)
    found = 0
    with ROWS.open("a", encoding="utf-8") as file:
        for target in targets:
            states = [json.loads(path.read_text()) for path in sorted(folder.glob(f"{target.name}-*.done"))]
            findings = _smallest_findings(states)
            found += len(findings)
            row = {
                "target": target.name,
                "cases": sum(state["cases"] for state in states),
                "cases_by_coverage": sum(state["cases"] for state in states if state["engine"] == "coverage"),
                "seconds": round(sum(state["seconds"] for state in states), 1),
                "findings": len(findings),
                "peak_mib": max((state["peak_mib"] for state in states), default=0),
                "bound_mib": target.memory_mib,
                "machine": machine,
                "revision": revision.stdout.strip(),
                "date": datetime.date.today().isoformat(),
            }
            file.write(json.dumps(row) + "\n")
    return found


def _smallest_findings(states: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the findings of all portions by signature, each with its smallest seed; the other seeds are deleted."""
    smallest: dict[str, dict[str, Any]] = {}
    for state in states:
        for signature, entry in state["findings"].items():
            kept = smallest.get(signature)
            if kept is None or entry["bytes"] < kept["bytes"]:
                smallest[signature] = entry
    seeds = {entry["seed"] for entry in smallest.values()}
    for state in states:
        for entry in state["findings"].values():
            if entry["seed"] not in seeds:
                Path(entry["seed"]).unlink(missing_ok=True)
    return smallest


def main() -> int:
    """Run a campaign; return 1 if there is a finding."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000, help="cases over all targets")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 1) - 1), help="processes at a time")
    parser.add_argument("--targets", nargs="+", choices=sorted(TARGETS), default=list(TARGETS), metavar="NAME")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "fuzz", help="where the progress is kept")
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["DISCOGAN_CACHE"] = str(folder / "cache")
    material.create(folder / "material")
    targets = [TARGETS[name] for name in options.targets]
    if not (folder / "material" / "model.onnx").exists():
        targets = [target for target in targets if target.name != "onnx_files"]
    try:
        import atheris  # noqa: F401

        has_coverage = True
    except ImportError:
        has_coverage = False
    lock = threading.Lock()
    with ThreadPoolExecutor(options.workers) as pool:
        for _ in pool.map(lambda job: run_portion(job, lock), portions(targets, options.cases, folder, has_coverage)):
            pass
    found = write_rows(targets, folder)
    sys.stdout.write(f"{found} different findings. Rows written to {ROWS.relative_to(ROOT)}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
