"""One process that runs cases: ``python -m tests.fuzz.worker JOB.json ...``.

A job is a file with the fields of ``Job``. Results are in its ``state`` file after every ``SAVE_EVERY`` cases. The
case that runs is in ``box/current``, so that the parent knows it after a crash.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fuzz.harness import Case, Finding, Target

SAVE_EVERY = 50
"""Cases after which the state is written."""
WARM_UP_CASES = 2
"""Cases that run before the rules apply, so that libraries are loaded and their caches exist."""
ADDRESS_SPACE_MIB = 6144
"""Address space beyond that of the loaded libraries: a case that needs more fails instead of the machine."""
MAX_INPUT_BYTES = 16_384
"""Longest input of the coverage-guided search."""


@dataclass(frozen=True)
class Job:
    """What a worker does."""

    target: str
    material: str
    box: str
    state: str
    seeds: str
    """Folder that gets a file for each new finding."""
    cases: int
    seed: int = 0
    engine: str = "hypothesis"
    """hypothesis, or coverage for a search guided by the lines that a case reaches (atheris)."""
    max_seconds: float = 1e9
    replay: tuple[str, ...] = ()
    """Seed files to run before the generated cases."""


@dataclass
class State:
    """What a worker has done so far."""

    cases: int = 0
    seconds: float = 0.0
    peak_mib: int = 0
    findings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By signature: the finding, its seed file, and how often it was seen."""
    replayed: dict[str, str] = field(default_factory=dict)
    """By seed file: what it broke, or an empty text."""
    done: bool = False


class Recorder:
    """Runs cases and keeps the state."""

    def __init__(self, job: Job, target: Target) -> None:
        self.job, self.target, self.state = job, target, State()
        self.started = time.monotonic()
        self.current = os.open(Path(job.box) / "current", os.O_RDWR | os.O_CREAT, 0o644)

    def replay(self, seed: Path) -> None:
        """Run the case of a seed file."""
        content = seed.read_bytes()
        finding = self._run(self.target.load(content), content)
        self.state.replayed[seed.name] = f"{finding.rule} {finding.where} {finding.what}" if finding else ""
        self.save()

    def _run(self, case: Case, content: bytes) -> Finding | None:
        """Run a case, after its content is on disk in case the process ends."""
        from tests.fuzz.harness import execute

        os.ftruncate(self.current, 0)
        os.pwrite(self.current, content, 0)
        return execute(self.target, case)

    def __call__(self, case: Case) -> None:
        """Run a generated case."""
        from tests.fuzz.harness import peak_kib

        content = self.target.dump(case)
        finding = self._run(case, content)
        self.state.cases += 1
        self.state.peak_mib = max(self.state.peak_mib, peak_kib() // 1024)
        if finding is not None:
            self._keep(finding, content)
        if self.state.cases % SAVE_EVERY == 0:
            self.save()

    @property
    def is_over(self) -> bool:
        """Whether the cases or the time of the job are used."""
        return self.state.cases >= self.job.cases or time.monotonic() - self.started > self.job.max_seconds

    def save(self, done: bool = False) -> None:
        """Write the state."""
        self.state.seconds = round(time.monotonic() - self.started, 2)
        self.state.done = done
        file = Path(self.job.state)
        temporary = file.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(self.state), indent=1))
        temporary.replace(file)

    def _keep(self, finding: Finding, content: bytes) -> None:
        """Count a finding, and keep its smallest case as a seed."""
        known = self.state.findings.get(finding.signature)
        count = known["count"] + 1 if known else 1
        if known and known["bytes"] <= len(content):
            known["count"] = count
            return
        if known and known["seed"]:
            Path(known["seed"]).unlink(missing_ok=True)
        seed = write_seed(Path(self.job.seeds), self.target, content)
        self.state.findings[finding.signature] = {
            "rule": finding.rule,
            "what": finding.what,
            "where": finding.where,
            "trace": finding.trace,
            "seed": str(seed),
            "bytes": len(content),
            "count": count,
        }
        self.save()


def write_seed(folder: Path, target: Target, content: bytes) -> Path:
    """Write a case into a folder of seeds; return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / (hashlib.sha256(content).hexdigest()[:12] + target.suffix)
    file.write_bytes(content)
    return file


def generate(target: Target, seed: int, count: int, use: Callable[[Case], None], is_over: Callable[[], bool]) -> None:
    """Pass generated cases to ``use``."""
    import hypothesis

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(target.strategy())
    def one(case: Case) -> None:
        if not is_over():
            use(case)

    one()


def search_by_coverage(recorder: Recorder) -> None:
    """Run cases that atheris derives from the ones that reached new lines. Does not return."""
    import atheris
    import hypothesis

    target, job = recorder.target, recorder.job
    corpus = Path(job.box).parent / "corpus" / target.name
    corpus.mkdir(parents=True, exist_ok=True)
    for content in target.starts() if target.is_bytes else ():
        (corpus / hashlib.sha256(content).hexdigest()[:12]).write_bytes(content)

    def finish() -> None:
        recorder.save(done=True)
        os._exit(0)

    def use(case: Case) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)  # libFuzzer starts a timer that would end the process.
        recorder(case)
        if recorder.is_over:
            finish()

    @hypothesis.settings(database=None, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(target.strategy())
    def one(case: Case) -> None:
        use(case)

    entry = use if target.is_bytes else one.hypothesis.fuzz_one_input
    flags = ["-timeout=0", "-rss_limit_mb=0", "-verbosity=0", "-close_fd_mask=0"]
    limits = [f"-max_len={MAX_INPUT_BYTES}", f"-seed={job.seed + 1}", "-len_control=0"]
    atheris.Setup(
        ["fuzz", *flags, *limits, f"-artifact_prefix={job.box}/", str(corpus)], lambda data: entry(data) and None
    )
    atheris.Fuzz()


def load_targets(engine: str) -> dict[str, type[Target]]:
    """Import the targets; for a search by coverage also the package, so that its lines are counted."""
    if engine != "coverage":
        return importlib.import_module("tests.fuzz.targets").TARGETS
    import atheris

    with atheris.instrument_imports(include=["discogan", "PIL"]):
        from PIL import Image

        Image.init()
        for name in ("images", "records", "run_folder", "config", "data.anchors", "data.labels", "cli", "cli.info"):
            importlib.import_module(f"discogan.{name}")
        return importlib.import_module("tests.fuzz.targets").TARGETS


def main(job_files: Sequence[str]) -> None:
    """Run jobs, one after the other; several jobs load the libraries once."""
    sys.dont_write_bytecode = True
    for file in job_files:
        run(Job(**json.loads(Path(file).read_text())))


def run(job: Job) -> None:
    """Run a job."""
    box = Path(job.box)
    # Libraries in C print about damaged files, and a terminal of the developer must not show that.
    log = os.open(box / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.environ["DISCOGAN_CACHE"] = str(box / "cache")
    for variable in ("MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
        os.environ[variable] = str(box / "cache")
    target = load_targets(job.engine)[job.target](Path(job.material), box)
    from tests.fuzz import harness

    recorder = Recorder(job, target)

    def warm_up(case: Case) -> None:
        target.prepare(case)
        try:
            with harness.time_limit():
                target.run(case)
        except BaseException:  # The same cases run again under the rules.
            pass
        target.tidy()

    generate(target, job.seed, WARM_UP_CASES, warm_up, lambda: False)
    harness.limit_address_space(ADDRESS_SPACE_MIB)
    for name in job.replay:
        recorder.replay(Path(name))
    recorder.started = time.monotonic()
    if job.engine == "coverage":
        search_by_coverage(recorder)
    batch = 0
    while not recorder.is_over:
        count = min(500, job.cases - recorder.state.cases)
        generate(target, job.seed + batch, count, recorder, lambda: recorder.is_over)
        batch += 1
    recorder.save(done=True)


if __name__ == "__main__":
    main(sys.argv[1:])
