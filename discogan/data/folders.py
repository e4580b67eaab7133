"""Two folders of images: the usual source."""

from dataclasses import dataclass

from discogan.config import Options
from discogan.data import Record, folder_records
from discogan.errors import DataError
from discogan.names import absolute, path_of
from discogan.registry import SOURCES


@SOURCES.register("folders")
@dataclass(frozen=True)
class Folders(Options):
    """Two folder trees, A and B, with images of any size, number and format."""

    a: str
    """The folder of domain A, subfolders included."""
    b: str
    """The folder of domain B, subfolders included."""

    def records(self) -> tuple[list[Record], list[Record]]:
        folder_a, folder_b = path_of(self.a), path_of(self.b)
        records = folder_records(folder_a), folder_records(folder_b)
        inner, outer = sorted((absolute(folder_a), absolute(folder_b)), key=lambda path: -len(path.parts))
        if inner.is_relative_to(outer):
            problem = "the same folder" if inner == outer else "one folder inside the other"
            raise DataError(f"A and B are {problem} ({inner}). Give two separate folders.")
        return records
