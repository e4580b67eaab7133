"""ONNX, for ONNX Runtime and the many programs that read it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from discogan.exporting import Batch, ExportFormat, trace
from discogan.extras import import_extra
from discogan.onnx_model import METADATA_KEY, OnnxModel
from discogan.registry import EXPORT_FORMATS


@EXPORT_FORMATS.register("onnx")
class Onnx(ExportFormat):
    """FILE.onnx, for ONNX Runtime and other programs; translate, chain and serve take it instead of a run."""

    suffix = ".onnx"

    def write(self, network: nn.Module, sample: Tensor, file: Path, metadata: Mapping[str, Any]) -> None:
        import_extra("onnxscript", "export", "Exporting to ONNX")
        names: Any = {"input_names": ["images"], "output_names": ["translated"]}
        program = torch.onnx.export(trace(network, sample), **names, dynamo=True, verbose=False)
        assert program is not None
        program.model.metadata_props[METADATA_KEY] = json.dumps(metadata)
        program.save(file, external_data=False)

    def run(self, file: Path, batch: Batch) -> Batch:
        return OnnxModel(file).run(batch)
