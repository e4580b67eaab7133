"""An exported ONNX file as a model that translates pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from discogan.config import Config
from discogan.directions import Direction
from discogan.errors import ConfigError, RunError
from discogan.extras import import_extra
from discogan.images import PixelRange, Pixels

METADATA_KEY = "discogan"
"""The key of an exported file's metadata: JSON that ``discogan export`` writes and ``OnnxModel`` reads."""


class OnnxModel:
    """One direction of a run, computed by ONNX Runtime on the CPU."""

    def __init__(self, file: Path) -> None:
        onnxruntime = import_extra("onnxruntime", "export", "An ONNX model")
        # Windows has no environment variable that turns the events off.
        onnxruntime.disable_telemetry_events()
        try:
            self.session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
            metadata = json.loads(self.session.get_modelmeta().custom_metadata_map[METADATA_KEY])
        except Exception as error:  # ONNX Runtime has an exception of its own for every kind of damage.
            raise RunError(f"{file} is not a model that discogan export wrote ({error}). Export it again.") from error
        self.file, self._pixels = file, metadata["pixels"]
        self.direction: Direction = metadata["direction"]
        self.directions: tuple[Direction, ...] = (self.direction,)
        self.round_trip_directions: tuple[Direction, ...] = ()
        self._range = PixelRange(*metadata["range"])
        self.config = Config.from_dict(metadata["config"])
        self._input = self.session.get_inputs()[0].name

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
