"""CelebA by attribute (Liu et al. 2015), split as in the official code."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from discogan.config import Options
from discogan.data import Record
from discogan.errors import DataError, unknown_choice
from discogan.names import path_of
from discogan.registry import SOURCES

TEST_COUNT = 200
ATTRIBUTE_FILES = ("list_attr_celeba.txt", "Anno/list_attr_celeba.txt")
IMAGE_FOLDERS = ("img_align_celeba", "Img/img_align_celeba")


@SOURCES.register("celeba")
@dataclass(frozen=True)
class CelebA(Options):
    """CelebA faces with an attribute against faces without it, or with another attribute."""

    root: str
    """The folder that contains img_align_celeba and list_attr_celeba.txt."""
    attribute: str = "Male"
    """Domain A: images whose attribute is 1."""
    against: str = ""
    """Domain B: images whose attribute of this name is 1. Empty: the images without ``attribute``."""
    constraint: str = ""
    """An attribute that must have the same value in both domains; empty for none."""
    constraint_value: Literal[1, -1] = 1
    """The value of the constraint."""
    split: Literal["train", "test"] = "train"
    """The last 200 images of each list are the test part."""

    def records(self) -> tuple[list[Record], list[Record]]:
        names, rows = _read_attributes(_find_path(path_of(self.root), ATTRIBUTE_FILES))
        images = _find_path(path_of(self.root), IMAGE_FOLDERS)
        for attribute in filter(None, (self.attribute, self.against, self.constraint)):
            if attribute not in names:
                raise unknown_choice("CelebA attribute", attribute, names)
        if self.constraint:
            column = names.index(self.constraint)
            rows = {name: values for name, values in rows.items() if values[column] == self.constraint_value}
        chosen_a = _select(rows, names.index(self.attribute), 1)
        chosen_b = _select(rows, names.index(self.against or self.attribute), 1 if self.against else -1)
        return self._split(images, chosen_a, "A"), self._split(images, chosen_b, "B")

    def _split(self, images: Path, names: list[str], domain: str) -> list[Record]:
        part = names[:-TEST_COUNT] if self.split == "train" else names[-TEST_COUNT:]
        if not part:
            raise DataError(
                f"Domain {domain} has {len(names)} images, and the last {TEST_COUNT} are the test part. "
                "Choose another source.attribute or source.constraint."
            )
        return [Record(name, images / name) for name in part]


def _find_path(root: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (root / name).exists():
            return root / name
    raise DataError(f"{root} does not contain {names[0]}. Download CelebA (aligned and cropped) and unpack it there.")


def _read_attributes(file: Path) -> tuple[list[str], dict[str, list[int]]]:
    """Return the attribute names, and for each image its values (1 or -1) in that order."""
    try:
        _, header, *lines = file.read_text("utf-8-sig").splitlines()
        rows = {}
        for line in filter(str.strip, lines):
            image, *values = line.split()
            rows[image] = [int(value) for value in values]
    except (ValueError, OSError) as error:
        raise DataError(f"{file} is not CelebA's attribute list ({error}). Download it again.") from error
    names = header.split()
    if any(len(values) != len(names) for values in rows.values()):
        raise DataError(f"{file} has lines that are too short or too long. Download it again.")
    return names, rows


def _select(rows: dict[str, list[int]], column: int, value: int) -> list[str]:
    return [name for name, values in rows.items() if values[column] == value]
