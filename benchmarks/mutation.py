"""Mutation testing: change the code in one place, run its tests, and record whether a test fails.

    make mutation
    python benchmarks/mutation.py [--only losses objectives/modern ...] [--again]

A changed copy of a module is a mutant. If a test fails, the mutant is killed; otherwise it survives, and the tests miss
something. The results are in docs/reliability/mutation.jsonl, one line for each mutant. A survivor has a ``reason``,
which is written by hand and is kept.

A stopped run continues where it stopped. Killed mutants run again only if their module changed, or with ``--again``;
survivors always run again, because new tests may kill them.

Mutants are those of cosmic-ray, and swaps of names that mean the opposite. Code that does not run has no mutants:
annotations and imports. Each mutant runs in a fork of this process, which has already loaded PyTorch. The fork imports
the changed source instead of the file, so no file changes.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import gc
import hashlib
import importlib
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any, ClassVar

os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # Reading the entry points of all packages takes seconds.

import parso.python.tree as syntax
import parso.tree
import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "reliability" / "mutation.jsonl"
MIN_KILLED_SHARE = 0.85
"""Share of mutants that the tests must kill; with less the script fails."""
MIN_SECONDS = 20.0
"""Time limit of a mutant whose tests are fast."""
SLOWDOWN = 10.0
"""Time limit of a mutant, in multiples of the time that its tests take on the unchanged code."""
PRELOADED = (
    "PIL.Image",
    "cyclopts",
    "filelock",
    "jinja2",
    "matplotlib.pyplot",
    "msgspec",
    "rich.console",
    "safetensors.torch",
    "scipy.stats",
    "sklearn.metrics",
    "torchmetrics.image",
)
"""Libraries that are loaded once, before the forks. None of them imports a module that is mutated."""

METRIC_TESTS = ("tests/numerics/test_metrics.py", "tests/metrics", "tests/contracts/test_metrics.py")
OBJECTIVE_TESTS = ("tests/numerics/test_objectives.py", "tests/objectives", "tests/contracts/test_objectives.py")
TESTS: dict[str, tuple[str, ...]] = {
    "losses": ("tests/test_losses.py", "tests/numerics/test_gradients.py"),
    **{
        f"objectives/{name}": OBJECTIVE_TESTS
        for name in ("__init__", "cyclegan", "discogan", "gan", "modern", "official", "recon_gan")
    },
    **{
        f"metrics/{name}": METRIC_TESTS
        for name in (
            "__init__",
            "agreement",
            "coverage",
            "diversity",
            "inception",
            "perceptual",
            "retrieval",
            "round_trip",
            "similarity",
            "sliced_wasserstein",
        )
    },
    "records": ("tests/test_records.py",),
    "checkpoints": (
        "tests/test_checkpoints.py",
        "-k",
        "not while_best_is_replaced and not training_continues and not is_not_a_file and not without_its_record",
    ),
}
"""Modules below discogan/, without suffix, and pytest's arguments for the fast tests of each, the fastest first."""


# Mutants ------------------------------------------------------------------------------------------


class NameSwap(Operator):
    """Replace a name by its opposite: the other domain, a fake by a real image, a mean by a sum."""

    OPPOSITES: ClassVar[dict[str, str]] = {
        "mean": "sum",
        "sum": "mean",
        "min": "max",
        "max": "min",
        "any": "all",
        "all": "any",
        "argmin": "argmax",
        "argmax": "argmin",
        "abs": "square",
        "square": "abs",
        "detach": "clone",
        "softplus": "relu",
        "relu": "softplus",
        "round": "floor",
    }

    def mutation_positions(self, node: parso.tree.NodeOrLeaf) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        if self._opposite(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: parso.tree.NodeOrLeaf, index: int) -> parso.tree.NodeOrLeaf:
        node.value = self._opposite(node)
        return node

    def _opposite(self, node: parso.tree.NodeOrLeaf) -> str | None:
        if isinstance(node, syntax.String):
            text = ast.literal_eval(node.value)
            swapped = self._other_domain(text) if isinstance(text, str) and text.isidentifier() else None
            return repr(swapped) if swapped else None
        if not isinstance(node, syntax.Name) or self._is_definition(node):
            return None
        if node.value in self.OPPOSITES:
            return self.OPPOSITES[node.value]
        for word, opposite in (("real", "fake"), ("fake", "real"), ("original", "reconstructed")):
            if node.value == word or node.value.startswith(f"{word}_"):
                return opposite + node.value.removeprefix(word)
        return self._other_domain(node.value)

    @staticmethod
    def _other_domain(name: str) -> str | None:
        names = {"a": "b", "b": "a", "a_to_b": "b_to_a", "b_to_a": "a_to_b", "l1": "l2", "l2": "l1"}
        if name in names:
            return names[name]
        return name[:-1] + names[name[-1]] if name.endswith(("_a", "_b")) else None

    @staticmethod
    def _is_definition(name: syntax.Name) -> bool:
        """Return whether the name is imported, defined, or the keyword of an argument."""
        parent = name.parent
        is_keyword = parent.type == "argument" and parent.children[0] is name
        is_parameter = (parent.type == "param" and parent.name is name) or (
            parent.type == "tfpdef" and parent.children[0] is name
        )
        is_definition = parent.type in ("funcdef", "classdef") and parent.name is name
        return is_keyword or is_parameter or is_definition

    @classmethod
    def examples(cls) -> Sequence[Any]:
        return ()


@dataclass(frozen=True)
class Mutant:
    """One change of one module."""

    module: str
    line: int
    change: str
    """The name of the operator that makes the change."""
    before: str
    """The line before the change, without indentation."""
    after: str
    number: int
    """Counts changes of a module that have the same lines and operator."""
    source: str
    """Digest of the unchanged module."""
    outcome: str = ""
    """``killed``, ``timeout`` (also a kill) or ``survived``."""
    by: str = ""
    """The first test that failed."""
    reason: str = ""
    """Why the mutant survives, written by hand."""

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """What identifies the mutant, even if other lines of its module change."""
        return self.module, self.change, self.before, self.after, self.number


def module_file(module: str) -> Path:
    """Return the file of a key of ``TESTS``."""
    return ROOT / "discogan" / f"{module}.py"


def mutants(module: str) -> Iterator[tuple[Mutant, str]]:
    """Return the mutants of a module, each with its source."""
    source = module_file(module).read_text()
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    skipped = lines_and_columns_that_do_not_run(source)
    numbers: Counter[tuple[str, ...]] = Counter()
    for name, operator in operators():
        positions = [position for node in ast_nodes(get_ast(source)) for position in operator.mutation_positions(node)]
        for occurrence, (start, _) in enumerate(positions):
            if start in skipped:
                continue
            try:
                mutated = mutate_code(source, operator, occurrence)
            except AttributeError:
                continue  # cosmic-ray cannot replace an exception that is an attribute of a module.
            before, after = changed_lines(source, mutated, start[0])
            key = (name, before, after)
            yield Mutant(module, start[0], name, before, after, numbers[key], digest), mutated
            numbers[key] += 1


def operators() -> Iterator[tuple[str, Operator]]:
    """Return the operators by name.

    An arithmetic operator is replaced by arithmetic ones only, and a bitwise operator by bitwise ones. Any other
    replacement fails in every call, so it would prove nothing about the tests.
    """
    families = ({"Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow"}, {"BitOr", "BitAnd", "BitXor"})
    for path in operator_names():
        kind = get_operator(path)
        name = path.rpartition("/")[2]
        if name.startswith("ReplaceBinaryOperator"):
            first, second = name.split("_")[1:]
            if not any(first in family and second in family for family in families):
                continue
        if not kind.arguments():
            yield name, kind()
    yield "NameSwap", NameSwap()


def lines_and_columns_that_do_not_run(source: str) -> set[tuple[int, int]]:
    """Return the positions inside imports and annotations; bounds in ``Annotated[...]`` do run."""
    positions = set()
    for node in ast.walk(ast.parse(source)):
        skipped: list[ast.AST] = []
        if isinstance(node, ast.Import | ast.ImportFrom):
            skipped = [node]
        elif isinstance(node, ast.FunctionDef):
            skipped = [node.returns] if node.returns else []
        elif isinstance(node, ast.arg):
            skipped = [node.annotation] if node.annotation else []
        elif isinstance(node, ast.AnnAssign) and "Annotated" not in ast.unparse(node.annotation):
            skipped = [node.annotation]
        for part in skipped:
            for line in range(part.lineno, part.end_lineno + 1):
                first = part.col_offset if line == part.lineno else 0
                last = part.end_col_offset if line == part.end_lineno else 200
                positions |= {(line, column) for column in range(first, last)}
    return positions


def changed_lines(source: str, mutated: str, line: int) -> tuple[str, str]:
    """Return the line that differs, before and after the change; ``line`` is where the operator applies."""
    lines, mutated_lines = source.splitlines(), mutated.splitlines()
    if len(lines) != len(mutated_lines):
        return lines[line - 1].strip(), ""
    for before, after in zip(lines, mutated_lines, strict=True):
        if before != after:
            return before.strip(), after.strip()
    return lines[line - 1].strip(), lines[line - 1].strip()


# Running ------------------------------------------------------------------------------------------


class MutantFinder(MetaPathFinder):
    """Imports one module from a changed source."""

    def __init__(self, module: str, source: str) -> None:
        name = f"discogan.{module.replace('/', '.')}"
        self.name, self.file, self.source = name.removesuffix(".__init__"), module_file(module), source

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        if name != self.name:
            return None
        code = compile(self.source, str(self.file), "exec", dont_inherit=True)
        loader = SourceFileLoader(name, str(self.file))
        loader.get_code = lambda _name: code  # type: ignore[method-assign, assignment]
        is_package = self.file.name == "__init__.py"
        folders = [str(self.file.parent)] if is_package else None
        return spec_from_file_location(name, self.file, loader=loader, submodule_search_locations=folders)


class Reporter:
    """A pytest plugin that reports the first failure, or the end of all tests, and ends the process.

    Ending at once saves the clean-up, which takes longer than most tests.
    """

    def __init__(self, pipe: int) -> None:
        self.pipe = pipe

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.end(f"killed {report.nodeid}")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.end(f"killed {report.nodeid}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self.end("survived " if exitstatus == pytest.ExitCode.OK else f"killed exit status {exitstatus}")

    def end(self, message: str) -> None:
        """Send the outcome and end the process without any clean-up."""
        os.write(self.pipe, message.encode())
        os._exit(0)


def run_tests(module: str, source: str, seconds: float) -> tuple[str, str]:
    """Run the tests of a module with another source in a fork; return the outcome and the first test that failed."""
    folder = tempfile.mkdtemp(prefix="mutant-")
    read, write = os.pipe()
    process = os.fork()
    if process == 0:
        os.setsid()
        os.close(read)
        _test_in_this_process(module, source, Path(folder), Reporter(write))
    os.close(write)
    ready, _, _ = select.select([read], [], [], seconds)
    message = os.read(read, 4096).decode() if ready else "timeout "
    os.close(read)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
    shutil.rmtree(folder, ignore_errors=True)
    # A fork that crashes closes the pipe without a message.
    outcome, _, test = (message or "killed crash").partition(" ")
    return outcome, test


def _test_in_this_process(module: str, source: str, folder: Path, reporter: Reporter) -> None:
    """Run the tests in this fork, which ends with the report."""
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    sys.dont_write_bytecode = True
    sys.meta_path.insert(0, MutantFinder(module, source))
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "pytest_timeout", "--basetemp", str(folder / "pytest")]
    try:
        status = pytest.main([*options, *TESTS[module]], plugins=[reporter])
    except BaseException as error:
        reporter.end(f"killed {type(error).__name__}")
    # Without a session, conftest.py could not be imported.
    reporter.end(f"killed exit status {status}")


def load_libraries() -> None:
    """Load and use what all forks need, so that no fork spends time on it."""
    from hypothesis import settings

    for name in PRELOADED:
        importlib.import_module(name)
    import torch
    import torch.nn.functional as F

    settings.register_profile("mutation", database=None, derandomize=True)
    settings.load_profile("mutation")
    torch.set_num_threads(1)
    images = torch.rand(4, 3, 8, 8, requires_grad=True)
    loss = F.conv2d(images, torch.rand(4, 3, 4, 4)).sum()
    (loss + F.binary_cross_entropy(images.sigmoid(), torch.ones_like(images))).backward()
    torch.testing.assert_close(images, images)
    gc.collect()
    gc.freeze()


# Results ------------------------------------------------------------------------------------------


def read_results() -> dict[tuple[str, str, str, str, int], Mutant]:
    """Return the recorded mutants; of several lines for one mutant, the last counts."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    recorded = [Mutant(**json.loads(line)) for line in lines]
    return {mutant.key: mutant for mutant in recorded}


def add_result(mutant: Mutant) -> None:
    """Append a line, so that a stopped run loses nothing."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with RESULTS.open("a") as stream:
        stream.write(_line(mutant))


def write_results(results: Sequence[Mutant]) -> None:
    """Replace the file: one line for each mutant, in the order of the modules and lines."""
    modules = list(TESTS)
    ordered = sorted(results, key=lambda mutant: (modules.index(mutant.module), mutant.line, mutant.key))
    temporary = RESULTS.with_suffix(".tmp")
    temporary.write_text("".join(map(_line, ordered)))
    temporary.replace(RESULTS)


def _line(mutant: Mutant) -> str:
    values = {name: value for name, value in asdict(mutant).items() if value or name in ("number", "after")}
    return json.dumps(values, ensure_ascii=False) + "\n"


def print_summary(results: Sequence[Mutant]) -> bool:
    """Print the share of killed mutants for each module; return whether it is large enough overall."""
    counts = Counter((mutant.module, mutant.outcome == "survived") for mutant in results)
    for module in TESTS:
        killed, survived = counts[module, False], counts[module, True]
        if killed + survived:
            print(f"{module:30} {killed:5} of {killed + survived:5} killed, {killed / (killed + survived):6.1%}")
    survivors = [mutant for mutant in results if mutant.outcome == "survived"]
    share = 1 - len(survivors) / max(1, len(results))
    print(f"{'all':30} {len(results) - len(survivors):5} of {len(results):5} killed, {share:6.1%}")
    for mutant in survivors:
        if not mutant.reason:
            print(f"no reason yet: {mutant.module}:{mutant.line} {mutant.change}: {mutant.before}  ->  {mutant.after}")
    return share >= MIN_KILLED_SHARE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(TESTS), default=list(TESTS), metavar="MODULE")
    parser.add_argument("--again", action="store_true", help="run killed mutants again too")
    parser.add_argument("--summary", action="store_true", help="run nothing, print the recorded results")
    arguments = parser.parse_args()
    recorded = read_results()
    if arguments.summary:
        return 0 if print_summary(list(recorded.values())) else 1
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    load_libraries()
    for module in arguments.only:
        began = time.monotonic()
        outcome, test = run_tests(module, module_file(module).read_text(), 600)
        if outcome != "survived":
            sys.exit(f"{module}: {test or 'a test'} fails on the unchanged code. Fix that first.")
        seconds = max(MIN_SECONDS, SLOWDOWN * (time.monotonic() - began))
        present = list(mutants(module))
        for number, (mutant, source) in enumerate(present, start=1):
            known = recorded.get(mutant.key)
            if known and known.source == mutant.source and known.outcome != "survived" and not arguments.again:
                recorded[mutant.key] = replace(known, line=mutant.line)
                continue
            outcome, test = run_tests(module, source, seconds)
            reason = known.reason if known and outcome == "survived" else ""
            recorded[mutant.key] = replace(mutant, outcome=outcome, by=test, reason=reason)
            add_result(recorded[mutant.key])
            if outcome == "survived":
                print(f"{module}:{mutant.line} survived: {mutant.before}  ->  {mutant.after}", flush=True)
            if number % 50 == 0:
                print(f"{module}: {number} of {len(present)}", flush=True)
        keys = {mutant.key for mutant, _ in present}
        recorded = {key: mutant for key, mutant in recorded.items() if mutant.module != module or key in keys}
        write_results(list(recorded.values()))
    return 0 if print_summary(list(recorded.values())) else 1


if __name__ == "__main__":
    sys.exit(main())
