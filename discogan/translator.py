"""Translate images and files with a trained run."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Protocol, overload

import numpy as np
import torch
from PIL import Image

from discogan.checkpoints import load_model
from discogan.config import Config
from discogan.devices import own_state, pick_device
from discogan.directions import Direction, check_direction, opposite, source_domain
from discogan.errors import ConfigError, DataError, DiscoGANWarning
from discogan.files import atomic_path, explain_os_error
from discogan.images import (
    Fit,
    Pixels,
    Prepared,
    as_image,
    common_range,
    fit_image,
    from_pixels,
    prepare_pixels,
    unfit_image,
)
from discogan.images.inputs import input_files, target_paths
from discogan.model import TranslationModel
from discogan.onnx_model import OnnxModel

Picture = Image.Image | np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class FileResult:
    """The result of one input file: the path of its translation, or ``None`` and a problem."""

    source: Path
    target: Path | None
    problem: str = ""


class PixelModel(Protocol):
    """Translates pixels: the networks of a run (``TranslationModel``) or an exported file (``OnnxModel``)."""

    directions: tuple[Direction, ...]
    round_trip_directions: tuple[Direction, ...]

    def translate_pixels(self, pixels: Pixels, direction: str, batch_size: int = ...) -> Pixels:
        """Translate uint8 (N, H, W, C) to uint8 (N, H, W, C'), at the size that the model was trained on."""


class Translator:
    """Translates images with the networks of a run. ``discogan.load(RUN)`` returns one."""

    def __init__(self, model: PixelModel, config: Config) -> None:
        self.model = model
        self.config = config
        self._accelerator_lock = Lock()

    @classmethod
    def load(cls, run: str | Path, device: str = "auto") -> Translator:
        """Load the best checkpoint of a run, a checkpoint folder, or an exported ONNX file; raises ``RunError``."""
        if Path(run).suffix == ".onnx":
            exported = OnnxModel(Path(run))
            return cls(exported, exported.config)
        return cls(*load_model(run, pick_device(device)))

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The directions that the run trained."""
        return self.model.directions

    @property
    def round_trip_directions(self) -> tuple[Direction, ...]:
        """The directions whose round trip the run trained."""
        return self.model.round_trip_directions

    @property
    def on_accelerator(self) -> bool:
        """Whether the networks are on another device than the CPU."""
        return isinstance(self.model, TranslationModel) and next(self.model.parameters()).device.type != "cpu"

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
        """Translate one image or a list of images, of any size and mode; returns one image or a list.

        ``images`` are Pillow images, or uint8 RGB or grey arrays (H, W) or (H, W, 1, 3 or 4). ``direction`` is
        ``a_to_b`` or ``b_to_a``. With ``round_trip`` the translation is translated in the reverse direction as well.

        Results are square, at the run's size. With ``original_size`` they have the size of the input. If the run's fit
        is crop, they have the size of the central square, because the rest of the image is not translated.

        Raises ``DataError`` if a value is not an image, and ``ConfigError`` if the run does not know the direction.
        """
        checked = self._checked_direction(direction, round_trip)
        _check_batch_size(batch_size)
        if isinstance(images, Image.Image | np.ndarray):
            return self._translate([_opened(images)], checked, round_trip, original_size)[0]
        if isinstance(images, str | os.PathLike) or not isinstance(images, Sequence):
            _opened(images)
        results: list[Image.Image] = []
        for start in range(0, len(images), batch_size):
            batch = [_opened(image) for image in images[start : start + batch_size]]
            results += self._translate(batch, checked, round_trip, original_size)
        return results

    def translate_files(
        self,
        source: str | Path | Sequence[str | Path],
        out: str | Path,
        direction: str,
        *,
        round_trip: bool = False,
        original_size: bool = False,
        batch_size: int = 32,
        on_file: Callable[[int, int], None] | None = None,
    ) -> list[FileResult]:
        """Translate a file, a folder with its subfolders, the files of a glob, or several of them into PNG files.

        The files appear below ``out`` when they are complete. If ``out`` is a folder inside the source, the images in
        it are results of an earlier translation and are left out. A file that cannot be read or written is reported in
        its result, and the others are still translated. ``on_file`` is called with (files done, files in all). Raises
        ``DataError`` if there is nothing to translate, and ``ConfigError``.
        """
        checked = self._checked_direction(direction, round_trip)
        _check_batch_size(batch_size)
        files = input_files(source, without=Path(out))
        targets = target_paths(files, Path(out))
        if {os.path.realpath(path) for path in targets} & {os.path.realpath(path) for path, _ in files}:
            raise DataError(f"Results in {out} would overwrite their own inputs. Give another folder.")
        if targets != [Path(out)]:
            Path(out).mkdir(parents=True, exist_ok=True)  # One error for all results, if that is impossible.
        jobs = [(path, target) for (path, _), target in zip(files, targets, strict=True)]
        value_range = self._range_of_inputs([path for path, _ in files], checked)
        batches = [jobs[start : start + batch_size] for start in range(0, len(jobs), batch_size)]
        results: list[FileResult] = []
        # Each core reads, translates and writes its own batch: sharing a batch would cost waiting time.
        cores = torch.get_num_threads()
        workers = min(cores, len(batches))
        with own_state(threads=cores // workers), ThreadPoolExecutor(workers) as pool:
            translate = partial(
                self._translate_batch,
                direction=checked,
                round_trip=round_trip,
                original_size=original_size,
                value_range=value_range,
            )
            for batch_results in pool.map(translate, batches):
                results += batch_results
                if on_file:
                    on_file(len(results), len(files))
        return results

    def _translate_batch(
        self,
        jobs: Sequence[tuple[Path, Path]],
        direction: Direction,
        round_trip: bool,
        original_size: bool,
        value_range: str,
    ) -> list[FileResult]:
        """Read, translate and write some files, given as (source, target)."""
        prepared: dict[int, Prepared] = {}
        results: dict[int, FileResult] = {}
        for number, (source, _) in enumerate(jobs):
            try:
                prepared[number] = self.prepare(source, direction, value_range)
            except DataError as error:
                results[number] = FileResult(source, None, str(error))
        if prepared:
            pixels = self._run(list(prepared.values()), direction, round_trip)
            for (number, image), translated in zip(prepared.items(), pixels, strict=True):
                source, target = jobs[number]
                finished = self.finish(translated, image.size if original_size else None)
                results[number] = _write_result(finished, source, target)
        return [results[number] for number in range(len(jobs))]

    def _translate(
        self, images: Sequence[Image.Image], direction: Direction, round_trip: bool, original_size: bool
    ) -> list[Image.Image]:
        prepared = [self.prepare(image, direction) for image in images]
        pixels = self._run(prepared, direction, round_trip)
        sizes = [image.size if original_size else None for image in prepared]
        return [self.finish(image, size) for image, size in zip(pixels, sizes, strict=True)]

    def _run(self, images: Sequence[Prepared], direction: Direction, round_trip: bool) -> Pixels:
        pixels = np.stack([image.pixels for image in images])
        # A GPU gets one batch at a time: more would only need memory, and MPS does not support a second thread.
        with self._accelerator_lock if self.on_accelerator else nullcontext():
            return self.translate_pixels(pixels, direction, round_trip)

    def _checked_direction(self, direction: str, round_trip: bool) -> Direction:
        """Return the direction; raise ``ConfigError`` if the run's objective does not train it or its round trip."""
        checked = check_direction(direction)
        if isinstance(self.model, OnnxModel):
            return checked  # It raises its own error, which names the file.
        if checked not in self.model.directions:
            raise ConfigError(f"This run did not learn {checked}. Its objective trains the other direction only.")
        if round_trip and checked not in self.model.round_trip_directions:
            raise ConfigError("This run did not learn the reverse direction. Its objective trains one direction only.")
        return checked

    def _range_of_inputs(self, files: Sequence[Path], direction: Direction) -> str:
        """Return the value range of some inputs; a run that was trained on 8 bits decides it for all of them."""
        *_, value_range, max_pixels = self.preparation(direction)
        shared = common_range(files, max_pixels) if value_range == "auto" else None
        if shared is None:
            return value_range
        warnings.warn(f"The inputs have {shared[1]}.", DiscoGANWarning, stacklevel=3)
        return shared[0]

    def prepare(
        self, image: Path | bytes | Image.Image, direction: Direction, value_range: str | None = None
    ) -> Prepared:
        """Decode a file, its bytes or an image and fit it to the networks.

        ``value_range`` replaces that of the run for images of more than 8 bits.

        Raises ``DataError`` if it cannot be decoded, and ``TooLargeError`` if it has too many pixels.
        """
        channels, size, fit, background, own_range, max_pixels = self.preparation(direction)
        return prepare_pixels(image, channels, size, fit, background, value_range or own_range, max_pixels)

    def preparation(self, direction: Direction) -> tuple[int, int, Fit, str, str, int]:
        """Return the arguments of ``prepare_pixels`` for inputs of a direction."""
        data = self.config.data
        domain = source_domain(direction)
        channels = data.channels_of(domain)
        value_range = data.value_range_a if domain == "a" else data.value_range_b
        return channels, data.image_size, data.fit, data.background, value_range, round(data.max_megapixels * 1e6)

    def translate_pixels(self, pixels: Pixels, direction: Direction, round_trip: bool = False) -> Pixels:
        """Translate uint8 (N, H, W, C) at the run's size to uint8 (N, H, W, C'), or compute the round trips."""
        translated = self.model.translate_pixels(pixels, direction)
        return self.model.translate_pixels(translated, opposite(direction)) if round_trip else translated

    def finish(self, pixels: Pixels, size: tuple[int, int] | None) -> Image.Image:
        """Return a translation, uint8 (H, W, C), as an image, at the (width, height) of its input if that is given."""
        image = from_pixels(pixels)
        return unfit_image(image, size, self.config.data.fit) if size else image


def _opened(image: Any) -> Image.Image:
    """Return an image or an array as a Pillow image; raise ``DataError`` for a path or another value."""
    if isinstance(image, str | os.PathLike):
        raise DataError(
            f"{os.fspath(image)!r} is a path, not an image. Open it with PIL.Image.open, or use translate_files."
        )
    return as_image(image)


def _check_batch_size(batch_size: int) -> None:
    if batch_size < 1:
        raise ConfigError(f"The batch size must be at least 1, not {batch_size}.")


def _write_result(image: Image.Image, source: Path, target: Path) -> FileResult:
    """Write a translation; the result has a problem if that is impossible."""
    try:
        # Waiting for the disk is unnecessary, because the image can be translated again after a power failure.
        with atomic_path(target, durable=False) as temporary:
            image.save(temporary, "PNG")
    except OSError as error:
        return FileResult(source, None, explain_os_error(error))
    return FileResult(source, target)


def translate_chain(images: Sequence[Picture], steps: Sequence[tuple[Translator, str]]) -> list[list[Image.Image]]:
    """Apply several translations one after the other: the results of a step are the inputs of the next.

    One run in alternating directions shows what repeated application does (DiscoGAN section 4.3.1: A -> B -> A -> B).
    Two runs add a second change to the first. Returns the inputs as the first run sees them, then a list per step.
    """
    data = steps[0][0].config.data
    inputs = [fit_image(as_image(image).convert("RGB"), data.image_size, data.fit) for image in images]
    rows = [inputs]
    for translator, direction in steps:
        rows.append(translator.translate(rows[-1], direction))
    return rows
