"""Flags that several commands share, each with one help text."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from discogan.directions import Direction

RunPath = Annotated[Path, Parameter(help="A run folder, or one of its checkpoints.")]
RunFolderPath = Annotated[Path, Parameter(help="The run folder.")]
DirectionFlag = Annotated[Direction, Parameter(help="a_to_b or b_to_a.")]
Device = Annotated[str, Parameter(help="Device to compute on: auto, cpu, cuda or mps.")]
Threads = Annotated[
    int, Parameter(help="CPU threads; 0 is PyTorch's own choice. If other programs use the CPU, 1 is often faster.")
]
Settings = Annotated[
    list[str] | None,
    Parameter(name="--set", help="GROUP.OPTION=VALUE, such as data.flip=true; may be repeated."),
]
JsonFile = Annotated[
    Path | None,
    Parameter(
        name="--json",
        help="Also write the result to this file as JSON; - prints only the JSON.",
        allow_leading_hyphen=True,
    ),
]
