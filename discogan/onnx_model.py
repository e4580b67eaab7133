"""An exported ONNX file as a model that translates pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from discogan.config import Config
from discogan.directions import Direction, source_and_target
from discogan.errors import ConfigError, RecordError, RunError, is_out_of_memory
from discogan.extras import import_extra
from discogan.files import suggest_path
from discogan.images import PixelRange, Pixels
from discogan.records import convert_record, parse_json

METADATA_KEY = "discogan"
"""The key of an exported file's metadata: JSON that ``discogan export`` writes and ``OnnxModel`` reads."""


MAX_METADATA_CHARACTERS = 2**20
"""Longest metadata that are read; those of an export have about 2,000 characters."""


@dataclass(frozen=True)
class OnnxMetadata:
    """What an exported file says about itself (``exporting.describe``)."""

    direction: Direction
    pixels: Literal["uint8", "float"]
    range: tuple[float, float]
    config: dict[str, Any]


def _not_ours(file: Path, problem: str) -> RunError:
    return RunError(f"{file} is not a model that discogan export wrote ({problem}). Export it again.")


class OnnxModel:
    """One direction of a run, computed by ONNX Runtime on the CPU."""

    def __init__(self, file: Path) -> None:
        onnxruntime = import_extra("onnxruntime", "export", "An ONNX model")
        # Windows has no environment variable that turns the events off.
        onnxruntime.disable_telemetry_events()
        if not file.is_file():
            raise RunError(f"There is no file {file}{suggest_path(file)}. Give a model that discogan export wrote.")
        try:
            # ONNX Runtime decodes paths in its own way, which fails for other names in some locales.
            model = str(file) if str(file).isascii() else file.read_bytes()
            self.session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
            text = self.session.get_modelmeta().custom_metadata_map.get(METADATA_KEY, "")
        except Exception as error:  # ONNX Runtime has an exception of its own for every kind of damage.
            if is_out_of_memory(error):
                raise
            raise _not_ours(file, str(error).partition("\n")[0]) from error
        if len(text) > MAX_METADATA_CHARACTERS:
            raise _not_ours(file, f"its metadata have {len(text):,} characters")
        try:
            metadata = convert_record(parse_json(text.encode("utf-8", "replace"), file), OnnxMetadata, file)
            self.config = Config.from_dict(metadata.config)
        except RecordError as error:
            raise _not_ours(file, error.problem) from error
        except (ConfigError, TypeError, ValueError, AttributeError, KeyError) as error:
            raise _not_ours(file, f"its settings are damaged: {error}") from error
        self.file, self._pixels = file, metadata.pixels
        self.direction: Direction = metadata.direction
        self.directions: tuple[Direction, ...] = (self.direction,)
        self.round_trip_directions: tuple[Direction, ...] = ()
        self._range = PixelRange(*metadata.range)
        self._input = self._check_interface()

    def _check_interface(self) -> str:
        """Return the name of the input; raise ``RunError`` if the network does not take what the metadata describe."""
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        data, size = self.config.data, self.config.data.image_size
        expected = "tensor(uint8)" if self._pixels == "uint8" else "tensor(float)"
        channels = source_and_target(self.direction, data.channels_of("a"), data.channels_of("b"))
        for kind, tensors, count in (("input", inputs, channels[0]), ("output", outputs, channels[1])):
            shape = [size, size, count] if self._pixels == "uint8" else [count, size, size]
            if len(tensors) != 1 or tensors[0].type != expected or list(tensors[0].shape[1:]) != shape:
                described = ", ".join(f"{tensor.type} {tensor.shape}" for tensor in tensors[:3])
                raise _not_ours(self.file, f"its {kind} is {described}, but its metadata say {expected} {shape}")
        name: str = inputs[0].name
        return name

    def translate_pixels(self, pixels: Pixels, direction: str, batch_size: int = 64) -> Pixels:
        """Translate uint8 (N, H, W, C) to uint8 (N, H, W, C'); raise ``ConfigError`` for the reverse direction."""
        if direction != self.direction:
            raise ConfigError(f"{self.file} translates only {self.direction}. Export the other direction as well.")
        starts = range(0, len(pixels), batch_size)
        return np.concatenate([self._translate_batch(np.array(pixels[start : start + batch_size])) for start in starts])

    def _translate_batch(self, pixels: Pixels) -> Pixels:
        if self._pixels == "uint8":
            return self.run(pixels)
        images = self._range.encode(torch.from_numpy(pixels)).numpy()
        return self._range.decode(torch.from_numpy(self.run(images))).numpy()

    def run(self, batch: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return the file's output for its own kind of input: uint8 (N, H, W, C) or float32 (N, C, H, W)."""
        outputs: np.ndarray[Any, Any] = self.session.run(None, {self._input: batch})[0]
        return outputs
