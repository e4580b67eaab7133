"""A run's settings: dataclasses, TOML presets and ``GROUP.OPTION=VALUE`` overrides. Standard library only.

A configuration has seven option groups. ``data``, ``training`` and ``anchors`` are the dataclasses below. ``source``,
``generator``, ``discriminator`` and ``objective`` are tables: ``name`` picks a registered component, and the other
keys are that component's own options.

An option declares its type and its bounds where it is defined, and ``check_value`` checks both:

    width: Annotated[int, AtLeast(1)] = 64
    norm: Literal["batch", "instance", "none"] = "batch"
"""

import dataclasses
import math
import tomllib
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from discogan.errors import ConfigError, shown, unknown_choice
from discogan.names import absolute, expand_user, name_of

Table = dict[str, Any]
Kind = TypeVar("Kind")
MAX_NUMBER = 2**53
"""Largest whole number that an option may have: beyond it, JSON readers of other languages lose digits."""


# Types and bounds of an option --------------------------------------------------------------------


@dataclass(frozen=True)
class AtLeast:
    """The smallest value that a number may have."""

    limit: float

    def allows(self, value: float) -> bool:
        """Return whether ``value`` is within the bound."""
        return value >= self.limit

    def __str__(self) -> str:
        return f"at least {self.limit:g}"


@dataclass(frozen=True)
class Above:
    """A limit that a number must exceed."""

    limit: float

    def allows(self, value: float) -> bool:
        """Return whether ``value`` is within the bound."""
        return value > self.limit

    def __str__(self) -> str:
        return f"above {self.limit:g}"


@dataclass(frozen=True)
class AtMost:
    """The largest value that a number may have."""

    limit: float

    def allows(self, value: float) -> bool:
        """Return whether ``value`` is within the bound."""
        return value <= self.limit

    def __str__(self) -> str:
        return f"at most {self.limit:g}"


@dataclass(frozen=True)
class Below:
    """A limit that a number must not reach."""

    limit: float

    def allows(self, value: float) -> bool:
        """Return whether ``value`` is within the bound."""
        return value < self.limit

    def __str__(self) -> str:
        return f"below {self.limit:g}"


Bound = AtLeast | Above | AtMost | Below


def require(name: str, value: float, at_least: float, below: float = math.inf) -> None:
    """Raise ``ConfigError`` unless ``at_least <= value < below``; ``name`` says what the value is."""
    _require_within(name, value, [AtLeast(at_least), *([Below(below)] if below < math.inf else [])])


def _require_within(name: str, value: float, bounds: Sequence[Bound]) -> None:
    if not all(bound.allows(value) for bound in bounds):
        raise ConfigError(f"{name} must be {' and '.join(map(str, bounds))}, not {shown(value)}.")


KIND_NAMES = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "text"}
"""Types in the words of messages and of the documentation."""


def check_value(value: Any, hint: Any, name: str) -> Any:
    """Return ``value`` if its annotation allows it; an int becomes a float where only a float is allowed.

    ``hint`` may be a class, ``Literal``, a union of them, or ``Annotated`` with bounds. ``name`` appears in messages.
    Raises ``ConfigError`` for a wrong type, an unknown choice, NaN, infinity, or a value out of bounds.
    """
    bounds: list[Bound] = []
    if get_origin(hint) is Annotated:
        hint, *metadata = get_args(hint)
        bounds = [item for item in metadata if isinstance(item, Bound)]
    members = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    choices = [choice for member in members if get_origin(member) is Literal for choice in get_args(member)]
    # A generic type, such as list[str], is checked without its parameters.
    kinds = [get_origin(member) or member for member in members if get_origin(member) is not Literal]
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{name} must be a finite number, not {value}.")
    if isinstance(value, int) and abs(value) > MAX_NUMBER:
        raise ConfigError(f"{name} must be a number up to {MAX_NUMBER:,}, not {shown(value)}.")
    if isinstance(value, str) and "\0" in value:
        raise ConfigError(f"{name} must be text without NUL characters, not {shown(value)}.")
    if isinstance(value, int) and not isinstance(value, bool) and float in kinds and int not in kinds:
        value = float(value)
    if not any(_is_choice(value, choice) for choice in choices) and not any(_is_a(value, kind) for kind in kinds):
        named = [KIND_NAMES.get(kind.__name__, kind.__name__) for kind in kinds if kind is not type(None)]
        allowed = _either([*map(str, choices), *named])
        raise ConfigError(f"{name} must be {allowed}, not {shown(value)}.")
    if value is not None:
        _require_within(name, value, bounds)
    return value


def _require_plain(name: str, value: Any) -> None:
    """Raise ``ConfigError`` for a nested table, a huge number or text with NUL; no component has such an option."""
    items = value if isinstance(value, list) else [value]
    for item in items:
        is_number = (
            math.isfinite(item) if isinstance(item, float) else isinstance(item, int) and abs(item) <= MAX_NUMBER
        )
        is_text = isinstance(item, str) and "\0" not in item
        if not (item is None or is_number or is_text):
            raise ConfigError(f"{name} must be text, a list, or a number up to {MAX_NUMBER:,}, not {shown(value)}.")


def _is_choice(value: Any, choice: Any) -> bool:
    """Return whether the two are equal and of one type: 1, 1.0 and True differ."""
    return type(value) is type(choice) and value == choice


def _is_a(value: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _either(words: Sequence[str]) -> str:
    """Return ``a``, ``a or b``, or ``a, b or c``."""
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


class Options:
    """Base of the package's dataclasses of options: construction checks the type and the bounds of every field.

    A subclass with a ``__post_init__`` of its own calls ``super().__post_init__()`` first. Raises ``ConfigError``.
    """

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self), include_extras=True)
        for option in dataclasses.fields(self):  # type: ignore[arg-type]  # Its subclasses are dataclasses.
            if option.init:
                value = getattr(self, option.name)
                checked = check_value(value, hints[option.name], option.name)
                # Options are frozen; only an int that stands for a float changes.
                object.__setattr__(self, option.name, checked)


def make_options(kind: type[Kind], table: Mapping[str, Any], group: str) -> Kind:
    """Return ``kind(**table)`` after checking each name, type and bound.

    ``kind`` is a dataclass, with or without the base ``Options``. ``group`` is the option group's name in messages.
    Raises ``ConfigError``, with the choices if a name is unknown.
    """
    options = [option for option in dataclasses.fields(kind) if option.init]  # type: ignore[arg-type]
    names = [option.name for option in options]
    for name in table:
        if name not in names:
            raise unknown_choice(f"option of {group}", name, names)
    for option in options:
        has_default = option.default is not dataclasses.MISSING or option.default_factory is not dataclasses.MISSING
        if option.name not in table and not has_default:
            raise ConfigError(f"{group} needs {option.name}. Give it as --set {group}.{option.name}=...")
    hints = get_type_hints(kind, include_extras=True)
    return kind(**{name: check_value(value, hints[name], f"{group}.{name}") for name, value in table.items()})


# The option groups --------------------------------------------------------------------------------


@dataclass(frozen=True)
class DataOptions(Options):
    """How images are decoded and varied."""

    image_size: Literal[32, 64, 128, 256] = 64
    """Height and width in pixels: 32, 64, 128 or 256."""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """How an image becomes square: crop the longer side, pad the shorter one, or stretch."""
    channels_a: Literal["auto", 1, 3] = 3
    """Channels of domain A: 1 is grey, 3 is RGB; auto is 1 if every image of the domain is grey."""
    channels_b: Literal["auto", 1, 3] = 3
    """Channels of domain B: 1 is grey, 3 is RGB; auto is 1 if every image of the domain is grey."""
    value_range_a: str = "auto"
    """Values of black and white in images of A with more than 8 bits, such as 0:4095. The default decides by the values
    of all images, and image decides for each image alone. Set both domains with data.value_range."""
    value_range_b: str = "auto"
    """The same for domain B."""
    max_megapixels: Annotated[float, Above(0), AtMost(10_000)] = 100.0
    """Images with more pixels are not decoded. Decoding takes up to 17 MB of memory per megapixel."""
    background: str = "white"
    """The colour under transparent pixels and around padded images (a name or #rrggbb)."""
    flip: bool = False
    """Mirror half of the training images left to right."""
    limit: Annotated[int, AtLeast(0)] = 0
    """Use at most this many images of each domain, evenly spread over the folder; 0 uses all."""
    workers: Annotated[int, AtLeast(0)] = 0
    """Processes that decode images; 0 is one per core."""

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_value_range(self.value_range_a)
        parse_value_range(self.value_range_b)

    def channels_of(self, domain: str) -> int:
        """Return the channels of domain ``a`` or ``b``; auto is RGB until the images of the domain are known."""
        channels = self.channels_a if domain == "a" else self.channels_b
        return 3 if channels == "auto" else channels


@dataclass(frozen=True)
class TrainingOptions(Options):
    """Options of the training loop. The losses are options of the objective."""

    steps: Annotated[int | None, AtLeast(1)] = None
    """Stop after this many optimiser steps."""
    minutes: Annotated[float | None, Above(0)] = None
    """Stop after this many minutes of training, over all sessions; preparing the data does not count."""
    batch_size: Annotated[int, AtLeast(1)] = 64
    """Images of each domain in a step. A resumed run with another batch size sees the images in another order."""
    learning_rate: Annotated[float, AtLeast(0)] = 2e-4
    """Adam's learning rate, for generators and discriminators."""
    decay_steps: Annotated[int, AtLeast(0)] = 0
    """Multiply the learning rate by (1 + step / decay_steps)^(-1/2); 0 keeps it constant."""
    beta1: Annotated[float, AtLeast(0), Below(1)] = 0.5
    """Adam's decay rate of the first moment."""
    beta2: Annotated[float, AtLeast(0), Below(1)] = 0.999
    """Adam's decay rate of the second moment."""
    weight_decay: Annotated[float, AtLeast(0)] = 0.0
    """Adam's L2 penalty."""
    ema_decay: Annotated[float, AtLeast(0), Below(1)] = 0.0
    """Decay per step of the averaged generators, which all other commands use; 0 uses the trained generators."""
    precision: Literal["auto", "float32", "bf16"] = "auto"
    """bf16 multiplies in bfloat16 and keeps weights in float32; auto uses it if the processor supports it."""
    device: str = "auto"
    """auto picks CUDA, then Apple's MPS, then the CPU; or a device's name, such as cuda:1."""
    memory_format: Literal["auto", "channels_last", "contiguous"] = "auto"
    """Memory layout of images and weights; auto is channels_last on CUDA, and on CPUs without an instance norm."""
    threads: Annotated[int, AtLeast(0)] = 0
    """CPU threads; 0 is PyTorch's own choice."""
    clock: Literal["wall", "processor"] = "wall"
    """How minutes are measured. processor divides this process's CPU time by its threads, for comparisons on a busy
    machine."""
    log_every_steps: Annotated[int, AtLeast(1)] = 25
    """Steps between two records of metrics.jsonl, each with a check for NaN and infinity."""
    sample_every_steps: Annotated[int, AtLeast(1)] = 500
    """Steps between two sample sheets."""
    checkpoint_every_steps: Annotated[int, AtLeast(1)] = 500
    """Steps between two checkpoints."""
    keep_checkpoints: Annotated[int, AtLeast(1)] = 3
    """How many of the newest checkpoints are kept."""
    score_every_steps: Annotated[int, AtLeast(1)] = 100
    """Steps between two measurements of the unsupervised score; each takes about as long as two steps."""
    stop_when_stalled: bool = False
    """Stop if neither the score nor the round trips improved during two fifths of the budget."""
    seeds_tried: Annotated[int, AtLeast(1)] = 1
    """Seeds that share the budget; the best by the unsupervised score continues alone."""


@dataclass(frozen=True)
class AnchorOptions(Options):
    """A few known pairs, used in addition to the unpaired images."""

    file: str = ""
    """A CSV file with the columns path_a,path_b; empty for no anchors."""
    weight: Annotated[float, AtLeast(0)] = 10.0
    """Weight of the L1 distance between an anchor's translation and its partner, in each direction."""
    batch_size: Annotated[int, AtLeast(1)] = 4
    """Anchors in a step. Each takes as much time as another image."""
    held_out_share: Annotated[float, AtLeast(0), Below(1)] = 0.2
    """Share of the pairs, rounded down, that training does not see; they check the learned relation."""


SMALLEST_DISTANCE = 1e-30
"""The two numbers of a value range differ by more than this."""


def parse_value_range(text: str) -> tuple[float, float] | None:
    """Return the two numbers of ``LOW:HIGH``, or ``None`` for ``auto`` and ``image``; raise ``ConfigError``."""
    if text in ("auto", "image"):
        return None
    low, _, high = text.partition(":")
    try:
        limits = float(low), float(high)
    except ValueError:
        limits = math.nan, math.nan
    distance = limits[1] - limits[0]
    # The comparisons are false for NaN, and the smallest normal number keeps the division by the distance finite.
    if SMALLEST_DISTANCE < distance < math.inf:
        return limits
    raise ConfigError(f"A value range must be auto, image, or LOW:HIGH such as 0:4095, not {shown(text)}.")


RENAMED_OPTIONS = {("training", "starts"): "seeds_tried"}
"""Group and name of options that version 0.1.0 called otherwise, and their present names."""


SHORTHANDS = {("data", "value_range"): ("value_range_a", "value_range_b")}
"""Group and name that ``--set`` takes for several options, and the options."""


def _with_current_name(group: str, option: str) -> str:
    return RENAMED_OPTIONS.get((group, option), option)


@dataclass(frozen=True)
class Config(Options):
    """All settings of a run."""

    preset: str
    seed: Annotated[int, AtLeast(0)] = 0
    data: DataOptions = field(default_factory=DataOptions)
    training: TrainingOptions = field(default_factory=TrainingOptions)
    anchors: AnchorOptions = field(default_factory=AnchorOptions)
    source: Table = field(default_factory=lambda: {"name": "folders"})
    generator: Table = field(default_factory=lambda: {"name": "convolutional"})
    discriminator: Table = field(default_factory=lambda: {"name": "convolutional"})
    objective: Table = field(default_factory=lambda: {"name": "modern"})

    def __post_init__(self) -> None:
        super().__post_init__()
        for group in COMPONENT_GROUPS:
            table = getattr(self, group)
            if not isinstance(table.get("name"), str):
                raise ConfigError(f"{group} needs the name of a component. Give it as --set {group}.name=...")
            for option, value in table.items():
                _require_plain(f"{group}.{option}", value)

    def to_dict(self) -> Table:
        """Return plain values for JSON; ``from_dict`` is the inverse."""
        return dataclasses.asdict(self)

    def portable(self) -> "Config":
        """Return the same configuration without this machine's folders."""
        return replace(self, source={"name": "folders"}, anchors=replace(self.anchors, file=""))

    @property
    def knows_its_images(self) -> bool:
        """Whether the source names the image folders; that of a ``portable`` configuration does not."""
        return self.source != {"name": "folders"}

    def flat(self) -> Table:
        """Return every setting by its ``GROUP.OPTION`` name, as ``--set`` takes it, besides ``preset`` and ``seed``."""
        settings: Table = {}
        for name, value in self.to_dict().items():
            if isinstance(value, dict):
                settings.update({f"{name}.{option}": chosen for option, chosen in value.items()})
            else:
                settings[name] = value
        return settings

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> "Config":
        """Return the configuration that ``to_dict`` gave, in this version or an earlier one; raise ``ConfigError``."""
        names = [group.name for group in dataclasses.fields(cls)]
        for name, value in table.items():
            if name not in names:
                raise unknown_choice("option group", name, names)
            if name in GROUPS and not isinstance(value, Mapping):
                raise ConfigError(f"{name} must be a table of options, not {shown(value)}.")
        if "preset" not in table:
            raise ConfigError("preset is missing. It names the preset that the settings began with.")
        groups = dict(table)
        for name, kind in (("data", DataOptions), ("training", TrainingOptions), ("anchors", AnchorOptions)):
            options = {_with_current_name(name, option): value for option, value in table.get(name, {}).items()}
            groups[name] = make_options(kind, options, name)
        return cls(**groups)


COMPONENT_GROUPS = ("source", "generator", "discriminator", "objective")
"""The option groups of components, whose options the components check when they are built."""
GROUPS = tuple(option.name for option in dataclasses.fields(Config) if option.name not in ("preset", "seed"))
"""The option groups, as ``--set`` takes them."""


# Presets and overrides ----------------------------------------------------------------------------


def preset_names() -> list[str]:
    """Return the names of the presets in this package, sorted."""
    folder = resources.files("discogan") / "presets"
    return sorted(path.name.removesuffix(".toml") for path in folder.iterdir() if path.name.endswith(".toml"))


DESCRIPTION_KEYS = ("summary", "download", "layout")
"""Keys of a preset besides its settings: a one-line summary, where to get its data set, and how the folder looks."""


def read_preset(name: str) -> Table:
    """Return the preset's TOML as a table, merged onto its ``base`` preset; raise ``ConfigError`` with the choices."""
    if name not in preset_names():
        raise unknown_choice("preset", name, preset_names())
    table = tomllib.loads((resources.files("discogan") / "presets" / f"{name}.toml").read_text("utf-8"))
    if "base" not in table:
        return table
    description = {key: table.pop(key) for key in DESCRIPTION_KEYS if key in table}
    base = {key: value for key, value in read_preset(table.pop("base")).items() if key not in DESCRIPTION_KEYS}
    return {**_merge(base, table), **description}


def load_config(
    preset: str, *, image_size: int = 64, seed: int = 0, settings: Sequence[str] = (), **training: Any
) -> Config:
    """Return the preset at ``image_size``, changed by ``training`` options that are not None, then by ``settings``.

    A budget in ``training`` (steps or minutes) replaces both budgets of the preset. ``settings`` are
    ``GROUP.OPTION=VALUE`` strings with the value in TOML; a bare word is a string. The ``[at.SIZE]`` tables of a preset
    apply at that image size. Raises ``ConfigError``.
    """
    table = read_preset(preset)
    for key in DESCRIPTION_KEYS:
        table.pop(key, None)
    at_size = table.pop("at", {}).get(str(image_size), {})
    table = _merge({"source": {"name": "folders"}}, table, at_size, {"data": {"image_size": image_size}})
    given = {key: value for key, value in training.items() if value is not None}
    if given.keys() & {"steps", "minutes"}:
        given = {"steps": None, "minutes": None, **given}
    table = _merge(table, {"training": given})
    # Setting a name drops the options of the former component, so names come first in any order of the flags.
    for setting in sorted(settings, key=lambda text: not text.partition("=")[0].strip().endswith(".name")):
        if setting.startswith("data.image_size"):
            raise ConfigError(
                "--set data.image_size is not possible, because the image size also decides other settings. "
                "Give it as --image-size."
            )
        table = _merge(table, parse_setting(setting))
    return Config.from_dict({**table, "preset": preset, "seed": seed})


PATH_OPTIONS = {("source", "a"), ("source", "b"), ("source", "root"), ("anchors", "file")}
"""Options that hold a path."""


def split_setting(setting: str) -> tuple[str, str, Any]:
    """Split ``GROUP.OPTION=VALUE``; the value is TOML, and a bare word is a string. Raises ``ConfigError``."""
    path, equals, text = setting.partition("=")
    group, dot, option = path.strip().partition(".")
    if not (equals and dot and option):
        raise ConfigError(f"--set needs GROUP.OPTION=VALUE, such as training.batch_size=32, not {shown(setting)}.")
    try:
        parsed = tomllib.loads(f"value = {text}")
        return group, option, parsed["value"] if parsed.keys() == {"value"} else text
    except tomllib.TOMLDecodeError:
        return group, option, text
    except (RecursionError, ValueError) as error:
        raise ConfigError(f"The value of {shown(f'{group}.{option}')} is too large: {shown(text)}.") from error


def parse_setting(setting: str) -> Table:
    """Return the setting of a configuration as a nested table; raise ``ConfigError`` if there is no such group."""
    group, option, value = split_setting(setting)
    if group not in GROUPS:
        raise unknown_choice("option group", group, GROUPS)
    if (group, option) in PATH_OPTIONS and isinstance(value, str) and value:
        if "\0" in value:
            raise ConfigError(f"{group}.{option} must be a path, not {shown(value)}.")
        # Absolute, so that the run can be resumed from any folder.
        value = name_of(absolute(expand_user(value)))
    options = SHORTHANDS.get((group, option), (_with_current_name(group, option),))
    return {group: dict.fromkeys(options, value)}


def change_training(
    config: Config, steps: int | None = None, minutes: float | None = None, settings: Sequence[str] = ()
) -> Config:
    """Return the configuration of a resumed run, with another budget or other ``training`` and ``source`` options.

    ``source`` may change because images may be moved. Raises ``ConfigError`` for any other option group, because the
    networks, losses and images of a run stay the same.
    """
    options: Table = {"training": dataclasses.asdict(config.training), "source": config.source}
    if steps is not None or minutes is not None:
        options = _merge(options, {"training": {"steps": steps, "minutes": minutes}})
    for setting in settings:
        change = parse_setting(setting)
        if not change.keys() <= options.keys():
            raise ConfigError(f"A resumed run can change only training and source options, not {shown(setting)}.")
        options = _merge(options, change)
    training = make_options(TrainingOptions, options["training"], "training")
    return replace(config, training=training, source=options["source"])


def _merge(*tables: Mapping[str, Any]) -> Table:
    """Return tables of tables merged, with later ones on top.

    A group with another ``name`` replaces the group before it, because a component has its own options.
    """
    merged: Table = {}
    for table in tables:
        for group, options in table.items():
            before = merged.get(group, {})
            renamed = "name" in options and options["name"] != before.get("name", options["name"])
            merged[group] = dict(options) if renamed else {**before, **options}
    return merged
