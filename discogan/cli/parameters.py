"""Flags that commands share, each with its one help text."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from discogan.directions import Direction

RunPath = Annotated[Path, Parameter(help="A run, or one of its checkpoints.")]
RunFolderPath = Annotated[Path, Parameter(help="The run folder.")]
DirectionFlag = Annotated[Direction, Parameter(help="a_to_b or b_to_a.")]
Device = Annotated[str, Parameter(help="auto, cpu, cuda, mps.")]
Threads = Annotated[int, Parameter(help="CPU threads; 0 uses one per core.")]
Settings = Annotated[
    list[str] | None,
    Parameter(name="--set", negative="", help="part.option=value, any number of times, as --set data.flip=true."),
]
JsonFile = Annotated[
    Path | None,
    Parameter(
        name="--json",
        help="Write the figures to this file as well; - prints them and nothing else.",
        allow_leading_hyphen=True,
    ),
]
