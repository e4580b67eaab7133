"""What the JSON files of a run folder hold, as frozen dataclasses that are checked when a file is read.

Files of version 0.1.0 are read too: their keys are renamed first. No PyTorch here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal

from msgspec import Meta

from discogan.config import Config, Table
from discogan.directions import DIRECTIONS, Direction
from discogan.errors import ConfigError, RecordError
from discogan.records import Count, Seconds, Sha256, Share, convert_record

Number = Annotated[float, Meta(ge=-1e30, le=1e30)]
"""A finite number."""
Label = Literal["found", "found up to a symmetry", "unconfirmed", "unstable", "collapsed", "copies its input"]
"""The label of a verdict."""
POSITION_KEYS = ("step", "images_seen", "elapsed_seconds", "images_per_second")
"""Keys of a metrics record that are not losses."""
RENAMED_KEYS: Mapping[Any, str] = {
    "word": "label",
    "because": "reason",
    "figures": "metrics",
    "judged": "discriminator_accuracy",
    "a_to_b_judged": "a_to_b_discriminator_accuracy",
    "b_to_a_judged": "b_to_a_discriminator_accuracy",
}
"""Keys that verdict.json, evaluation.json and scores.jsonl had in version 0.1.0, and their present names."""


# progress.json ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Progress:
    """How far a run is: optimiser steps done and seconds spent training."""

    step: Count = 0
    elapsed_seconds: Seconds = 0.0


@dataclass(frozen=True)
class FileDigest:
    """Size and content of a file of a checkpoint."""

    bytes: Count
    sha256: Sha256


@dataclass(frozen=True)
class CheckpointRecord:
    """progress.json: the progress, and a digest of every other file of the checkpoint by name."""

    step: Count
    elapsed_seconds: Seconds
    files: Mapping[Annotated[str, Meta(pattern=r"^[\w-]+\.(safetensors|json)$")], FileDigest] | None = None
    """``None`` for checkpoints of version 0.1.0."""

    @property
    def progress(self) -> Progress:
        """The progress alone."""
        return Progress(self.step, self.elapsed_seconds)


# config.json and plan.json ------------------------------------------------------------------------


@dataclass(frozen=True)
class RunDescription:
    """What config.json records about a run."""

    config: Config
    directions: tuple[Direction, ...]
    """Directions that the objective trains."""
    round_trip_directions: tuple[Direction, ...]
    """Directions whose round trip the objective trains as well."""
    data: DataRecord
    versions: Mapping[str, str]
    """Versions of discogan, PyTorch and Python."""
    machine: Mapping[str, Any]
    git_revision: str | None
    threads: int
    """CPU threads, which decide the last bits of the results."""
    imports: tuple[str, ...] = ()
    """Absolute paths of the files that --import loaded."""

    def to_dict(self) -> Table:
        """Plain values for JSON; ``from_dict`` is the inverse."""
        return {
            "config": self.config.to_dict(),
            "directions": list(self.directions),
            "round_trip_directions": list(self.round_trip_directions),
            "data": asdict(self.data),
            "versions": dict(self.versions),
            "machine": dict(self.machine),
            "git_revision": self.git_revision,
            "threads": self.threads,
            "imports": list(self.imports),
        }

    @classmethod
    def from_dict(cls, table: Any, source: object = "config.json") -> RunDescription:
        """Return the description in a config.json of this version or an earlier one.

        Raises ``RecordError``, which names ``source`` and the field.
        """
        record = convert_record(table, _ConfigFile, source)
        try:
            config = Config.from_dict(_with_value_ranges(record.config))
        except ConfigError as error:
            raise RecordError(source, str(error).rstrip(".")) from error
        directions, round_trips = _directions(record, config)
        return cls(
            config=config,
            directions=directions,
            round_trip_directions=round_trips,
            data=record.data,
            versions=record.versions,
            machine=record.machine or {},
            git_revision=record.git_revision,
            threads=record.threads,
            imports=record.imports,
        )

    def without_images(self) -> RunDescription:
        """Return the description without its image folders and anchors; ``open_domains`` then says why."""
        return replace(self, config=self.config.portable())

    def portable(self) -> RunDescription:
        """Return the description without this machine's paths, skipped file names and imports."""
        data = replace(self.data, a=replace(self.data.a, skipped=()), b=replace(self.data.b, skipped=()))
        return replace(self, config=self.config.portable(), data=data, imports=())


@dataclass(frozen=True)
class LeftOutRecord:
    """What a domain's folder holds besides its images (``images.files.LeftOut``)."""

    summary: str = ""
    """The counts as one phrase; empty if nothing was left out."""
    other_suffixes: Mapping[str, Count] | None = None
    hidden: Count = 0
    unreadable_folders: Count = 0
    special_files: Count = 0
    repeated_folders: Count = 0


@dataclass(frozen=True)
class DomainRecord:
    """The images of a domain that a run was trained on."""

    key: str
    """Fingerprint of the images and of how they were decoded."""
    count: Count
    skipped: tuple[str, ...] = ()
    """A sentence for each broken file."""
    left_out: LeftOutRecord = LeftOutRecord()
    depth: str = ""
    """The value range as a phrase; empty for plain 8-bit images."""

    @property
    def remarks(self) -> list[str]:
        """The value range, and what the folder holds besides the images, if there is anything to say."""
        left_out = f"left out: {self.left_out.summary}" if self.left_out.summary else ""
        return [remark for remark in (self.depth, left_out) if remark]


@dataclass(frozen=True)
class DataRecord:
    """The images of both domains, and the fingerprint of the anchors if there are any."""

    a: DomainRecord
    b: DomainRecord
    anchors: str | None = None

    def of(self, domain: str) -> DomainRecord:
        """Return the images of domain ``a`` or ``b``."""
        return self.a if domain == "a" else self.b


@dataclass(frozen=True)
class _ConfigFile:
    """config.json as it is on disk; the options are checked by ``Config.from_dict``."""

    config: dict[str, Any]
    data: DataRecord
    versions: dict[str, str]
    threads: Annotated[int, Meta(ge=1, le=65536)]
    directions: Annotated[tuple[Direction, ...], Meta(min_length=1, max_length=2)] | None = None
    round_trip_directions: Annotated[tuple[Direction, ...], Meta(max_length=2)] | None = None
    machine: dict[str, str | Count | Number | bool | None] | None = None
    git_revision: str | None = None
    imports: tuple[str, ...] = ()


def _with_value_ranges(settings: Table) -> Table:
    """Return the settings of a run. One of version 0.1.0 keeps the value range that it guessed for each image."""
    data = settings.get("data", {})
    if not isinstance(data, dict) or "value_range_a" in data:
        return settings
    return {**settings, "data": {**data, "value_range_a": "image", "value_range_b": "image"}}


def _directions(record: _ConfigFile, config: Config) -> tuple[tuple[Direction, ...], tuple[Direction, ...]]:
    """Return what a run trains; version 0.1.0 did not record it, so the objective's name decides for its runs."""
    if record.directions is not None:
        return record.directions, record.round_trip_directions or ()
    model = config.objective.get("model", config.objective["name"])
    if model == "gan":
        return ("a_to_b",), ()
    if model == "recon_gan":
        return ("a_to_b",), ("a_to_b",)
    return DIRECTIONS, DIRECTIONS


Rounds = tuple[Mapping[Annotated[str, Meta(pattern=r"^\d{1,15}$")], Number], ...]
"""For each finished round of --seeds-tried the score of each seed."""


@dataclass(frozen=True)
class Plan:
    """The contents of plan.json: the run's description, and the scores of the finished rounds.

    A run that diverged in a round has no score there, and does not continue.
    """

    description: RunDescription
    rounds: Rounds

    def to_dict(self) -> Table:
        """Plain values for JSON; ``from_dict`` is the inverse."""
        return {**self.description.to_dict(), "rounds": [dict(scores) for scores in self.rounds]}

    @classmethod
    def from_dict(cls, table: Any, source: object = "plan.json") -> Plan:
        """Return the plan in a plan.json; raise ``RecordError``, which names ``source`` and the field."""
        description = RunDescription.from_dict(table, source)
        return cls(description, convert_record(table, _PlanFile, source).rounds)


@dataclass(frozen=True)
class _PlanFile:
    rounds: Rounds


# metrics.jsonl and scores.jsonl -------------------------------------------------------------------


@dataclass(frozen=True)
class MetricsRecord:
    """A line of metrics.jsonl: the position in training, and the mean of each loss since the line before."""

    step: Count
    losses: Mapping[str, Number]
    images_seen: Count
    elapsed_seconds: Seconds
    images_per_second: Number

    @classmethod
    def from_dict(cls, table: Any, source: object = "metrics.jsonl") -> MetricsRecord:
        """Return the record in a line; raise ``RecordError``, which names ``source`` and the field."""
        position = convert_record(table, dict[str, Any], source)
        losses = {key: value for key, value in position.items() if key not in POSITION_KEYS}
        return convert_record({**position, "losses": losses}, cls, source)


@dataclass(frozen=True)
class ScoreRecord:
    """A line of scores.jsonl: the unsupervised score, the metrics behind it, and the alarms that it raised."""

    step: Count
    fraction: Annotated[float, Meta(gt=0, le=1e9)]
    """Share of the budget used."""
    score: Share
    metrics: Mapping[Direction, DirectionMetrics]
    alarms: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, table: Any, source: object = "scores.jsonl") -> ScoreRecord:
        """Return the record in a line; raise ``RecordError``, which names ``source`` and the field."""
        flat = convert_record(table, dict[str, Any], source)
        metrics: Table = {}
        for key, value in flat.items():
            for direction in DIRECTIONS:
                if key.startswith(f"{direction}_"):
                    metrics.setdefault(direction, {})[key.removeprefix(f"{direction}_")] = value
        return convert_record({**flat, "metrics": metrics}, cls, source)


# verdict.json and evaluation.json -----------------------------------------------------------------


@dataclass(frozen=True)
class DirectionMetrics:
    """Metrics of one direction, measured on training images."""

    round_trip: Number | None
    """Mean L1 between an image and its round trip, divided by that between two images of the domain.

    0 is perfect, 1 is no relation; ``None`` if the reverse direction is not trained.
    """
    diversity: Number
    """Mean distance between two translations divided by that between two real images: 0 is collapsed, 1 is ideal."""
    distribution: Number
    """Sliced Wasserstein distance to the real images: 0 is that of another real sample, 1 is that of the mean image."""
    change: Number
    """Mean L1 between an image and its translation, divided by that between two images of the domain: 0 is a copy."""
    discriminator_accuracy: Share
    """Share of (real, translated) pairs that the discriminator orders correctly: 0.5 is balance, 1 is domination."""

    @property
    def score(self) -> float:
        """Unsupervised score in [0, 1], higher is better: distribution, diversity and round trip, multiplied."""
        kept = max(0.0, 1 - (self.round_trip or 0.0))
        return max(0.0, 1 - self.distribution) * min(1.0, self.diversity) * kept


@dataclass(frozen=True)
class Agreement:
    """Shares of the images that independent runs translate in the same way, as means over runs and directions."""

    runs: Count
    """Reference runs compared with."""
    share: Share
    """Share without any symmetry, as in ``metrics.agreement``; chance is one over the number of images."""
    symmetry: str
    """The image symmetry under which they agree most."""
    share_under_symmetry: Share
    """Share after that symmetry is applied."""


@dataclass(frozen=True)
class Verdict:
    """A label, its reason, the score, and the metrics behind them."""

    label: Label
    reason: str
    score: Share
    """In [0, 1]: the score of the worse direction, times the agreement if reference runs are known."""
    metrics: Mapping[Direction, DirectionMetrics]
    agreement: Agreement | None = None
    held_out_anchors: Count | None = None
    """Number of known pairs that training did not use, if there are any."""
    anchors_found: Mapping[Direction, Share] | None = None
    """Share of them whose partner is nearer to their translation than every image of the probe."""
    steps: Count | None = None
    """Steps of the run when its budget was used; ``None`` in evaluations and in runs of version 0.1.0."""

    def to_dict(self) -> Table:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class ValueDescription:
    """How to read a value of an evaluation (``metrics.describe_values``)."""

    metric: str
    key: str
    label: str
    better: Literal["higher", "lower", "closer"]
    ideal: Number
    has_baselines: bool = False
    on_demand: bool = False


@dataclass(frozen=True)
class GivenEvidence:
    """Absolute paths of the evidence that an evaluation used."""

    pairs: tuple[str, ...] = ()
    azimuth: tuple[str, ...] = ()
    against: tuple[str, ...] = ()


AzimuthScores = Mapping[str, Number | tuple[Number, ...] | None]


@dataclass(frozen=True)
class Evaluation:
    """evaluation.json: the latest result of ``discogan evaluate``."""

    step: Count | None = None
    """The step of the checkpoint that was evaluated; ``None`` if an early version did not record it."""
    paired: bool = False
    images_a: Count = 0
    images_b: Count = 0
    run: str = ""
    values: tuple[ValueDescription, ...] | None = None
    """How to read the values; ``None`` for evaluations of version 0.1.0."""
    a_to_b: Mapping[str, Number | None] | None = None
    b_to_a: Mapping[str, Number | None] | None = None
    azimuth: Mapping[Direction, AzimuthScores] | None = None
    given: GivenEvidence | None = None
    left_out: Mapping[Literal["a", "b"], tuple[str, ...]] | None = None
    """Names of images of each domain without a partner of the same name."""
    verdict: Verdict | None = None

    def __post_init__(self) -> None:
        for direction, scores in (self.azimuth or {}).items():
            for key, value in scores.items():
                if isinstance(value, tuple) != (key in ("inputs", "outputs")):
                    raise ValueError(f"azimuth.{direction}.{key} is {value!r}")

    def to_dict(self) -> Table:
        """Plain values, without the keys that have no value."""
        return {key: value for key, value in asdict(self).items() if value is not None or key == "verdict"}


def with_current_keys(table: Any) -> Any:
    """Return the table of an earlier version with the keys of this one; other values unchanged."""
    if not isinstance(table, dict):
        return table
    current: Table = {}
    for key, value in table.items():
        if key == "accord":
            current["agreement"] = _agreement_of_0_1_0(value)
        else:
            current[RENAMED_KEYS.get(key, key)] = with_current_keys(value)
    return current


def _agreement_of_0_1_0(value: Any) -> Any:
    names = {"agreement": "share", "under_symmetry": "share_under_symmetry"}
    return {names.get(key, key): item for key, item in value.items()} if isinstance(value, dict) else value
