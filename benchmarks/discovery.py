"""How often the true relation is found: a resumable grid of tasks, presets and seeds on data with true answers.

    python benchmarks/discovery.py run DATA [--tasks hands car2car ...] [--presets modern official ...] [--seeds 10]
    python benchmarks/discovery.py table

DATA holds a folder for each set below. Training sees its train folders alone, under default settings but for size
and time; test pairs and azimuths are for the score. Each run is two commands that a user would type, ``discogan
train`` and ``discogan evaluate``, on one core for the processor time that so many minutes of two cores have; two run
side by side. A finished one is a line of docs/results/discovery.jsonl (or of another --study) and is not run again.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from discogan.data import Record
from discogan.data.labels import Labelled, labelled_images
from discogan.evaluation.scores import pair_records
from discogan.experiments.azimuth import Azimuth
from discogan.tracking import read_metrics

RESULTS = Path(__file__).parents[1] / "docs" / "results"
CORES = 2
WAYS = ("a_to_b", "b_to_a")
Row = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """A set, the size and time it is given, and the bar that a run must pass in both directions."""

    data: str
    image_size: int
    minutes: float
    """Of two cores."""
    kinds: tuple[str, str] | None = None
    """What is rendered, where azimuths are the truth; else test pairs are."""
    bar: float | None = None
    """Top-1 to reach; None is the identity's. With kinds, degrees of median error to stay below."""

    reserve: int = 0
    """Test pairs that are kept from the test, to be given as anchors."""


TASKS = {
    "hands": Task("hands_edges_photo", 64, 4, bar=0.8),
    "emoji": Task("emoji_fluent_lineart_color", 64, 4),
    "icons": Task("icons_phosphor_outline_fill", 64, 4),
    "car2car": Task("rot_cars_chairs", 32, 0.5, ("car", "car"), 15.0),
    "car2chair": Task("rot_cars_chairs", 32, 2, ("car", "chair"), 15.0),
    "hands_anchors": Task("hands_edges_photo", 32, 1, bar=0.8, reserve=64),
    "chair2car_anchors": Task("rot_cars_chairs", 32, 1, ("chair", "car"), 15.0, reserve=64),
    "hands_small": Task("hands_edges_photo", 32, 1, bar=0.8),
    "icons_small": Task("icons_phosphor_outline_fill", 32, 1),
    "emoji_small": Task("emoji_fluent_lineart_color", 32, 1),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run")
    run.add_argument("data", type=Path)
    run.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    run.add_argument("--presets", nargs="+", default=["modern", "official", "discogan", "cyclegan"])
    run.add_argument("--seeds", type=int, default=5)
    run.add_argument("--first-seed", type=int, default=0)
    run.add_argument("--minutes", type=float, help="of two cores, instead of the task's")
    run.add_argument("--set", action="append", default=[], dest="settings", help="as for discogan train; its own line")
    run.add_argument("--anchors", type=int, nargs="+", default=[0], help="known pairs, for tasks that reserve some")
    run.add_argument("--parallel", type=int, default=CORES)
    for each in (run, commands.add_parser("table"), commands.add_parser("correlation")):
        each.add_argument("--study", default="discovery", help="the results file, docs/results/STUDY.jsonl")
    arguments = parser.parse_args()
    file = RESULTS / f"{arguments.study}.jsonl"
    if arguments.command == "run":
        grid(arguments, file)
    print((correlation if arguments.command == "correlation" else table)(read_metrics(file)))


def grid(arguments: argparse.Namespace, results: Path) -> None:
    """Run what is not among the results yet."""
    done = {key(row) for row in read_metrics(results)}
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    jobs: list[Row] = [
        {
            "task": task,
            "preset": preset,
            "settings": arguments.settings,
            "anchors": anchors,
            "image_size": TASKS[task].image_size,
            "minutes": float(arguments.minutes or TASKS[task].minutes),
            "seed": seed,
        }
        for seed, task, preset, anchors in product(seeds, arguments.tasks, arguments.presets, arguments.anchors)
    ]
    waiting = [job for job in jobs if key(job) not in done]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(arguments.parallel) as pool:
        prepared = {name: prepare(TASKS[name], arguments.data, Path(folder) / name) for name in arguments.tasks}
        for finished in as_completed([pool.submit(measure, prepared[job["task"]], job) for job in waiting]):
            row = finished.result()
            with results.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(row["task"], row["preset"], *row["settings"], row["seed"], text(row), flush=True)


def prepare(task: Task, data: Path, folder: Path) -> Path:
    """The folder with train_a, train_b, test_a and test_b; of renders the paper's azimuths alone."""
    if task.kinds is None and not task.reserve:
        return data / task.data
    folder.mkdir()
    if task.kinds is None:
        return reserve_pairs(task, data / task.data, folder)
    Azimuth(*task.kinds).prepare(folder, data / task.data, task.image_size)
    if task.reserve:
        sides = [labelled_images(folder / part) for part in ("train_a", "train_b")]
        write_anchors(folder, pairs_of_azimuth(*sides, task.reserve))
    return folder


def reserve_pairs(task: Task, data: Path, folder: Path) -> Path:
    """The set with some test pairs, evenly spread, taken out of the test to be anchors."""
    tests = list(zip(*pair_records(data / "test_a", data / "test_b"), strict=True))
    taken = {place * len(tests) // task.reserve for place in range(task.reserve)}
    for part in ("train_a", "train_b"):
        (folder / part).symlink_to(data.resolve() / part)
    for part in ("test_a", "test_b"):
        (folder / part).mkdir()
    for place, pair in enumerate(tests):
        if place not in taken:
            for part, record in zip(("test_a", "test_b"), pair, strict=True):
                (folder / part / record.path.name).symlink_to(record.path.resolve())
    write_anchors(folder, [tests[place] for place in sorted(taken)])
    return folder


def pairs_of_azimuth(a: list[Labelled], b: list[Labelled], count: int) -> list[tuple[Record, Record]]:
    """Training images of A with some of B at the same azimuth: what a user who looks at both would write down."""
    rng = np.random.default_rng(0)
    chosen = [a[place] for place in rng.permutation(len(a))[:count]]
    same = [[other for other in b if other.azimuth % 360 == image.azimuth % 360] for image in chosen]
    return [
        (image.record, others[rng.integers(len(others))].record) for image, others in zip(chosen, same, strict=True)
    ]


def write_anchors(folder: Path, pairs: list[tuple[Record, Record]]) -> None:
    """anchors-N.csv with the first N of the pairs, drawn in random order."""
    order = np.random.default_rng(1).permutation(len(pairs))
    for count in range(1, len(pairs) + 1):
        rows = [f"{pairs[place][0].path.resolve()},{pairs[place][1].path.resolve()}" for place in order[:count]]
        (folder / f"anchors-{count}.csv").write_text("\n".join(["path_a,path_b", *rows]) + "\n")


def measure(data: Path, job: Row) -> Row:
    """Train and score one run in a folder that is thrown away."""
    truth = "azimuth" if TASKS[job["task"]].kinds else "pairs"
    with tempfile.TemporaryDirectory() as folder:
        run, scores = Path(folder) / "run", Path(folder) / "scores.json"
        command("train", data / "train_a", data / "train_b", "--out", run, *options(job, data))
        tests = f"--{truth}-a", data / "test_a", f"--{truth}-b", data / "test_b"
        command("evaluate", run, *tests, "--json", scores)
        description = json.loads((run / "config.json").read_text())
        steps = json.loads((run / "checkpoints" / (run / "last").read_text() / "progress.json").read_text())["step"]
        result = json.loads(scores.read_text())
    ways = {way: result[way] | (result["azimuth"][way] if truth == "azimuth" else {}) for way in WAYS}
    if truth == "azimuth":
        for way in ways.values():
            del way["inputs"], way["outputs"]
    made_with = {"versions": description["versions"], "git_revision": description["git_revision"]}
    return {**job, "steps": steps, **ways, "verdict": result["verdict"], **made_with}


def options(job: Row, data: Path) -> Iterator[object]:
    """A job as the flags of ``discogan train``."""
    if job["anchors"]:
        # All of them are trained on: the test has pairs enough to check the relation.
        yield from ("--anchors", data / f"anchors-{job['anchors']}.csv", "--set", "anchors.held_out_share=0.0")
    yield from ("--preset", job["preset"], "--image-size", job["image_size"], "--seed", job["seed"])
    yield from ("--minutes", job["minutes"] * CORES)
    fixed = ("training.threads=1", "training.clock=processor", "training.sample_every_steps=1000000")
    for setting in (*fixed, *job["settings"]):
        yield from ("--set", setting)


def command(*words: object) -> None:
    """One ``discogan`` command; its words are shown when it fails."""
    done = subprocess.run([sys.executable, "-m", "discogan", *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"discogan {' '.join(map(str, words))}\n{done.stdout}{done.stderr}")


def key(row: Row) -> tuple[Any, ...]:
    """What tells one run from another."""
    return tuple(str(row[name]) for name in ("task", "preset", "settings", "anchors", "image_size", "minutes", "seed"))


def found(row: Row) -> bool:
    """Whether a run passes its task's bar in both directions."""
    task = TASKS[row["task"]]
    if task.kinds:
        return all(row[way]["median_error"] <= task.bar for way in WAYS)
    return all(row[way]["top_1"] >= task.bar if task.bar else beats_identity(row[way]) for way in WAYS)


def beats_identity(scores: Row) -> bool:
    better: bool = scores["top_1"] > scores["identity_top_1"]
    return better


def table(rows: Iterable[Row]) -> str:
    """Markdown: a line for each task and setting, with how many seeds pass the bar, the median, worst and best."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault((list(TASKS).index(row["task"]), *key(row)[:-1]), []).append(row)
    lines = [
        "| task | preset | px, minutes | found | A to B | B to A | identity, A to B / B to A | steps |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (_, task, preset, _, anchors, size, minutes), group in sorted(groups.items(), key=lambda item: item[0][:1]):
        known = [f"{anchors} anchors"] if anchors != "0" else []
        named = " ".join([preset, *group[0]["settings"], *known])
        name = "median_error" if TASKS[task].kinds else "top_1"
        columns = [spread([row[way][name] for row in group], name) for way in WAYS]
        identity = " / ".join(digits(group[0][way][f"identity_{name}"], name) for way in WAYS)
        steps = f"{statistics.median(row['steps'] for row in group):,.0f}"
        passed = f"{sum(map(found, group))} of {len(group)}"
        cells = (task, named, f"{size}, {float(minutes):g}", passed, *columns, identity, steps)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def spread(values: list[float], name: str) -> str:
    """Median [least, most]."""
    return f"{digits(statistics.median(values), name)} [{digits(min(values), name)}, {digits(max(values), name)}]"


def digits(value: float, name: str) -> str:
    return f"{value:.1f}°" if name == "median_error" else f"{value:.2f}"


def correlation(rows: Iterable[Row]) -> str:
    """Spearman's rank correlation of the score without pairs and the true top-1, both directions' mean."""
    runs = [row for row in rows if not TASKS[row["task"]].kinds]
    lines = ["| runs of | count | score and top-1 | agreement and top-1 |", "|---|---|---|---|"]
    for name in ("all", *sorted({row["task"] for row in runs})):
        chosen = [row for row in runs if name in ("all", row["task"])]
        true = [statistics.mean(row[way]["top_1"] for way in WAYS) for row in chosen]
        ranks = [
            f"{spearmanr([of(row['verdict']) for row in chosen], true).statistic:.2f}"
            for of in (lambda verdict: verdict["score"], lambda verdict: verdict["accord"]["agreement"])
        ]
        lines.append(f"| {name} | {len(chosen)} | {' | '.join(ranks)} |")
    return "\n".join(lines)


def text(row: Row) -> str:
    name = "median_error" if TASKS[row["task"]].kinds else "top_1"
    return " / ".join(digits(row[way][name], name) for way in WAYS)


if __name__ == "__main__":
    main()
