"""Measure how often the true relation is found: a resumable grid of tasks, presets and seeds on data with known pairs.

    python benchmarks/discovery.py study DATA discovery
    python benchmarks/discovery.py run DATA [--tasks hands car2car ...] [--presets modern official ...] [--seeds 10]
    python benchmarks/discovery.py table [--study anchors]

DATA contains a folder for each data set of tasks.py. A run trains on the train folders only, under default settings
except for size and time. Test pairs and azimuths are used for the score only.

Each run is two commands, ``discogan train`` and ``discogan evaluate``, on one core. It gets the processor time of the
given minutes of two cores, and two runs run at the same time. A finished run is a line of docs/results/STUDY.jsonl. It
is not run again on a machine with the same kind of processor.
"""

import argparse
import json
import os
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import product
from pathlib import Path
from threading import Lock
from typing import Any

from scipy.stats import spearmanr

from discogan.config import load_config
from discogan.devices import describe_machine
from discogan.directions import DIRECTIONS
from discogan.records import read_json_lines
from discogan.registry import OBJECTIVES
from tasks import TASKS, prepare

DOCS = Path(__file__).parents[1] / "docs"
RESULTS = DOCS / "results"
CORES = 2
RESULTS_LOCK = Lock()
Row = dict[str, Any]

HEADLINE_PRESETS = ("modern", "earlier", "cyclegan", "official", "discogan")
PICTURE_SCORES = {
    "l1": "L1",
    "ssim": "SSIM",
    "grain": "grain",
    "colour_distance": "colour distance",
    "feature_distance": "feature distance",
}
RENAMED_SETTINGS = {"training.starts": "training.seeds_tried"}
"""Settings that older rows contain under an earlier name."""
SMALL = "--set generator.width=16 --set discriminator.width=16 --set training.batch_size=16"
EARLIER_DEFAULT = "--set objective.gamma=20.0 --set training.decay_steps=300"
"""The default settings from 64 px on before the study of the penalty."""
STUDIES = {
    "discovery": [
        "--presets earlier --tasks emoji icons --seeds 5",
        "--presets earlier --tasks hands car2car car2chair --seeds 10",
        "--tasks hands emoji icons --presets official discogan cyclegan --seeds 1",
        "--tasks car2car --presets official discogan cyclegan --seeds 5",
        "--tasks car2chair --presets official discogan cyclegan --seeds 3",
    ],
    "pictures": [
        "--tasks demo --seeds 3 --presets modern earlier",
        "--tasks hands --minutes 2 --seeds 10",
        "--tasks hands --minutes 2 --seeds 5 --presets earlier",
        "--tasks emoji icons fonts trees --minutes 2 --seeds 5 --presets modern earlier",
        "--tasks car2chair --minutes 2 --seeds 5 --presets modern earlier",
        "--tasks demo hands emoji icons fonts trees --minutes 2 --seeds 3 --presets official discogan cyclegan",
    ],
    "generators": [
        f"--presets earlier --tasks {tasks} --seeds {seeds} {EARLIER_DEFAULT} {generator}"
        for generator, tasks, seeds in (
            ("--set generator.blocks=0", "hands emoji", 1),
            ("--set generator.blocks=2", "hands emoji", 2),
            ("--set generator.width=48 --set generator.blocks=0", "hands emoji", 1),
            ("--set generator.width=48 --set generator.blocks=2", "hands emoji", 1),
            ("--set discriminator.width=48 --set generator.blocks=0", "hands emoji", 1),
        )
    ],
    "penalty": [
        f"--presets earlier --tasks emoji icons --seeds 5 --set generator.blocks=2 {EARLIER_DEFAULT}",
        f"--presets earlier --tasks hands --seeds 10 --set generator.blocks=2 {EARLIER_DEFAULT}",
    ]
    + [
        f"--presets earlier --tasks hands --seeds 1 --first-seed {seed} --set generator.blocks=2 {settings}"
        for seed in (5, 9)
        for settings in (
            f"{EARLIER_DEFAULT} --set training.ema_decay=0.998",
            "--set objective.gamma=40.0 --set training.decay_steps=300",
            "--set objective.gamma=20.0 --set training.decay_steps=100",
            "--set objective.gamma=20.0 --set training.decay_steps=30",
            "--set objective.gamma=10.0 --set training.decay_steps=100",
        )
    ]
    + [f"--presets earlier --tasks car2chair --seeds 2 --set objective.gamma={gamma}" for gamma in (0.5, 50.0, 500.0)],
    "verdict": [
        f"--presets earlier --tasks hands_small icons_small emoji_small --set training.seeds_tried=2 {runs}"
        for runs in (
            "--seeds 2 --minutes 0.05",
            "--seeds 2 --minutes 0.2",
            "--seeds 2 --minutes 0.6",
            "--seeds 2 --minutes 0.3 --set generator.residual=false",
            "--seeds 2 --minutes 0.3 --set generator.residual=false --set generator.stages=4",
            "--seeds 2 --minutes 0.3 --set objective.gamma=500.0",
            f"--seeds 2 --minutes 0.4 --presets discogan {SMALL}",
            f"--seeds 1 --minutes 0.4 --presets official {SMALL}",
        )
    ],
    "seeds_tried": [
        "--presets earlier --tasks hands_small --seeds 5 --minutes 0.5 --set generator.residual=false",
        "--presets earlier --tasks hands_small --seeds 3 --minutes 0.5 --set generator.residual=false "
        "--set training.seeds_tried=4",
        "--presets earlier --tasks hands --seeds 1 --set training.seeds_tried=4",
        "--presets earlier --tasks emoji --seeds 1 --first-seed 3 --set training.seeds_tried=4",
    ],
    "anchors": [
        "--presets earlier --tasks hands_anchors chair2car_anchors --seeds 1 --minutes 0.5 --anchors 0 1 4 16 64"
    ],
    "small_data": [
        f"--presets earlier --tasks hands_small --seeds 1 --minutes 0.5 {limit}"
        for limit in ("", *(f"--set data.limit={count}" for count in (50, 100, 200, 400)))
    ],
}
"""The runs of each study. Their tables are in docs/results*.md and docs/lab-notes.md."""


def main() -> None:
    parser = make_parser()
    arguments = parser.parse_args()
    file = RESULTS / f"{arguments.study}.jsonl"
    if arguments.command == "run":
        run_grid(arguments, file)
    if arguments.command == "study":
        for line in STUDIES[arguments.study]:
            run_grid(parser.parse_args(["run", str(arguments.data), *shlex.split(line)]), file)
    print(TABLES.get(arguments.study, make_table)(read_json_lines(file)))
    write_tables()


def write_tables() -> None:
    """Write each study's tables between their marks in the pages of docs."""
    tables = {}
    for study in STUDIES:
        rows = read_json_lines(RESULTS / f"{study}.jsonl")
        if rows:
            tables[f"study {study}"] = TABLES.get(study, make_table)(rows)
        if rows and study == "discovery":
            tables[f"headline {study}"] = make_headline(rows)
    for page in DOCS.glob("*.md"):
        original = text = page.read_text()
        for mark, lines in tables.items():
            block = f"<!-- {mark} -->\n\n{lines}\n\n<!-- end -->"
            text = re.sub(rf"<!-- {mark} -->.*?<!-- end -->", lambda _, block=block: block, text, flags=re.DOTALL)
        if text != original:
            page.write_text(text)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    study = commands.add_parser("study", help="run one study")
    study.add_argument("data", type=Path)
    study.add_argument("study", choices=STUDIES)
    run = commands.add_parser("run", help="run a grid of your own")
    run.add_argument("data", type=Path)
    run.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    run.add_argument("--presets", nargs="+", default=["modern"])
    run.add_argument("--seeds", type=int, default=5)
    run.add_argument("--first-seed", type=int, default=0)
    run.add_argument("--minutes", type=float, help="minutes of two cores, instead of the task's")
    run.add_argument("--set", action="append", default=[], dest="settings", help="as for discogan train")
    run.add_argument("--anchors", type=int, nargs="+", default=[0], help="known pairs, for tasks that reserve some")
    run.add_argument("--parallel", type=int, default=CORES)
    for command in (run, commands.add_parser("table", help="write the tables of the finished runs")):
        command.add_argument("--study", default="discovery", help="name of the results file, docs/results/STUDY.jsonl")
    return parser


def run_grid(arguments: argparse.Namespace, results: Path) -> None:
    """Run the jobs that have no result from a machine with the same kind of processor."""
    processor = describe_processor({"machine": describe_machine()})
    finished_keys = {key(row) for row in read_json_lines(results) if describe_processor(row) == processor}
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
    for preset in arguments.presets:
        config = load_config(preset, settings=arguments.settings)
        objective = OBJECTIVES.build(config.objective, "objective")
        if len(objective.directions) < len(DIRECTIONS):
            raise SystemExit(f"{preset} trains one direction only. Give presets that train both.")
    waiting = [job for job in jobs if key(job) not in finished_keys]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(arguments.parallel) as pool:
        prepared = {name: prepare(TASKS[name], arguments.data, Path(folder) / name) for name in arguments.tasks}
        runs = [pool.submit(measure_and_record, prepared[job["task"]], job, results) for job in waiting]
        try:
            for finished in as_completed(runs):
                finished.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def measure_and_record(data: Path, job: Row, results: Path) -> None:
    """Measure one run and append its row."""
    row = measure(data, job)
    with RESULTS_LOCK, results.open("a") as file:
        file.write(json.dumps(row) + "\n")
    print(row["task"], row["preset"], *row["settings"], row["seed"], format_scores(row), flush=True)


def measure(data: Path, job: Row) -> Row:
    """Train and score one run in a temporary folder."""
    truth = "azimuth" if TASKS[job["task"]].kinds else "pairs"
    with tempfile.TemporaryDirectory() as folder:
        run, scores_file = Path(folder) / "run", Path(folder) / "scores.json"
        run_command("train", data / "train_a", data / "train_b", "--out", run, *options(job, data))
        tests = f"--{truth}-a", data / "test_a", f"--{truth}-b", data / "test_b"
        quality = () if TASKS[job["task"]].kinds else ("--metrics", "features")
        run_command("evaluate", run, *tests, *quality, "--json", scores_file)
        description = json.loads((run / "config.json").read_text())
        steps = json.loads((run / "checkpoints" / (run / "last").read_text() / "progress.json").read_text())["step"]
        result = json.loads(scores_file.read_text())
        # The verdict at the end of training: the one that evaluate prints uses the true pairs.
        verdict = json.loads((run / "verdict.json").read_text())
    scores_by_direction = {direction: result[direction] for direction in DIRECTIONS}
    if truth == "azimuth":
        for direction, scores in scores_by_direction.items():
            scores |= result["azimuth"][direction]
            del scores["inputs"], scores["outputs"]
    provenance = {name: description[name] for name in ("versions", "machine", "git_revision")}
    return {**job, "steps": steps, **scores_by_direction, "verdict": verdict, **provenance}


def options(job: Row, data: Path) -> Iterator[object]:
    """Yield the flags of ``discogan train`` for a job."""
    if job["anchors"]:
        # All anchors are used for training, because the test pairs check the relation.
        yield from ("--anchors", data / f"anchors-{job['anchors']}.csv", "--set", "anchors.held_out_share=0.0")
    yield from ("--preset", job["preset"], "--image-size", job["image_size"], "--seed", job["seed"])
    yield from ("--minutes", job["minutes"] * CORES)
    fixed = ("training.threads=1", "training.clock=processor", "training.sample_every_steps=1000000")
    for setting in (*fixed, *job["settings"]):
        yield from ("--set", setting)


def run_command(*words: object) -> None:
    """Run one ``discogan`` command; stop with its words and output if it fails."""
    command = [sys.executable, "-m", "discogan", *map(str, words)]
    # Two runs at the same time with two threads each would block each other at every operation.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.run(command, capture_output=True, text=True, env=environment)
    if process.returncode:
        raise SystemExit(f"discogan {' '.join(map(str, words))}\n{process.stdout}{process.stderr}")


def key(row: Row) -> tuple[Any, ...]:
    """Return what identifies a run, with its settings under their present names."""
    named = {**row, "settings": present_settings(row)}
    return tuple(
        str(named[name]) for name in ("task", "preset", "settings", "anchors", "image_size", "minutes", "seed")
    )


def present_settings(row: Row) -> list[str]:
    """Return the settings of a row; an earlier name is replaced by the present one."""
    split = [setting.partition("=") for setting in row["settings"]]
    return [f"{RENAMED_SETTINGS.get(name, name)}={value}" for name, _, value in split]


def found(row: Row) -> bool:
    """Return whether a run reaches its task's target in both directions."""
    task = TASKS[row["task"]]
    if task.kinds:
        return all(row[direction]["median_error"] <= task.target for direction in DIRECTIONS)
    if task.target:
        return all(row[direction]["top_1"] >= task.target for direction in DIRECTIONS)
    return all(beats_identity(row[direction]) for direction in DIRECTIONS)


def beats_identity(scores: Row) -> bool:
    """Return whether the translations are nearer to their partners than the untranslated inputs."""
    better: bool = scores["top_1"] > scores["identity_top_1"]
    return better


def make_table(rows: Iterable[Row]) -> str:
    """Return a Markdown table: a line for each task and setting, with the seeds that found the relation and the scores.

    A score is the median [lowest, highest] over seeds.
    """
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault((list(TASKS).index(row["task"]), *key(row)[:-1], describe_processor(row)), []).append(row)
    lines = [
        "| task | preset | px, minutes | processor | found | A to B | B to A | identity, A to B / B to A | steps |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    in_order = sorted(groups.items(), key=lambda item: (item[0][0], int(item[0][4])))
    for (_, task, preset, _, anchors, size, minutes, processor), group in in_order:
        known = [f"{anchors} anchors"] if anchors != "0" else []
        setting = " ".join([preset, *present_settings(group[0]), *known])
        name = "median_error" if TASKS[task].kinds else "top_1"
        columns = []
        for direction in DIRECTIONS:
            columns.append(format_range([row[direction][name] for row in group], name))
        identity = " / ".join(format_score(group[0][direction][f"identity_{name}"], name) for direction in DIRECTIONS)
        steps = f"{statistics.median(row['steps'] for row in group):,.0f}"
        passed = f"{sum(map(found, group))} of {len(group)}"
        cells = (task, setting, f"{size}, {float(minutes):g}", processor, passed, *columns, identity, steps)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def describe_processor(row: Row) -> str:
    """Return the vector instructions of a row's machine, on which its speed depends.

    With bfloat16 a run completes about twice the steps in the same time.
    """
    return str(row["machine"]["vectors"]) + (" bf16" if row["machine"]["bf16"] else "")


def format_range(values: list[float], name: str) -> str:
    """Return the median [lowest, highest]."""
    median, lowest, highest = (format_score(function(values), name) for function in (statistics.median, min, max))
    return f"{median} [{lowest}, {highest}]"


def format_score(value: float, name: str) -> str:
    """Return a median error in degrees, or a share."""
    return f"{value:.1f}°" if name == "median_error" else f"{value:.2f}"


def make_headline(rows: Iterable[Row]) -> str:
    """Return a Markdown table: a line for each preset, a column for each task, with medians and successful seeds."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["task"], row["preset"]), []).append(row)
    presets = [preset for preset in HEADLINE_PRESETS if any(found_preset == preset for _, found_preset in groups)]
    tasks = [task for task in TASKS if (task, presets[0]) in groups]
    titles, untranslated = [], []
    for task in tasks:
        first, name = groups[task, presets[0]][0], score_name(task)
        titles.append(f"{task}, {first['minutes']:g} min")
        identity = [format_score(first[direction][f"identity_{name}"], name) for direction in DIRECTIONS]
        untranslated.append(" / ".join(identity))
    lines = [f"| | {' | '.join(titles)} |", "|---" * (len(tasks) + 1) + "|"]
    lines.append(f"| untranslated input | {' | '.join(untranslated)} |")
    for preset in presets:
        cells = [format_headline_cell(groups.get((task, preset), []), score_name(task)) for task in tasks]
        lines.append(f"| `{preset}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def format_headline_cell(group: list[Row], name: str) -> str:
    """Return median A to B / median B to A, then the number of successful seeds; a dash if there are no rows."""
    if not group:
        return "-"
    medians = [format_score(statistics.median(row[direction][name] for row in group), name) for direction in DIRECTIONS]
    return f"{' / '.join(medians)} ({sum(map(found, group))} of {len(group)})"


def score_name(task: str) -> str:
    """Return the key of a task's score in the rows."""
    return "median_error" if TASKS[task].kinds else "top_1"


def make_correlation_table(rows: Iterable[Row]) -> str:
    """Return Markdown tables: the rank correlation of the unsupervised score with true top-1, then top-1 by label.

    The correlation is Spearman's; true top-1 is the mean of both directions.
    """
    runs = [row for row in rows if not TASKS[row["task"]].kinds]
    lines = [
        "| data | runs | correlation of score and top-1 | runs with a reference run | "
        "correlation of agreement and top-1 |",
        "|---|---|---|---|---|",
    ]
    for name in ("all", *sorted({row["task"] for row in runs})):
        chosen = [row for row in runs if name in ("all", row["task"])]
        referenced = [row for row in chosen if agreement(row) is not None]
        by_score = rank_with_truth([row["verdict"]["score"] for row in chosen], chosen)
        by_agreement = rank_with_truth([agreement(row) for row in referenced], referenced)
        lines.append(f"| {name} | {len(chosen)} | {by_score} | {len(referenced)} | {by_agreement} |")
    return "\n".join([*lines, "", *by_label(runs)])


def label(row: Row) -> str:
    """Return the verdict's label; older rows have it as ``word``."""
    verdict = row["verdict"]
    return str(verdict["label"] if "label" in verdict else verdict["word"])


def agreement(row: Row) -> Any:
    """Return the share of images on which the reference runs agree, or ``None`` without such runs.

    Older rows have it as ``accord.agreement``.
    """
    verdict = row["verdict"]
    if "accord" in verdict:
        return verdict["accord"]["agreement"] if verdict["accord"] else None
    return verdict["agreement"]["share"] if verdict["agreement"] else None


def by_label(rows: list[Row]) -> Iterator[str]:
    """Yield the lines of a Markdown table: true top-1 of the runs with each label. Labels use no true pairs."""
    groups: dict[str, list[float]] = {}
    for row in rows:
        groups.setdefault(label(row), []).append(true_top_1(row))
    yield from ("| label | runs | top-1, median [lowest, highest] |", "|---|---|---|")
    for name, values in sorted(groups.items(), key=lambda item: -statistics.median(item[1])):
        yield f"| {name} | {len(values)} | {format_range(values, 'top_1')} |"


def rank_with_truth(values: list[float], rows: list[Row]) -> str:
    """Return Spearman's rank correlation of values with the rows' true top-1; a dash for fewer than three values."""
    if len(set(values)) < 3:
        return "-"
    return f"{spearmanr(values, [true_top_1(row) for row in rows]).statistic:.2f}"


def true_top_1(row: Row) -> float:
    """Return top-1 on true pairs, the mean of both directions."""
    return statistics.mean(row[direction]["top_1"] for direction in DIRECTIONS)


def format_scores(row: Row) -> str:
    """Return the score of each direction."""
    name = "median_error" if TASKS[row["task"]].kinds else "top_1"
    return " / ".join(format_score(row[direction][name], name) for direction in DIRECTIONS)


def make_picture_table(rows: Iterable[Row]) -> str:
    """Return a Markdown table of the quality of the pictures: medians over seeds, A to B / B to A."""
    groups: dict[tuple[int, str, float, str], list[Row]] = {}
    for row in rows:
        if not TASKS[row["task"]].kinds:
            place = list(TASKS).index(row["task"])
            groups.setdefault((place, row["preset"], row["minutes"], describe_processor(row)), []).append(row)
    lines = [
        f"| task, minutes | preset | processor | seeds | top-1 | {' | '.join(PICTURE_SCORES.values())} |",
        "|---|---|---|---|---|" + "---|" * len(PICTURE_SCORES),
    ]
    in_order = sorted(groups.items(), key=lambda item: (item[0][0], HEADLINE_PRESETS.index(item[0][1])))
    for (place, preset, minutes, processor), group in in_order:
        cells = [f"{list(TASKS)[place]}, {minutes:g}", f"`{preset}`", processor, str(len(group))]
        for name in ("top_1", *PICTURE_SCORES):
            medians = [statistics.median(row[direction][name] for row in group) for direction in DIRECTIONS]
            digits = 2 if name in ("top_1", "grain", "colour_distance") else 3
            cells.append(" / ".join(f"{median:.{digits}f}" for median in medians))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


TABLES = {"verdict": make_correlation_table, "pictures": make_picture_table}
"""The tables of a study, by default those of ``make_table``."""


if __name__ == "__main__":
    main()
