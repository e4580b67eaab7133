"""How often the true relation is found: a resumable grid of presets, sizes and seeds on paired data.

    python benchmarks/discovery.py run DATA [--presets modern official] [--sizes 32 64] [--seeds 5]
    python benchmarks/discovery.py table

DATA holds train_a, train_b (all that training sees), test_a and test_b (true pairs by name, for the
score alone). Each run is two commands a user would type, ``discogan train`` and ``discogan evaluate``,
on ``--threads`` cores; a finished one is a line of benchmarks/discovery.jsonl and is not run again.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import product
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_suffix(".jsonl")
MINUTES = {32: 3.0, 64: 6.0, 128: 20.0, 256: 60.0}
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run")
    run.add_argument("data", type=Path)
    run.add_argument("--presets", nargs="+", default=["modern", "official"])
    run.add_argument("--sizes", nargs="+", type=int, default=[32, 64])
    run.add_argument("--seeds", type=int, default=5)
    run.add_argument("--minutes", type=float, help="the same for all sizes; else 3 at 32 px and 6 at 64 px")
    run.add_argument("--parallel", type=int, default=1, help="runs side by side; give --threads their share")
    run.add_argument("--threads", type=int, default=0)
    commands.add_parser("table")
    arguments = parser.parse_args()
    if arguments.command == "run":
        grid(arguments)
    print(table(read_rows()))


def grid(arguments: argparse.Namespace) -> None:
    """Run what is not among the results yet."""
    minutes = {size: arguments.minutes or MINUTES[size] for size in arguments.sizes}
    threads = arguments.threads or os.cpu_count() or 1
    done = {key(row) for row in read_rows()}
    jobs: list[Row] = [
        {
            "data": arguments.data.name,
            "preset": preset,
            "image_size": size,
            "minutes": minutes[size],
            "threads": threads,
            "seed": seed,
        }
        for preset, size, seed in product(arguments.presets, arguments.sizes, range(arguments.seeds))
    ]
    waiting = [job for job in jobs if key(job) not in done]
    with ThreadPoolExecutor(arguments.parallel) as pool:
        for finished in as_completed([pool.submit(measure, arguments.data, job) for job in waiting]):
            row = finished.result()
            with RESULTS.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(row["preset"], row["image_size"], row["seed"], scores_text(row), flush=True)


def measure(data: Path, job: Row) -> Row:
    """Train and score one run in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        run, scores = Path(folder) / "run", Path(folder) / "scores.json"
        command("train", data / "train_a", data / "train_b", "--out", run, *options(job))
        command("evaluate", run, "--pairs-a", data / "test_a", "--pairs-b", data / "test_b", "--json", scores)
        description = json.loads((run / "config.json").read_text())
        steps = json.loads((run / "checkpoints" / (run / "last").read_text() / "progress.json").read_text())["step"]
        result = json.loads(scores.read_text())
    made_with = {"versions": description["versions"], "git_revision": description["git_revision"]}
    return {**job, "steps": steps, "a_to_b": result["a_to_b"], "b_to_a": result["b_to_a"], **made_with}


def options(job: Row) -> Iterator[object]:
    """A job as the flags of ``discogan train``."""
    for name in ("preset", "image_size", "minutes", "seed"):
        yield from ("--" + name.replace("_", "-"), job[name])
    yield from ("--set", f"training.threads={job['threads']}")


def command(*words: object) -> None:
    """One ``discogan`` command; its words are shown when it fails."""
    done = subprocess.run([sys.executable, "-m", "discogan", *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"discogan {' '.join(map(str, words))}\n{done.stdout}{done.stderr}")


def key(row: Row) -> tuple[Any, ...]:
    """What tells one run from another."""
    return tuple(row[name] for name in ("data", "preset", "image_size", "minutes", "threads", "seed"))


def read_rows() -> list[Row]:
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []


def table(rows: Iterable[Row]) -> str:
    """Markdown: a line for each setting, the top-1 of every seed and its median, A to B / B to A."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row)[:-1], []).append(row)
    lines = [
        "| data | preset | px | minutes | cores | top-1 by seed (A to B / B to A) | median | identity | steps |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (data, preset, size, minutes, threads), group in groups.items():
        group.sort(key=lambda row: row["seed"])
        identity = scores_text(group[0], "identity_top_1")
        middle = " / ".join(f"{statistics.median(row[way]['top_1'] for row in group):.2f}" for way in WAYS)
        seeds = ", ".join(scores_text(row) for row in group)
        steps = f"{statistics.median(row['steps'] for row in group):,.0f}"
        lines.append(
            f"| {data} | {preset} | {size} | {minutes:g} | {threads} | {seeds} | {middle} | {identity} | {steps} |"
        )
    return "\n".join(lines)


WAYS = ("a_to_b", "b_to_a")


def scores_text(row: Row, name: str = "top_1") -> str:
    return " / ".join(f"{row[way][name]:.2f}" for way in WAYS)


if __name__ == "__main__":
    main()
