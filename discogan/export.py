"""One direction of a run as a file that runs without this package: ONNX, or PyTorch's own exported program."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from discogan import version
from discogan.checkpoints import load_model
from discogan.config import Config
from discogan.data.domains import open_domains, open_folder
from discogan.directions import Direction, check_direction, source_and_target, source_domain
from discogan.errors import ConfigError, DataError, RunError
from discogan.extras import import_extra
from discogan.images import PixelRange, Pixels, evenly_spaced
from discogan.model import TranslationModel
from discogan.onnx_model import METADATA, OnnxModel

Format = Literal["onnx", "torch"]
PixelKind = Literal["uint8", "float"]
CHECKED = 64
"""Images that an exported file is compared with PyTorch on."""
TOLERANCE = 2.0
"""Levels of 255 that it may be off: the two round and sum in another order."""
Batch = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Exported:
    """What was written, and how near it comes to PyTorch."""

    file: Path
    largest_difference: float
    """In levels of 255, over all pixels of ``images`` real images."""
    images: int


class Uint8Generator(nn.Module):
    """A generator with the way from pixels and back inside: uint8 (N, H, W, C) to uint8 (N, H, W, C')."""

    def __init__(self, generator: nn.Module, pixel_range: PixelRange) -> None:
        super().__init__()
        self.generator, self.pixel_range = generator, pixel_range

    def forward(self, pixels: Tensor) -> Tensor:
        return self.pixel_range.decode(self.generator(self.pixel_range.encode(pixels)))


def export(
    run: str | Path,
    direction: str,
    file: str | Path,
    *,
    format: Format = "onnx",
    pixels: PixelKind = "uint8",
    images: str | Path | None = None,
) -> Exported:
    """Write one direction of a run to ``file`` and compare it with PyTorch on real images.

    ``pixels`` is what the file takes and gives, any number at a time: ``uint8`` (N, H, W, C) in [0, 255], or ``float``,
    float32 (N, C, H, W) in the range that the networks use ([-1, 1] for tanh, [0, 1] for sigmoid). Images must be of
    the run's size. ``images`` is the folder to compare on, by default what the run trains on. Raises ``ConfigError``,
    ``DataError``, ``RunError`` where the two differ by more than two levels of 255.
    """
    direction = check_direction(direction)
    if pixels not in ("uint8", "float"):
        raise ConfigError(f"Pixels are uint8 or float, not {pixels}.")
    file = _checked_name(Path(file), format)
    model, config = load_model(run, torch.device("cpu"))
    if direction not in model.directions:
        raise ConfigError(f"{run} did not learn {direction}. Its objective trains the other direction only.")
    real = real_images(config, direction, Path(images) if images else None)
    generator = model.generator(direction)
    network = Uint8Generator(generator, model.pixel_range).eval() if pixels == "uint8" else generator
    two = torch.from_numpy(real[:1].repeat(2, 0))  # A batch of one would be taken for a constant.
    sample = two if pixels == "uint8" else model.pixel_range.encode(two)
    file.parent.mkdir(parents=True, exist_ok=True)
    unchecked = file.with_name(f".unchecked-{file.name}")
    with _quiet_exporter():
        shapes = ({0: torch.export.Dim("batch")},)
        program = torch.export.export(network, (sample,), dynamic_shapes=shapes, strict=False)
        if format == "onnx":
            _write_onnx(program, unchecked, describe(model, config, direction, pixels))
        else:
            torch.export.save(program, unchecked)
    largest = _largest_difference(_runner(unchecked, format), network, model.pixel_range, real, pixels)
    if largest > TOLERANCE:
        unchecked.unlink()
        raise RunError(f"The file differs from PyTorch by up to {largest:.1f} of 255 levels; {file} was not written.")
    unchecked.replace(file)
    return Exported(file, largest, len(real))


def _checked_name(file: Path, format: str) -> Path:
    suffixes = {"onnx": ".onnx", "torch": ".pt2"}
    if format not in suffixes:
        raise ConfigError(f"The format is onnx or torch, not {format}.")
    if file.suffix != suffixes[format]:
        raise ConfigError(f"The file must end in {suffixes[format]}, not {file.name}: those that read it go by that.")
    return file


def real_images(config: Config, direction: Direction, folder: Path | None) -> Pixels:
    """Some images of the domain that a direction starts from; raises ``DataError`` with a cure where they are gone."""
    domain = source_domain(direction)
    try:
        if folder:
            store = open_folder(config, domain, folder)
        else:
            store, _ = source_and_target(direction, *open_domains(config))
    except DataError as error:
        raise DataError(f"{error} An export is checked on real images; give a folder with --images DIR.") from error
    return np.array(store.pixels[evenly_spaced(len(store), CHECKED)])


def describe(model: TranslationModel, config: Config, direction: str, pixels: PixelKind) -> dict[str, Any]:
    """What a reader of the file needs to know; the folders that the run was trained on are left out."""
    return {
        "direction": direction,
        "pixels": pixels,
        "range": [model.pixel_range.low, model.pixel_range.high],
        "version": version.__version__,
        "config": config.portable().to_dict(),
    }


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """The exporter warns of parts that are not installed and not needed, and of its own deprecated ones."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _write_onnx(program: torch.export.ExportedProgram, file: Path, about: dict[str, Any]) -> None:
    import_extra("onnxscript", "export", "Exporting to ONNX")
    made = torch.onnx.export(program, input_names=["images"], output_names=["translated"], dynamo=True, verbose=False)
    assert made is not None
    made.model.metadata_props[METADATA] = json.dumps(about)
    made.save(file, external_data=False)


def _runner(file: Path, format: Format) -> Callable[[Batch], Batch]:
    if format == "onnx":
        return OnnxModel(file).run
    program = torch.export.load(file).module()
    return lambda batch: np.asarray(program(torch.from_numpy(batch)).detach())


def _largest_difference(
    run: Callable[[Batch], Batch], network: nn.Module, span: PixelRange, real: Pixels, pixels: PixelKind
) -> float:
    """In levels of 255, over a batch of one and one of all the others."""
    level = 1.0 if pixels == "uint8" else (span.high - span.low) / 255
    differences = []
    for part in (real[:1], real[1:]):
        batch = torch.from_numpy(part) if pixels == "uint8" else span.encode(torch.from_numpy(part))
        with torch.inference_mode():
            expected = network(batch).numpy().astype(np.float32)
        differences.append(np.abs(run(batch.numpy()).astype(np.float32) - expected).max(initial=0.0) / level)
    return float(max(differences))
