"""CelebA by attribute (Liu et al. 2015), split as the official code does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from discogan.data import Record
from discogan.errors import DataError, unknown_choice
from discogan.registry import SOURCES

TEST_COUNT = 200
ATTRIBUTE_FILES = ("list_attr_celeba.txt", "Anno/list_attr_celeba.txt")
IMAGE_FOLDERS = ("img_align_celeba", "Img/img_align_celeba")


@SOURCES.register("celeba")
@dataclass(frozen=True)
class CelebA:
    """CelebA faces with an attribute against faces with another or without it."""

    root: str
    """The folder that holds img_align_celeba and list_attr_celeba.txt."""
    attribute: str = "Male"
    """Domain A: images whose attribute is 1."""
    against: str = ""
    """Domain B: images whose attribute of this name is 1; empty takes those without ``attribute``."""
    constraint: str = ""
    """An attribute that both domains must agree on; empty for none."""
    constraint_value: Literal[1, -1] = 1
    """The value of the constraint."""
    split: Literal["train", "test"] = "train"
    """The last 200 of each list are the test part."""

    def records(self) -> tuple[list[Record], list[Record]]:
        names, rows = _read_attributes(_find(Path(self.root), ATTRIBUTE_FILES))
        images = _find(Path(self.root), IMAGE_FOLDERS)
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
                f"Domain {domain} has {len(names)} images, of which the last {TEST_COUNT} are the test part; "
                "choose another source.attribute or source.constraint."
            )
        return [Record(name, images / name) for name in part]


def _find(root: Path, places: tuple[str, ...]) -> Path:
    for place in places:
        if (root / place).exists():
            return root / place
    raise DataError(f"{root} holds no {places[0]}; download CelebA (aligned and cropped) and unpack it there.")


def _read_attributes(file: Path) -> tuple[list[str], dict[str, list[int]]]:
    """Attribute names, and each image's values (1 or -1) in that order."""
    try:
        _, header, *lines = file.read_text("utf-8").splitlines()
        rows = {name: [int(value) for value in values] for name, *values in map(str.split, filter(str.strip, lines))}
    except ValueError as error:
        raise DataError(f"{file} is not CelebA's attribute list ({error}); download it again.") from error
    names = header.split()
    if any(len(values) != len(names) for values in rows.values()):
        raise DataError(f"{file} has lines that are too short or too long; download it again.")
    return names, rows


def _select(rows: dict[str, list[int]], column: int, value: int) -> list[str]:
    return [name for name, values in rows.items() if values[column] == value]
