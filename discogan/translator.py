"""A trained run as a function of images."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Protocol, overload

import numpy as np
from PIL import Image

from discogan.checkpoints import load_model
from discogan.config import Config
from discogan.devices import own_state, pick_device
from discogan.directions import Direction, check_direction, opposite, source_domain
from discogan.errors import ConfigError, DataError
from discogan.images import (
    SUFFIXES,
    Pixels,
    as_image,
    decode_image,
    fit_image,
    from_pixels,
    image_files,
    to_pixels,
    unfit_image,
)
from discogan.model import TranslationModel
from discogan.onnx_model import OnnxModel

Picture = Image.Image | np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class FileResult:
    """What became of one input file: where its translation lies, or why there is none."""

    source: Path
    target: Path | None
    problem: str = ""


@dataclass(frozen=True)
class Prepared:
    """An image as the networks take it, uint8 (H, W, C), and the (width, height) that it had."""

    pixels: Pixels
    size: tuple[int, int]


class PixelModel(Protocol):
    """Translates pixels: a run's networks (``TranslationModel``) or an exported file (``OnnxModel``)."""

    directions: tuple[Direction, ...]
    round_trip_directions: tuple[Direction, ...]

    def translate_pixels(self, pixels: Pixels, direction: str, batch_size: int = ...) -> Pixels:
        """uint8 (N, H, W, C) to uint8 (N, H, W, C'), of the size that the model was trained on."""


class Translator:
    """Translates images with a run's networks. ``discogan.load(RUN)`` makes one."""

    def __init__(self, model: PixelModel, config: Config) -> None:
        self.model = model
        self.config = config
        self._turn = Lock()

    @classmethod
    def load(cls, run: str | Path, device: str = "auto") -> Translator:
        """The best checkpoint of a run, a checkpoint folder, or an exported ONNX file; raises ``RunError``."""
        if Path(run).suffix == ".onnx":
            exported = OnnxModel(Path(run))
            return cls(exported, exported.config)
        return cls(*load_model(run, pick_device(device)))

    @overload
    def translate(
        self,
        images: Picture,
        direction: str,
        *,
        round_trip: bool = ...,
        original_size: bool = ...,
        batch_size: int = ...,
    ) -> Image.Image: ...
    @overload
    def translate(
        self,
        images: Sequence[Picture],
        direction: str,
        *,
        round_trip: bool = ...,
        original_size: bool = ...,
        batch_size: int = ...,
    ) -> list[Image.Image]: ...
    def translate(
        self,
        images: Picture | Sequence[Picture],
        direction: str,
        *,
        round_trip: bool = False,
        original_size: bool = False,
        batch_size: int = 32,
    ) -> Image.Image | list[Image.Image]:
        """Translate one image or a list, of any sizes and modes.

        ``images``: Pillow images, or uint8 arrays (H, W) or (H, W, 1, 3 or 4), RGB. ``direction``:
        ``a_to_b`` or ``b_to_a``. With ``round_trip`` the result is the way there and back. Results are
        square at the run's size, or with ``original_size`` at the input's; where the run's fit is crop, at that
        of the central square, for what was cut off has no translation. Raises ``DataError`` for
        anything that is not an image and ``ConfigError`` for another direction.
        """
        checked = self._checked_direction(direction, round_trip)
        if isinstance(images, Image.Image | np.ndarray):
            return self._translate([as_image(images)], checked, round_trip, original_size)[0]
        results: list[Image.Image] = []
        for start in range(0, len(images), batch_size):
            batch = [as_image(image) for image in images[start : start + batch_size]]
            results += self._translate(batch, checked, round_trip, original_size)
        return results

    def translate_files(
        self,
        source: str | Path,
        out: str | Path,
        direction: str,
        *,
        round_trip: bool = False,
        original_size: bool = False,
        batch_size: int = 32,
        on_file: Callable[[int, int], None] | None = None,
    ) -> list[FileResult]:
        """Translate a file, a folder (its tree is kept) or a glob into PNG files below ``out``.

        A broken file is reported in its result and does not stop the others. ``on_file`` is called with
        (files done, files in all). Raises ``DataError`` where there is nothing to translate.
        """
        checked = self._checked_direction(direction, round_trip)
        if batch_size < 1:
            raise ConfigError(f"The batch size must be at least 1, not {batch_size}.")
        files = input_files(source)
        targets = target_paths(files, Path(out))
        if {path.resolve() for path in targets} & {path.resolve() for path, _ in files}:
            raise DataError(f"Results in {out} would overwrite their own inputs; give another folder.")
        jobs = [(path, target) for (path, _), target in zip(files, targets, strict=True)]
        batches = [jobs[start : start + batch_size] for start in range(0, len(jobs), batch_size)]
        results: list[FileResult] = []
        # Each core takes a batch from its files to its files: cores that share a batch wait for one another.
        cores = os.cpu_count() or 1
        workers = min(cores, len(batches))
        with own_state(threads=cores // workers), ThreadPoolExecutor(workers) as pool:
            translate = partial(
                self._translate_batch, direction=checked, round_trip=round_trip, original_size=original_size
            )
            for done in pool.map(translate, batches):
                results += done
                if on_file:
                    on_file(len(results), len(files))
        return results

    def _translate_batch(
        self, jobs: Sequence[tuple[Path, Path]], direction: Direction, round_trip: bool, original_size: bool
    ) -> list[FileResult]:
        opened = [self._open(source, direction) for source, _ in jobs]
        good = [image for image in opened if isinstance(image, Prepared)]
        made = iter(self._run(good, direction, round_trip) if good else ())
        return [
            FileResult(source, None, image)
            if isinstance(image, str)
            else self._save(source, target, next(made), image.size if original_size else None)
            for (source, target), image in zip(jobs, opened, strict=True)
        ]

    def _open(self, path: Path, direction: Direction) -> Prepared | str:
        """The image as the networks take it, or the sentence that says why it cannot be read."""
        try:
            return self.prepare(path, direction)
        except DataError as error:
            return str(error)

    def _save(self, source: Path, target: Path, made: Pixels, size: tuple[int, int] | None) -> FileResult:
        target.parent.mkdir(parents=True, exist_ok=True)
        self.finish(made, size).save(target)
        return FileResult(source, target)

    def _translate(
        self, images: Sequence[Image.Image], direction: Direction, round_trip: bool, original_size: bool
    ) -> list[Image.Image]:
        prepared = [self.prepare(image, direction) for image in images]
        pixels = self._run(prepared, direction, round_trip)
        sizes = [image.size if original_size else None for image in prepared]
        return [self.finish(image, size) for image, size in zip(pixels, sizes, strict=True)]

    def _run(self, images: Sequence[Prepared], direction: Direction, round_trip: bool) -> Pixels:
        pixels = np.stack([image.pixels for image in images])
        # A GPU takes one batch at a time: more would only want memory, and Apple's bears no second thread.
        with self._turn if self.on_accelerator else nullcontext():
            return self.translate_pixels(pixels, direction, round_trip)

    def _checked_direction(self, direction: str, round_trip: bool) -> Direction:
        """Return the direction; raise ``ConfigError`` if the run's objective does not train it or its round trip."""
        checked = check_direction(direction)
        if isinstance(self.model, OnnxModel):
            return checked  # It raises an error of its own, which names the file.
        if checked not in self.model.directions:
            raise ConfigError(f"This run did not learn {checked}. Its objective trains the other direction only.")
        if round_trip and checked not in self.model.round_trip_directions:
            raise ConfigError("This run did not learn the reverse direction. Its objective trains one direction only.")
        return checked

    @property
    def on_accelerator(self) -> bool:
        """Whether it computes on something other than the CPU."""
        return isinstance(self.model, TranslationModel) and next(self.model.parameters()).device.type != "cpu"

    def prepare(self, image: Path | Image.Image, direction: Direction) -> Prepared:
        """A file or an image as the networks take it; raises ``DataError`` where it cannot be decoded."""
        data = self.config.data
        channels = data.channels_a if source_domain(direction) == "a" else data.channels_b
        upright = decode_image(image, channels, data.background)
        return Prepared(to_pixels(fit_image(upright, data.image_size, data.fit, data.background)), upright.size)

    def translate_pixels(self, pixels: Pixels, direction: Direction, round_trip: bool = False) -> Pixels:
        """uint8 (N, H, W, C) at the run's size to uint8 (N, H, W, C'), or with ``round_trip`` there and back."""
        translated = self.model.translate_pixels(pixels, direction)
        return self.model.translate_pixels(translated, opposite(direction)) if round_trip else translated

    def finish(self, pixels: Pixels, size: tuple[int, int] | None) -> Image.Image:
        """A translation, uint8 (H, W, C), as an image; at the (width, height) that its input had, where given."""
        image = from_pixels(pixels)
        return unfit_image(image, size, self.config.data.fit) if size else image


def translate_chain(images: Sequence[Picture], steps: Sequence[tuple[Translator, str]]) -> list[list[Image.Image]]:
    """Images through several translations in turn, each step's results the next one's inputs.

    One run there and back shows what repeated application does (DiscoGAN section 4.3.1: A -> B -> A -> B), two runs
    stack a second change on the first. A list for each step, after the one of the inputs as the first run sees them.
    """
    data = steps[0][0].config.data
    shown: list[Sequence[Picture]] = [
        [fit_image(as_image(image).convert("RGB"), data.image_size, data.fit) for image in images]
    ]
    for translator, direction in steps:
        shown.append(translator.translate(list(shown[-1]), direction))
    return [[as_image(image) for image in row] for row in shown]


def input_files(source: str | Path) -> list[tuple[Path, Path]]:
    """Image files of a file, folder or glob, each with the relative path its result is to have."""
    path = Path(source)
    if path.is_dir():
        files = [(file, file.relative_to(path)) for file in image_files(path)]
    elif path.is_file():
        files = [(path, Path(path.name))]
    else:
        found = [Path(name) for name in sorted(glob.glob(str(source), recursive=True))]
        images = [file for file in found if file.is_file() and file.suffix.lower() in SUFFIXES]
        root = Path(os.path.commonpath([file.parent for file in images])) if images else path
        files = [(file, file.relative_to(root)) for file in images]
    if not files and not path.exists() and not glob.has_magic(str(source)):
        raise DataError(f"{source} does not exist; give a file, a folder of images or a glob in quotes.")
    if not files:
        raise DataError(f"{source} names no image; give a file, a folder of images or a glob in quotes.")
    return files


def target_paths(files: Sequence[tuple[Path, Path]], out: Path) -> list[Path]:
    """Where each result goes: the same tree, as PNG; names that differ in suffix alone keep theirs in the name.

    One file may be given the name of its result, out.png.
    """
    if len(files) == 1 and out.suffix.lower() in SUFFIXES and not out.is_dir():
        if out.suffix.lower() != ".png":
            raise DataError(f"Results are PNG files; call it {out.with_suffix('.png')}, or give a folder.")
        return [out]
    plain = [relative.with_suffix("") for _, relative in files]
    # Some file systems know no case, so names that differ in it alone are one.
    taken = Counter(str(name).lower() for name in plain)
    targets = [
        out / (f"{relative}.png" if taken[str(name).lower()] > 1 else f"{name}.png")
        for name, (_, relative) in zip(plain, files, strict=True)
    ]
    [(most, count)] = Counter(targets).most_common(1)
    if count > 1:
        raise DataError(f"{count} inputs would be written to {most}; rename them, or translate them apart.")
    return targets
