"""Measure the speed relative to a plain implementation and to the peak of the processor; add a row to results.jsonl.

    make bench
    python benchmarks/speed.py [--only official modern ...] [--turns 7]

The variants of a comparison run in turns within one process, a few steps at a time, so that other load on the machine
affects all of them. A ratio is the median over the turns. The peak is that of products of 2048x2048 matrices, measured
in the same turns. FLOPs are PyTorch's own count for our step; a multiplication with its addition counts two.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

import discogan
from discogan.config import Config, load_config
from discogan.data import folder_records
from discogan.data.batches import UnpairedBatches
from discogan.data.decoding import Decoding
from discogan.data.store import expect_random_access, open_store
from discogan.devices import has_bf16, own_state, pick_device
from discogan.model import TranslationModel
from discogan.training import provenance
from discogan.training.learner import Learner
from reference import modern_step, official_step

RESULTS = Path(__file__).with_name("results.jsonl")
Row = dict[str, Any]
PLAIN = {"official": official_step, "modern": modern_step}
CYCLE = {"official": 3, "modern": 4}
"""Steps after which the schedule of an objective repeats."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--turns", type=int, default=7)
    arguments = parser.parse_args()
    row: Row = {"date": date.today().isoformat(), **provenance()}
    for name in arguments.only:
        with own_state():
            row[name] = PARTS[name](arguments.turns)
        print(name, json.dumps(row[name], indent=2), flush=True)
    with RESULTS.open("a") as file:
        file.write(json.dumps(row) + "\n")


def latest() -> dict[str, Row]:
    """Return the latest measurement of each part, by machine."""
    rows: dict[str, Row] = {}
    for row in map(json.loads, RESULTS.read_text().splitlines()):
        machine = json.dumps(row["machine"])
        rows[machine] = rows.get(machine, {}) | row
    return rows


# Training -----------------------------------------------------------------------------------------


def training(preset: str, size: int, turns: int, settings: tuple[str, ...] = ()) -> Row:
    """Measure plain float32, ours in float32, and ours in bfloat16 if the processor supports it, in turns."""
    config = load_config(preset, image_size=size, settings=settings)
    precisions = ["float32", *(["bf16"] if has_bf16(pick_device()) else [])]
    learners = {name: Learner(with_precision(preset, size, settings, name)) for name in precisions}
    steps: dict[str, Callable[..., Any]] = {f"ours {name}": learner.step for name, learner in learners.items()}
    row: Row = {"batch_size": config.training.batch_size}
    if preset in PLAIN:
        steps = {"plain float32": PLAIN[preset](build(config), config), **steps}
        row["loss_difference"] = loss_difference(preset, size)
    real_a, real_b = images(config, 0)
    cycle = CYCLE.get(preset, 1)
    row["gflop_a_step"] = count_gflop(lambda: run(steps["ours float32"], real_a, real_b, cycle)) / cycle
    seconds: dict[str, list[float]] = {name: [] for name in (*steps, "matmul float32", "matmul bf16")}
    for _ in range(turns):
        for name, step in steps.items():
            seconds[name].append(timed(lambda step=step: run(step, real_a, real_b, cycle)) / cycle)
        for precision in precisions:
            seconds[f"matmul {precision}"].append(matmul_seconds(precision))
    return row | summarise(seconds, row, config)


def summarise(seconds: dict[str, list[float]], row: Row, config: Config) -> Row:
    """Return images of each domain per second, ratios to plain and shares of the peak, as medians over the turns."""
    summary: Row = {}
    for name in [name for name in seconds if name.startswith(("plain", "ours"))]:
        summary[f"{name}: images/s"] = round(config.training.batch_size / statistics.median(seconds[name]), 1)
        if name.startswith("ours"):
            peak, work = seconds[f"matmul {name.removeprefix('ours ')}"], row["gflop_a_step"] / MATMUL_GFLOP
            shares = [work * best / ours for ours, best in zip(seconds[name], peak, strict=True)]
            summary[f"{name}: share of the matrix-product peak"] = round(statistics.median(shares), 3)
            if "plain float32" in seconds:
                ratios = [plain / ours for plain, ours in zip(seconds["plain float32"], seconds[name], strict=True)]
                summary[f"{name}: times plain"] = round(statistics.median(ratios), 2)
    for name in [name for name in seconds if name.startswith("matmul") and seconds[name]]:
        summary[f"{name}, GFLOP/s"] = round(MATMUL_GFLOP / statistics.median(seconds[name]), 1)
    return summary


def with_precision(preset: str, size: int, settings: tuple[str, ...], precision: str) -> Config:
    return load_config(preset, image_size=size, settings=(*settings, f"training.precision={precision}"))


def images(config: Config, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a random smooth batch of each domain."""
    generator = torch.Generator().manual_seed(seed)
    shape = (2, config.training.batch_size, 3, 8, 8)
    coarse = torch.rand(shape, generator=generator).flatten(0, 1)
    real = torch.nn.functional.interpolate(coarse, size=config.data.image_size, mode="bilinear")
    a, b = real.chunk(2)
    return a.contiguous(), b.contiguous()


def loss_difference(preset: str, size: int, steps: int = 30) -> float:
    """Return the largest relative difference of any loss over the first steps, for narrow networks in float64.

    Both start from the same weights. In float32 they diverge after a few steps because of rounding: Adam's first steps
    depend on the sign of each gradient, however small.
    """
    config = load_config(preset, image_size=size, settings=NARROW)
    learner, plain = Learner(config), PLAIN[preset](build(config).double(), config)
    learner.model.double()
    worst = 0.0
    for number in range(steps):
        batch = [real.double() for real in images(config, number)]
        expected, terms = plain(*batch, number), learner.step(*batch, number)
        for name, value in expected.items():
            worst = max(worst, abs(terms[name].item() - value) / max(abs(value), 1e-12))
    return worst


NARROW = ("generator.width=8", "discriminator.width=8", "training.batch_size=4", "training.ema_decay=0.0")


def build(config: Config) -> TranslationModel:
    """Return the initial networks of a learner with this configuration, in PyTorch's default memory format."""
    return Learner(config).model.to(memory_format=torch.contiguous_format)


def run(step: Callable[..., Any], real_a: torch.Tensor, real_b: torch.Tensor, count: int) -> None:
    for number in range(count):
        step(real_a, real_b, number)


def count_gflop(call: Callable[[], Any]) -> float:
    with FlopCounter() as counter:
        call()
    return counter.total / 1e9


class FlopCounter(TorchDispatchMode):
    """Counts FLOPs by PyTorch's formulas, without its module tracker, which fails on gradients of gradients."""

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func._overloadpacket in flop_registry:
            self.total += flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=result)
        return result


MATRIX_SIDE = 2048
MATMUL_GFLOP = 2 * MATRIX_SIDE**3 / 1e9


def matmul_seconds(precision: str) -> float:
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    matrix = torch.ones(MATRIX_SIDE, MATRIX_SIDE, dtype=kind)
    matrix @ matrix
    return min(timed(lambda: matrix @ matrix) for _ in range(4))


def timed(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def training_table(row: Row) -> list[str]:
    """Return the lines of docs/performance.md for the training parts of a row."""
    lines = []
    for part in [part for part in row if isinstance(row[part], dict) and "gflop_a_step" in row[part]]:
        preset, _, size = part.partition(" ")
        values = row[part]
        cells = [f"`{preset}`, {size.removesuffix(' px') or 64}, {values['batch_size']}"]
        cells.append(format_cell(values, "plain float32: images/s"))
        for precision in ("float32", "bf16"):
            for name in ("images/s", "times plain", "share of the matrix-product peak"):
                cells.append(format_cell(values, f"ours {precision}: {name}"))
        lines.append(f"| {' | '.join(cells)} | |")
    return lines


def format_cell(values: Row, name: str) -> str:
    """Return a value as text, or a dash if it was not measured."""
    if name not in values:
        return "-"
    return f"{values[name]:.1f}" if name.endswith("images/s") else f"{values[name]:.2f}"


# Everything else ----------------------------------------------------------------------------------


def translation(turns: int) -> Row:
    """Measure a folder, the network alone at several batch sizes, and one image with ``Translator``."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_jpegs(folder / "a", 1000, 64)
        run_folder = short_run(folder)
        translator = discogan.load(run_folder)
        pixels = np.random.default_rng(0).integers(0, 256, (1000, 64, 64, 3), dtype=np.uint8)
        network = {
            size: statistics.median(
                timed(lambda size=size: translator.model.translate_pixels(pixels, "a_to_b", size)) for _ in range(3)
            )
            for size in (8, 32, 128)
        }
        files, busy = [], []
        for _ in range(turns):
            with cores_busy() as measured:
                files.append(timed(lambda: translator.translate_files(folder / "a", folder / "out", "a_to_b")))
            busy.append(measured[0])
        image = Image.fromarray(pixels[0])
        translator.translate(image, "a_to_b")
        alone = [timed(lambda: translator.translate(image, "a_to_b")) for _ in range(50)]
    best = min(network.values())
    return {
        "network alone, images/s by batch size": {size: round(1000 / seconds, 1) for size, seconds in network.items()},
        "folder, images/s": round(1000 / statistics.median(files), 1),
        "folder: share of the network's best": round(best / statistics.median(files), 2),
        "folder: cores busy": round(statistics.median(busy), 2),
        "one image, ms": round(1000 * statistics.median(alone), 2),
    }


def preparation(turns: int) -> Row:
    """Measure decoding JPEGs of 256 pixels into a store: images per second, and the share of the cores' time used."""
    count = 100_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_jpegs(folder / "a", count, 256)
        rates, busy = [], []
        for turn in range(min(turns, 3)):
            cache = folder / str(turn)
            with cores_busy() as measured:
                seconds = timed(
                    lambda cache=cache: open_store(folder_records(folder / "a"), Decoding(64, 3), cache=cache)
                )
            rates.append(count / seconds)
            busy.append(measured[0])
    return {"images/s": round(statistics.median(rates), 1), "cores busy": round(statistics.median(busy), 2)}


def startup(turns: int) -> Row:
    """Measure the seconds of two commands from the start of the interpreter: the help, and translating one image."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_jpegs(folder / "a", 8, 64)
        run_folder = short_run(folder)
        image = ["translate", run_folder, folder / "a" / "00000.jpg", "--direction", "a_to_b", "--out", folder / "out"]
        commands = {"help": ["--help"], "translate one image": image}
        seconds = {
            name: [timed(lambda words=words: discogan_command(words)) for _ in range(turns)]
            for name, words in commands.items()
        }
    return {f"{name}, s": round(statistics.median(times), 2) for name, times in seconds.items()}


def many_images(turns: int) -> Row:
    """Measure steps of ``modern`` at 64 px on stores of a thousand and a million images, in turns, and the memory."""
    with tempfile.TemporaryDirectory() as name:
        learner = Learner(load_config("modern", image_size=64))
        loops = {count: Loop(learner, Path(name), count) for count in (1_000, 1_000_000)}
        for step in loops.values():
            step()
        seconds: dict[int, list[float]] = {count: [] for count in loops}
        waiting: list[float] = []
        for _ in range(turns):
            for count, step in loops.items():
                seconds[count].append(timed(step))
                waiting.append(step.data_seconds / seconds[count][-1])  # type: ignore[attr-defined]
    ratios = [many / few for few, many in zip(*seconds.values(), strict=True)]
    # Not getrusage, because its maximum is inherited from the parent process.
    status = Path("/proc/self/status").read_text() if Path("/proc/self/status").exists() else ""
    sizes = {line.partition(":")[0]: int(line.split()[1]) / 1e6 for line in status.splitlines() if "kB" in line}
    return {
        "step time, a million images over a thousand": round(statistics.median(ratios), 3),
        "share of the time that waits for data": round(statistics.median(waiting), 4),
        "resident, GB, mapped pages included": round(sizes["VmHWM"], 2) if sizes else None,
        "resident, GB, own": round(sizes["RssAnon"], 2) if sizes else None,
    }


class Loop:
    """Four training steps on a mapped store of ``count`` images, a sparse file. Records the seconds spent on data."""

    def __init__(self, learner: Learner, folder: Path, count: int) -> None:
        files = [folder / f"{count}-{domain}.npy" for domain in ("a", "b")]
        for file in files:
            np.lib.format.open_memmap(file, "w+", np.uint8, (count, 64, 64, 3))
        stores = [expect_random_access(np.load(file, mmap_mode="r")) for file in files]
        self.learner = learner
        self.batches = UnpairedBatches(stores[0], stores[1], learner.config.training.batch_size, seed=0)
        self.position, self.data_seconds = 0, 0.0

    def __call__(self) -> None:
        self.data_seconds = 0.0
        for number in range(4):
            started = time.perf_counter()
            batch = self.batches.batch(self.position)
            encode = self.learner.model.pixel_range.encode
            real = [encode(torch.from_numpy(pixels)) for pixels in batch]
            self.data_seconds += time.perf_counter() - started
            self.learner.step(real[0], real[1], number)
            self.position += 1


def in_a_fresh_process(part: Callable[[int], Row], turns: int) -> Row:
    """Run a measurement in a new process, so that its memory is counted separately."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(part, turns).result()


@contextmanager
def cores_busy() -> Iterator[list[float]]:
    """Measure the share of all cores' time that this process and its children use."""

    def used() -> float:
        return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))

    measured: list[float] = []
    before, started = used(), time.perf_counter()
    yield measured
    measured.append((used() - before) / (time.perf_counter() - started) / (os.cpu_count() or 1))


def write_jpegs(folder: Path, count: int, side: int) -> None:
    """Write noisy colour gradients; at most 200 of them are different."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    bodies = []
    for _ in range(min(count, 200)):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((side, side))
        coarse.save(folder / "one.jpg", quality=90)
        bodies.append((folder / "one.jpg").read_bytes())
    (folder / "one.jpg").unlink()
    for number in range(count):
        # The number after the image data makes the content of each file unique.
        (folder / f"{number:05}.jpg").write_bytes(bodies[number % len(bodies)] + str(number).encode())


def short_run(folder: Path) -> Path:
    """Train ``modern`` at 64 pixels for one step, and return the run; its networks are as fast as trained ones."""
    write_jpegs(folder / "b", 8, 64)
    discogan.train(folder / "a", folder / "b", out=folder / "run", image_size=64, steps=1)
    return folder / "run"


def discogan_command(words: list[Any]) -> None:
    subprocess.run([sys.executable, "-m", "discogan", *map(str, words)], check=True, capture_output=True)


PARTS: dict[str, Callable[[int], Row]] = {
    "official": lambda turns: training("official", 64, max(3, turns // 2)),
    "modern": lambda turns: training("modern", 64, turns),
    "modern 32 px": lambda turns: training("modern", 32, turns),
    "modern 128 px": lambda turns: training("modern", 128, turns),
    "cyclegan": lambda turns: training("cyclegan", 64, max(3, turns // 2)),
    "translation": translation,
    "preparation": preparation,
    "start-up": startup,
    "many images": lambda turns: in_a_fresh_process(many_images, turns),
}


if __name__ == "__main__":
    main()
