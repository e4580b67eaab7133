"""A run's settings: dataclasses, TOML presets and ``part.option=value`` overrides. Standard library only.

A configuration has seven parts. ``data``, ``training`` and ``anchors`` are the dataclasses below; ``source``,
``generator``, ``discriminator`` and ``objective`` are tables whose ``name`` picks a registered part
and whose other keys are that part's own options.
"""

import dataclasses
import math
import tomllib
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from discogan.errors import ConfigError, unknown_choice

Table = dict[str, Any]
Options = TypeVar("Options")


def require(what: str, value: float, at_least: float, below: float = math.inf) -> None:
    """Raises ``ConfigError`` unless ``at_least <= value < below``."""
    if not at_least <= value < below:
        limit = f" and below {below:g}" if below < math.inf else ""
        raise ConfigError(f"{what} must be at least {at_least:g}{limit}, not {value}.")


@dataclass(frozen=True)
class DataOptions:
    """How images become arrays, and how they are varied."""

    image_size: int = 64
    """Height and width in pixels: 32, 64, 128 or 256."""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """What makes an image square: cut the longer side, fill the shorter one, or ignore the aspect."""
    channels_a: Literal[1, 3] = 3
    """Channels of domain A: 1 is grey, 3 is RGB."""
    channels_b: Literal[1, 3] = 3
    """Channels of domain B."""
    background: str = "white"
    """The colour under transparent pixels and around padded images (a name or #rrggbb)."""
    flip: bool = False
    """Mirror half of the training images left to right."""
    limit: int = 0
    """Train on so many images of each domain at most, evenly spread over the folder; 0 is all."""
    workers: int = 0
    """Processes that decode; 0 is one per core."""

    def __post_init__(self) -> None:
        if self.image_size not in (32, 64, 128, 256):
            raise ConfigError(f"image_size must be 32, 64, 128 or 256, not {self.image_size}.")
        require("data.workers", self.workers, at_least=0)
        require("data.limit", self.limit, at_least=0)


@dataclass(frozen=True)
class TrainingOptions:
    """The training loop's own options; what the losses are belongs to the objective."""

    steps: int | None = None
    """Stop after this many optimiser steps."""
    minutes: float | None = None
    """Stop after this much training time, resumed time included; preparing the data does not count."""
    batch_size: int = 64
    """Images of each domain in a step; another size in a resumed run is another order of the images."""
    learning_rate: float = 2e-4
    """Adam's step size, for both optimisers."""
    decay_steps: int = 0
    """The step size falls as (1 + step / decay_steps)^(-1/2), whatever the budget; 0 keeps it."""
    beta1: float = 0.5
    """Adam's decay of the first moment."""
    beta2: float = 0.999
    """Adam's decay of the second moment."""
    weight_decay: float = 0.0
    """Adam's L2 penalty."""
    ema_decay: float = 0.0
    """Decay of the averaged generators that are used outside training; 0 uses the trained ones."""
    precision: Literal["auto", "float32", "bf16"] = "auto"
    """bf16 multiplies in bfloat16 and keeps weights in float32; auto takes it where the processor has it."""
    device: str = "auto"
    """auto takes CUDA, then Apple's MPS, then the CPU; or a device's name, as cuda:1."""
    memory_format: Literal["auto", "channels_last", "contiguous"] = "auto"
    """Order of images and weights in memory; auto is channels_last on CPUs and CUDA, where convolutions like it."""
    threads: int = 0
    """CPU threads; 0 leaves PyTorch's own choice."""
    clock: Literal["wall", "processor"] = "wall"
    """What minutes are: time on the wall, or processor time of this process over its threads, which other work on
    the machine does not shorten (for comparisons on a CPU)."""
    log_every_steps: int = 25
    """How often losses are written to metrics.jsonl and checked for NaN and infinity."""
    sample_every_steps: int = 500
    """How often a sheet of samples is drawn."""
    checkpoint_every_steps: int = 500
    """How often a checkpoint is written."""
    keep_checkpoints: int = 3
    """How many of the newest checkpoints are kept."""
    score_every_steps: int = 100
    """How often the run is scored without pairs, for best/ and the alarms; it costs about two steps."""
    stop_when_stalled: bool = False
    """Stop once neither score nor round trips have got better for two fifths of the budget."""
    seeds_tried: int = 1
    """Seeds that share the budget; the best by the unsupervised score continues alone."""

    def __post_init__(self) -> None:
        for name in (
            "batch_size",
            "log_every_steps",
            "sample_every_steps",
            "checkpoint_every_steps",
            "keep_checkpoints",
            "score_every_steps",
            "seeds_tried",
        ):
            require(f"training.{name}", getattr(self, name), at_least=1)
        require("training.learning_rate", self.learning_rate, at_least=0)
        require("training.decay_steps", self.decay_steps, at_least=0)
        require("training.weight_decay", self.weight_decay, at_least=0)
        require("training.threads", self.threads, at_least=0)
        for name in ("beta1", "beta2", "ema_decay"):
            require(f"training.{name}", getattr(self, name), at_least=0, below=1)
        if (self.steps is not None and self.steps < 1) or (self.minutes is not None and self.minutes <= 0):
            raise ConfigError("The budget must be positive: give --steps N or --minutes M above zero.")


@dataclass(frozen=True)
class AnchorOptions:
    """A few pairs that are known, beside the unpaired images."""

    file: str = ""
    """A CSV file with the columns path_a,path_b; none unless given."""
    weight: float = 10.0
    """Weight of the L1 between the translation of an anchor and its partner, in each direction."""
    batch_size: int = 4
    """Anchors in a step; few, for they cost as much as other images."""
    held_out_share: float = 0.2
    """Share of the pairs, rounded down, that training does not see and the relation is checked with."""

    def __post_init__(self) -> None:
        require("anchors.weight", self.weight, at_least=0)
        require("anchors.batch_size", self.batch_size, at_least=1)
        require("anchors.held_out_share", self.held_out_share, at_least=0, below=1)


@dataclass(frozen=True)
class Config:
    """Everything a run is made from."""

    preset: str
    seed: int = 0
    data: DataOptions = field(default_factory=DataOptions)
    training: TrainingOptions = field(default_factory=TrainingOptions)
    anchors: AnchorOptions = field(default_factory=AnchorOptions)
    source: Table = field(default_factory=lambda: {"name": "folders"})
    generator: Table = field(default_factory=lambda: {"name": "convolutional"})
    discriminator: Table = field(default_factory=lambda: {"name": "convolutional"})
    objective: Table = field(default_factory=lambda: {"name": "modern"})

    def __post_init__(self) -> None:
        require("seed", self.seed, at_least=0)

    def to_dict(self) -> Table:
        """Plain values for JSON; ``from_dict`` is its inverse."""
        return dataclasses.asdict(self)

    def portable(self) -> "Config":
        """The same without the folders of this machine, for files that go elsewhere."""
        return replace(self, source={"name": "folders"}, anchors=replace(self.anchors, file=""))

    @property
    def knows_its_images(self) -> bool:
        """Whether the source says where the images are; a ``portable`` one does not."""
        return self.source != {"name": "folders"}

    def flat(self) -> Table:
        """Every setting by its ``part.option`` name, as ``--set`` takes it; ``preset`` and ``seed`` by their own."""
        return {
            name if option is None else f"{name}.{option}": value
            for name, part in self.to_dict().items()
            for option, value in (part.items() if isinstance(part, dict) else [(None, part)])
        }

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> "Config":
        """A configuration from ``to_dict``'s values; raises ``ConfigError`` for what does not fit."""
        parts = dict(table)
        parts["data"] = make_options(DataOptions, parts.get("data", {}), "data")
        parts["training"] = make_options(TrainingOptions, parts.get("training", {}), "training")
        parts["anchors"] = make_options(AnchorOptions, parts.get("anchors", {}), "anchors")
        unknown = set(parts) - {part.name for part in dataclasses.fields(cls)}
        if unknown:
            raise unknown_choice("part", min(unknown), (part.name for part in dataclasses.fields(cls)))
        return cls(**parts)


def preset_names() -> list[str]:
    """The names of the shipped presets, sorted."""
    folder = resources.files("discogan") / "presets"
    return sorted(path.name.removesuffix(".toml") for path in folder.iterdir() if path.name.endswith(".toml"))


ABOUT = ("summary", "download", "layout")
"""What a preset says of itself: one line; and of a data set, where people get it and how its folder looks."""


def read_preset(name: str) -> Table:
    """The preset's TOML as a table, laid over its ``base`` preset; raises ``ConfigError`` naming the choices."""
    if name not in preset_names():
        raise unknown_choice("preset", name, preset_names())
    table = tomllib.loads((resources.files("discogan") / "presets" / f"{name}.toml").read_text("utf-8"))
    if "base" not in table:
        return table
    about = {key: table.pop(key) for key in ABOUT if key in table}
    base = read_preset(table.pop("base"))
    return {**_merge({key: value for key, value in base.items() if key not in ABOUT}, table), **about}


def load_config(
    preset: str, *, image_size: int = 64, seed: int = 0, settings: Sequence[str] = (), **training: Any
) -> Config:
    """The preset at ``image_size``, then ``training`` options that are not None, then ``settings``.

    A budget in ``training`` (steps or minutes) replaces the preset's, of either kind.
    ``settings`` are ``part.option=value`` strings, the value in TOML (a bare word is a string). A
    preset's ``[at.SIZE]`` tables apply at that image size.
    """
    table = read_preset(preset)
    for key in ABOUT:
        table.pop(key, None)
    at_size = table.pop("at", {}).get(str(image_size), {})
    table = _merge({"source": {"name": "folders"}}, table, at_size, {"data": {"image_size": image_size}})
    given = {key: value for key, value in training.items() if value is not None}
    if given.keys() & {"steps", "minutes"}:
        given = {"steps": None, "minutes": None, **given}
    table = _merge(table, {"training": given})
    for setting in sorted(settings, key=_names_no_part):
        if setting.startswith("data.image_size"):
            raise ConfigError("The image size decides other settings as well; give it as --image-size.")
        table = _merge(table, parse_setting(setting))
    return Config.from_dict({**table, "preset": preset, "seed": seed})


def _names_no_part(setting: str) -> bool:
    """Another name starts a part from its own options, so names go first, wherever they were given."""
    return not setting.partition("=")[0].strip().endswith(".name")


def parse_setting(setting: str) -> Table:
    """``part.option=value`` as a nested table; raises ``ConfigError`` when it is not of that form."""
    path, equals, text = setting.partition("=")
    part, dot, option = path.strip().partition(".")
    parts = [part.name for part in dataclasses.fields(Config) if part.name not in ("preset", "seed")]
    if not (equals and dot and option):
        raise ConfigError(f"--set takes part.option=value, as training.batch_size=32, not {setting!r}.")
    if part not in parts:
        raise unknown_choice("part", part, parts)
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    return {part: {option: value}}


def make_options(kind: type[Options], table: Mapping[str, Any], part: str) -> Options:
    """``kind(**table)`` after checking each name and type; raises ``ConfigError`` naming the choices."""
    hints = get_type_hints(kind)
    names = [option.name for option in dataclasses.fields(kind) if option.init]  # type: ignore[arg-type]
    for name in table:
        if name not in names:
            raise unknown_choice(f"option of {part}", name, names)
    missing = [
        option.name
        for option in dataclasses.fields(kind)  # type: ignore[arg-type]
        if option.init and option.name not in table and option.default is option.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{part} needs {missing[0]}: give it as --set {part}.{missing[0]}=...")
    return kind(**{name: _checked(value, hints[name], f"{part}.{name}") for name, value in table.items()})


def change_training(
    config: Config, steps: int | None = None, minutes: float | None = None, settings: Sequence[str] = ()
) -> Config:
    """The configuration with another budget, where one is given, and other ``training`` and ``source`` options.

    ``source`` may change because images may be moved. What the networks, losses and images are stays as it
    was: raises ``ConfigError`` for another part.
    """
    options: Table = {"training": dataclasses.asdict(config.training), "source": config.source}
    if steps is not None or minutes is not None:
        options = _merge(options, {"training": {"steps": steps, "minutes": minutes}})
    for setting in settings:
        change = parse_setting(setting)
        if not change.keys() <= options.keys():
            raise ConfigError(
                f"A run goes on as it is; only training and source options can be changed, not {setting}."
            )
        options = _merge(options, change)
    training = make_options(TrainingOptions, options["training"], "training")
    return replace(config, training=training, source=options["source"])


def _checked(value: Any, hint: Any, where: str) -> Any:
    """``value`` where it is of the annotated type (whole numbers also count as real ones)."""
    if get_origin(hint) is Literal:
        if not any(type(value) is type(choice) and value == choice for choice in get_args(hint)):
            raise ConfigError(f"{where} must be one of {', '.join(map(str, get_args(hint)))}, not {value!r}.")
        return value
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if float in kinds and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{where} must be a finite number, not {value}.")
    if not any(type(value) is kind for kind in kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds if kind is not type(None))
        raise ConfigError(f"{where} must be {wanted}, not {value!r}.")
    return value


def _merge(*tables: Mapping[str, Any]) -> Table:
    """Tables of tables laid over each other, later ones on top.

    A part given under another ``name`` replaces the part before it: its options were the other's.
    """
    merged: Table = {}
    for table in tables:
        for part, options in table.items():
            before = merged.get(part, {})
            renamed = "name" in options and options["name"] != before.get("name", options["name"])
            merged[part] = dict(options) if renamed else {**before, **options}
    return merged
