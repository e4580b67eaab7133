"""Weights, training state and ONNX files."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Sequence
from pathlib import Path

from hypothesis import strategies as st

from discogan.errors import ConfigError, RunError, TooLargeError
from discogan.run_folder import read_progress, write_checkpoint_record
from tests.fuzz.harness import Case, RuleError, Target, call_command, check_output
from tests.fuzz.mutations import damaged_bytes, damaged_json, to_text


def split_header(content: bytes) -> tuple[dict[str, object], bytes]:
    """Return the header of a safetensors file as a table, and the bytes behind it."""
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def join_header(header: str, data: bytes) -> bytes:
    """Return a safetensors file with this text as its header."""
    text = header.encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(text)) + text + data


def damaged_tensors(content: bytes) -> st.SearchStrategy[bytes]:
    """Return safetensors files with a damaged header, damaged values or both."""
    header, data = split_header(content)
    by_header = damaged_json(header).map(lambda value: join_header(to_text(value), data))
    constants = st.sampled_from((b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f", b"\x00\x00\x80\xff", b"\xff\xff\x7f\x7f"))
    at = st.integers(0, len(data) // 4 - 1)

    def with_value(value: bytes, place: int) -> bytes:
        changed = bytearray(data)
        changed[4 * place : 4 * place + 4] = value
        return join_header(json.dumps(header), bytes(changed))

    return st.one_of(by_header, by_header, damaged_bytes(content), st.builds(with_value, constants, at))


class Weights(Target):
    """A generator's file, loaded with the run and used."""

    name = "weights"
    weight = 5
    memory_mib = 512
    allowed = (RunError, ConfigError)
    is_bytes = True
    file = "generator_ab.safetensors"

    def __init__(self, material: Path, box: Path) -> None:
        super().__init__(material, box)
        self.folder = self.work / "best"

    def content(self) -> bytes:
        """Return the valid file."""
        return (self.material / "run" / "best" / self.file).read_bytes()

    def strategy(self) -> st.SearchStrategy[Case]:
        return damaged_tensors(self.content())

    def starts(self) -> Sequence[bytes]:
        return [self.content()]

    def prepare(self, case: Case) -> None:
        if not self.folder.exists():
            shutil.copytree(self.material / "run" / "best", self.folder)
        (self.folder / self.file).write_bytes(case)
        self.writable = ()

    def run(self, case: Case) -> None:
        import numpy as np
        import torch

        from discogan.checkpoints import load_model

        model, _ = load_model(self.folder, torch.device("cpu"))
        for parameter in model.parameters():
            if not torch.isfinite(parameter).all():
                raise RuleError("weights with NaN or infinity are accepted")
        self.check_accepted(case, model)
        model.translate_pixels(np.zeros((1, 32, 32, 3), np.uint8), "a_to_b")

    def check_accepted(self, case: bytes, model: object) -> None:
        """Raise ``RuleError`` if the digest of other weights is accepted."""
        if case != self.content() and not self._is_equal(model):
            raise RuleError("changed weights are accepted")

    def _is_equal(self, model: object) -> bool:
        """Return whether the network has the weights of the valid file."""
        import torch
        from safetensors.torch import load

        state = model.generator_ab.state_dict()  # type: ignore[attr-defined]
        return all(torch.equal(value, state[key]) for key, value in load(self.content()).items())


class HostileWeights(Weights):
    """A generator's file whose digest fits, as in a run that a stranger made: what is accepted must be usable."""

    name = "hostile_weights"
    weight = 3

    def prepare(self, case: Case) -> None:
        super().prepare(case)
        write_checkpoint_record(self.folder, read_progress(self.folder))

    def check_accepted(self, case: bytes, model: object) -> None:
        """Other finite weights of the right shapes are a model like any other."""


class TrainingState(Target):
    """The optimisers' file, when a run is resumed."""

    name = "training_state"
    weight = 0.3
    memory_mib = 512
    allowed = (RunError, ConfigError)
    is_bytes = True

    def content(self) -> bytes:
        """Return the valid file."""
        newest = max((self.material / "run" / "checkpoints").glob("step-*"))
        return (newest / "training_state.safetensors").read_bytes()

    def strategy(self) -> st.SearchStrategy[Case]:
        return damaged_tensors(self.content())

    def prepare(self, case: Case) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.material / "run", self.work / "run", ignore=shutil.ignore_patterns("report.html"))
        newest = max((self.work / "run" / "checkpoints").glob("step-*"))
        (newest / "training_state.safetensors").write_bytes(case)

    def run(self, case: Case) -> None:
        check_output(*call_command(["train", "--resume", str(self.work / "run"), "--steps", "10"]))


class HostileTrainingState(TrainingState):
    """The optimisers' file with a digest that fits, as in a run that a stranger made."""

    name = "hostile_state"
    weight = 0.3

    def prepare(self, case: Case) -> None:
        super().prepare(case)
        newest = max((self.work / "run" / "checkpoints").glob("step-*"))
        write_checkpoint_record(newest, read_progress(newest))


class OnnxFiles(Target):
    """An exported file: damaged bytes, and damaged metadata."""

    name = "onnx_files"
    weight = 3
    memory_mib = 512
    allowed = (RunError, ConfigError, TooLargeError)
    is_bytes = True

    def content(self) -> bytes:
        """Return the valid file."""
        return (self.material / "model.onnx").read_bytes()

    def strategy(self) -> st.SearchStrategy[Case]:
        import onnx

        content = self.content()
        model = onnx.load_from_string(content)
        [entry] = [entry for entry in model.metadata_props if entry.key == "discogan"]

        def with_metadata(text: str) -> bytes:
            entry.value = text.encode("utf-8", "replace").decode()
            return bytes(model.SerializeToString())

        metadata = json.loads(entry.value)
        by_metadata = damaged_json(metadata).map(to_text).map(with_metadata)
        return st.one_of(by_metadata, damaged_bytes(content))

    def starts(self) -> Sequence[bytes]:
        return [self.content()]

    def prepare(self, case: Case) -> None:
        self.work.mkdir(parents=True, exist_ok=True)
        (self.work / "model.onnx").write_bytes(case)
        self.writable = ()

    def run(self, case: Case) -> None:
        import numpy as np
        from PIL import Image

        from discogan.translator import Translator

        translator = Translator.load(self.work / "model.onnx")
        image = translator.translate(Image.fromarray(np.zeros((40, 30, 3), np.uint8)), translator.directions[0])
        if image.mode not in ("L", "RGB"):
            raise RuleError(f"a translation of mode {image.mode}")
