"""PyTorch's exported program."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from discogan.exporting import Batch, ExportFormat, trace
from discogan.onnx_model import METADATA_KEY
from discogan.registry import EXPORT_FORMATS


@EXPORT_FORMATS.register("torch")
class TorchProgram(ExportFormat):
    """FILE.pt2, a program for torch.export.load, which needs PyTorch and nothing else."""

    suffix = ".pt2"

    def write(self, network: nn.Module, sample: Tensor, file: Path, metadata: Mapping[str, Any]) -> None:
        # In memory first: PyTorch aborts the whole process if it cannot write to a file.
        stream = io.BytesIO()
        torch.export.save(trace(network, sample), stream, extra_files={METADATA_KEY: json.dumps(metadata)})
        file.write_bytes(stream.getbuffer())

    def run(self, file: Path, batch: Batch) -> Batch:
        program = torch.export.load(file).module()
        return np.asarray(program(torch.from_numpy(batch)).detach())
