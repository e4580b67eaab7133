"""Export: one direction of a run as a file that runs without this package. One file here for each format."""

from __future__ import annotations

import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from discogan import version
from discogan.checkpoints import load_model
from discogan.config import Config
from discogan.data.domains import open_domains, open_folder
from discogan.devices import own_state, pick_device
from discogan.directions import Direction, check_direction, source_and_target, source_domain
from discogan.errors import ConfigError, DataError, RunError
from discogan.files import atomic_path
from discogan.images import PixelRange, Pixels, evenly_spaced
from discogan.model import TranslationModel
from discogan.registry import EXPORT_FORMATS

PixelKind = Literal["uint8", "float"]
Batch = np.ndarray[Any, Any]
"""uint8 (N, H, W, C) or float32 (N, C, H, W), as the exported file takes it."""
MAX_COMPARED_IMAGES = 64
"""Images on which an exported file is compared with PyTorch."""
MAX_DIFFERENCE_LEVELS = 2.0
"""Levels of 255 by which the two may differ, because they round and sum in another order."""


class ExportFormat(ABC):
    """A file format: how a network is written, and how the file is run to compare it with PyTorch."""

    suffix: ClassVar[str]
    """The file's ending, such as ``.onnx``."""

    @abstractmethod
    def write(self, network: nn.Module, sample: Tensor, file: Path, metadata: Mapping[str, Any]) -> None:
        """Write ``network`` to ``file``.

        ``sample`` is a batch of two inputs; the file must take batches of any size. ``metadata`` is what a reader needs
        to know (``describe``), as plain values for JSON.
        """

    @abstractmethod
    def run(self, file: Path, batch: Batch) -> Batch:
        """Return the outputs of the written file for a batch of inputs."""


@dataclass(frozen=True)
class Exported:
    """A written file, and how closely it agrees with PyTorch."""

    file: Path
    largest_difference: float
    """In levels of 255, over all pixels of the compared images."""
    images: int
    """Images that were compared."""


class Uint8Generator(nn.Module):
    """A generator with the conversion from and to pixels: uint8 (N, H, W, C) to uint8 (N, H, W, C')."""

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
    format: str = "onnx",
    pixels: PixelKind = "uint8",
    images: str | Path | None = None,
    device: str = "cpu",
    threads: int = 0,
) -> Exported:
    """Write one direction of a run to a file, and compare the file with PyTorch on real images.

    Parameters
    ----------
    run
        A run folder or a checkpoint.
    direction
        a_to_b or b_to_a.
    file
        The file to write; its ending belongs to the format (.onnx, .pt2).
    format
        The name of an export format: onnx, torch, or one of your own.
    pixels
        The file's input and output: uint8 (N, H, W, C) in [0, 255], or float (N, C, H, W) in the networks' range.
        The range is [-1, 1] for tanh and [0, 1] for sigmoid. H and W are the run's image size, and N is any number.
    images
        A folder of images to compare on; by default the images that the run was trained on.
    device
        The device on which PyTorch computes the outputs to compare with: auto, cpu, cuda or mps.
    threads
        CPU threads; 0 is PyTorch's own choice.

    Raises ``ConfigError``, ``DataError``, and ``RunError`` if file and PyTorch differ by more than two of 255 levels.
    """
    direction = check_direction(direction)
    if pixels not in ("uint8", "float"):
        raise ConfigError(f"Pixels must be uint8 or float, not {pixels!r}.")
    file, torch_device = Path(file), pick_device(device)
    with own_state(threads):
        # Loading the run also loads the user's files that it records, which may register the format.
        model, config = load_model(run, torch.device("cpu"))
        writer: ExportFormat = EXPORT_FORMATS.get(format).build()
        if file.suffix != writer.suffix:
            raise ConfigError(f"A file in the format {format} must end in {writer.suffix}, not {file.name}.")
        if direction not in model.directions:
            raise ConfigError(f"{run} did not learn {direction}. Its objective trains the other direction only.")
        real = real_images(config, direction, Path(images) if images else None)
        generator = model.generator(direction)
        check_finite(generator, direction)
        network = Uint8Generator(generator, model.pixel_range).eval() if pixels == "uint8" else generator
        inputs = torch.from_numpy(real)
        if pixels == "float":
            inputs = model.pixel_range.encode(inputs)
        sample = inputs[:1].repeat_interleave(2, 0)  # The exporter takes a batch of one for a constant.
        with atomic_path(file) as unchecked:
            with _quiet_exporter():
                writer.write(network, sample, unchecked, describe(model, config, direction, pixels))
            level = 1.0 if pixels == "uint8" else (model.pixel_range.high - model.pixel_range.low) / 255
            largest = _largest_difference(writer, unchecked, network.to(torch_device), inputs) / level
            if not largest <= MAX_DIFFERENCE_LEVELS:
                raise RunError(
                    f"The file differs from PyTorch by up to {largest:.1f} of 255 levels. {file} was not written. "
                    "Try --pixels float, or another --format."
                )
    return Exported(file, largest, len(real))


def check_finite(network: nn.Module, direction: Direction) -> None:
    """Raise ``RunError`` if a weight of the network is NaN or infinite, because all its translations would be black."""
    for name, tensor in network.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise RunError(f"The weights {name} of {direction} are NaN or infinite. Use another checkpoint of the run.")


def real_images(config: Config, direction: Direction, folder: Path | None) -> Pixels:
    """Return at most ``MAX_COMPARED_IMAGES`` images of the domain that a direction translates from.

    They come from ``folder``, or else from the images that the run was trained on. Raises ``DataError``.
    """
    try:
        if folder:
            store = open_folder(config, source_domain(direction), folder)
        else:
            store, _ = source_and_target(direction, *open_domains(config))
    except DataError as error:
        raise DataError(f"{error} An export is compared on real images. Give a folder with --images DIR.") from error
    return np.array(store.pixels[evenly_spaced(len(store), MAX_COMPARED_IMAGES)])


def describe(model: TranslationModel, config: Config, direction: Direction, pixels: PixelKind) -> dict[str, Any]:
    """Return what a reader of the file needs to know, without the folders that the run was trained on."""
    return {
        "direction": direction,
        "pixels": pixels,
        "range": [model.pixel_range.low, model.pixel_range.high],
        "version": version.__version__,
        "config": config.portable().to_dict(),
    }


def trace(network: nn.Module, sample: Tensor) -> torch.export.ExportedProgram:
    """Return the network as PyTorch's exported program, for batches of any size."""
    return torch.export.export(network, (sample,), dynamic_shapes=({0: torch.export.Dim("batch")},), strict=False)


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence the exporter's warnings about optional packages and about its own deprecated functions."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _largest_difference(writer: ExportFormat, file: Path, network: nn.Module, inputs: Tensor) -> float:
    """Return the largest absolute difference between file and network, for a batch of one and one of the rest."""
    device = next(network.parameters()).device
    differences = []
    for batch in (inputs[:1], inputs[1:]):
        with torch.inference_mode():
            expected = network(batch.to(device)).cpu().numpy().astype(np.float32)
        outputs = writer.run(file, batch.numpy()).astype(np.float32)
        differences.append(float(np.abs(outputs - expected).max(initial=0.0)))
    return max(differences)
