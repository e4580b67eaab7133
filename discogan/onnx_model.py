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

METADATA = "discogan"
"""The key in an ONNX file's metadata under which ``export`` writes what ``OnnxModel`` reads, as JSON."""


class OnnxModel:
    """One direction of a run, run by ONNX Runtime on the CPU."""

    def __init__(self, file: Path) -> None:
        onnxruntime = import_extra("onnxruntime", "export", "An ONNX model")
        try:
            self.session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
            about = json.loads(self.session.get_modelmeta().custom_metadata_map[METADATA])
        except Exception as error:  # ONNX Runtime raises classes of its own for every kind of damage.
            raise RunError(f"{file} is not a model that discogan export wrote ({error}); export it again.") from error
        self.file, self._pixels = file, about["pixels"]
        self.direction: Direction = about["direction"]
        self.directions: tuple[Direction, ...] = (self.direction,)
        self.round_trip_directions: tuple[Direction, ...] = ()
        self._range = PixelRange(*about["range"])
        self.config = Config.from_dict(about["config"])
        self._input = self.session.get_inputs()[0].name

    def translate_pixels(self, pixels: Pixels, direction: str, batch_size: int = 64) -> Pixels:
        """uint8 (N, H, W, C) to uint8 (N, H, W, C'); raises ``ConfigError`` for the other direction."""
        if direction != self.direction:
            raise ConfigError(f"{self.file} translates {self.direction} alone; export the other direction as well.")
        starts = range(0, len(pixels), batch_size)
        return np.concatenate([self._run(np.array(pixels[start : start + batch_size])) for start in starts])

    def _run(self, pixels: Pixels) -> Pixels:
        if self._pixels == "uint8":
            return self.run(pixels)
        images = self._range.encode(torch.from_numpy(pixels)).numpy()
        return self._range.decode(torch.from_numpy(self.run(images))).numpy()

    def run(self, batch: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The file's own output for its own kind of input."""
        made: np.ndarray[Any, Any] = self.session.run(None, {self._input: batch})[0]
        return made
