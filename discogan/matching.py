"""Which image of one folder belongs with which of another, by a run's translations in both directions."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from torch import Tensor

from discogan.checkpoints import load_model
from discogan.config import require
from discogan.data.domains import open_folder
from discogan.devices import pick_device
from discogan.directions import Direction, opposite, target_domain
from discogan.images import Pixels, draw_sheet, make_thumbnails, to_unit_rgb
from discogan.model import TranslationModel
from discogan.translator import Translator

DENSE_LIMIT = 16_000_000
"""Pairs up to which one-to-one matching weighs every pair: 4,000 images a side, some 130 MB."""
CANDIDATES = 50
"""Above that, the nearest counterparts of each image that are weighed."""
NEIGHBOURS = 10
"""Neighbours that a distance is compared with (Conneau et al. 2018 take as many)."""
BLOCK_A, BLOCK_B = 1024, 8192
"""Images compared at a time: a block of distances takes 32 MiB."""
SCALE_FROM = 1024
"""Images that the scale of a domain's distances is taken from."""
SHOWN = 12


@dataclass(frozen=True)
class Match:
    """An image of A and a counterpart in B, by their names below their folders."""

    a: str
    b: str
    rank: int
    """1 for the most likely counterpart, and so on."""
    score: float
    """How much nearer the two are than each is, on average, to its ten nearest in the other folder: 0 is no nearer. In
    units of the distance of two images drawn at random, so seldom above 0.5."""


@dataclass(frozen=True)
class Matching:
    """The matches of two folders, A by A and best first, and the images they are between."""

    matches: list[Match]
    unmatched: list[str]
    """Images of A without a counterpart: in one-to-one matching those that others fit better."""
    skipped: list[str]
    """Broken files, a sentence each."""

    def write_csv(self, file: Path) -> None:
        """path_a,path_b,rank,score: the first two columns are those of an anchors file."""
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(("path_a", "path_b", "rank", "score"))
            writer.writerows((match.a, match.b, match.rank, f"{match.score:.4f}") for match in self.matches)


class Matcher:
    """Two folders of images as points, near each other where both directions' translations say that they belong."""

    def __init__(self, run: str | Path, folder_a: str | Path, folder_b: str | Path, device: str = "auto") -> None:
        self.model, self.config = load_model(run, pick_device(device))
        self.store_a = open_folder(self.config, "a", Path(folder_a))
        self.store_b = open_folder(self.config, "b", Path(folder_b))
        self.points_a, self.points_b = _points(self.model, self.store_a.pixels, self.store_b.pixels)
        self._nearby_a = nearest_points(self.points_a, self.points_b, NEIGHBOURS)[0].mean(1)
        self._nearby_b = nearest_points(self.points_b, self.points_a, NEIGHBOURS)[0].mean(1)

    def match(self, count: int = 1, one_to_one: bool = False) -> Matching:
        """The ``count`` likeliest counterparts of each image of A, or at most one each that no other image has.

        Likeliest by the score, among each image's 50 nearest: the score keeps an image that is near to everything
        from being everyone's counterpart (cross-domain similarity local scaling: Conneau et al. 2018, section 2.3).
        One to one is the assignment with the least sum of distances (``assign``). Memory grows with the images, not
        with their pairs. Raises ``ConfigError``.
        """
        require("count", count, at_least=1)
        names_a, names_b = self.store_a.names, self.store_b.names
        if one_to_one:
            rows, columns, distances = assign(self.points_a, self.points_b)
            scores, count = self._scores(rows, columns, distances), 1
        else:
            count = min(count, len(names_b))
            rows, columns, scores = self._likeliest(count)
        matches = [
            Match(names_a[row], names_b[column], place % count + 1, float(score))
            for place, (row, column, score) in enumerate(zip(rows, columns, scores, strict=True))
        ]
        alone = np.setdiff1d(np.arange(len(names_a)), rows)
        return Matching(matches, [names_a[row] for row in alone], [*self.store_a.skipped, *self.store_b.skipped])

    def _likeliest(self, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows of A, rows of B and scores, ``count`` for each image of A, best first."""
        distances, columns = nearest_points(self.points_a, self.points_b, max(count, CANDIDATES))
        rows = np.arange(len(distances))[:, None].repeat(distances.shape[1], 1)
        scores = self._scores(rows, columns, distances)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :count]
        columns, scores = (np.take_along_axis(values, best, 1).ravel() for values in (columns, scores))
        return rows[:, :count].ravel(), columns, scores

    def _scores(self, rows: np.ndarray, columns: np.ndarray, distances: np.ndarray) -> np.ndarray:
        margins: np.ndarray = (self._nearby_a[rows] + self._nearby_b[columns]) / 2 - distances
        return margins

    def draw(self, matching: Matching, file: Path) -> None:
        """A contact sheet of evenly spread matches: the image of A, its translation, its counterparts, theirs back.

        The counterparts have their scores on them.
        """
        row_a = {name: row for row, name in enumerate(self.store_a.names)}
        row_b = {name: row for row, name in enumerate(self.store_b.names)}
        firsts = [match for match in matching.matches if match.rank == 1]
        shown = [firsts[place] for place in np.linspace(0, len(firsts) - 1, min(SHOWN, len(firsts))).astype(int)]
        images_a = self.store_a.pixels[[row_a[match.a] for match in shown]]
        rows = [("A", list(images_a)), ("A to B", list(self.model.translate_pixels(images_a, "a_to_b")))]
        captions = {}
        for rank in sorted({match.rank for match in matching.matches}):
            chosen = {match.a: match for match in matching.matches if match.rank == rank}
            images_b = self.store_b.pixels[[row_b[chosen[match.a].b] for match in shown]]
            rows.append((f"counterpart {rank} in B", list(images_b)))
            # Plus nothing: what rounds to minus zero is shown as zero.
            captions[rows[-1][0]] = [f"{round(chosen[match.a].score, 2) + 0:.2f}" for match in shown]
            if rank == 1:
                rows.append(("its B to A", list(self.model.translate_pixels(images_b, "b_to_a"))))
        draw_sheet(rows, f"{len(firsts):,} images of A and their counterparts in B", 80, captions).save(file)


class Counterparts:
    """A folder of the domain that a direction leads to, to be searched by images of the domain it starts from."""

    def __init__(self, translator: Translator, folder: Path, direction: Direction) -> None:
        store = open_folder(translator.config, target_domain(direction), folder)
        self.names, self.pixels = store.names, store.pixels
        parts = [torch.cat([make_thumbnails(to_unit_rgb(block)).flatten(1) for block in _blocks(store.pixels)])]
        if opposite(direction) in translator.model.directions:
            back = (translator.translate_pixels(block, opposite(direction)) for block in _blocks(store.pixels))
            parts.append(torch.cat([make_thumbnails(to_unit_rgb(block)).flatten(1) for block in back]))
        self._scales = [len(parts) ** 0.5 * _spread(part) for part in parts]
        self._points = torch.cat([part / scale for part, scale in zip(parts, self._scales, strict=True)], 1)

    def find(self, images: Pixels, translated: Pixels, count: int) -> list[list[tuple[str, float, int]]]:
        """For each image, uint8 (N, H, W, C), given with its translation: name, distance and row of the nearest.

        Distances are as in ``_points``: 0 for each other's translations, about 1 for images drawn at random.
        """
        parts = [make_thumbnails(to_unit_rgb(translated)).flatten(1), make_thumbnails(to_unit_rgb(images)).flatten(1)]
        points = torch.cat([part / scale for part, scale in zip(parts, self._scales, strict=False)], 1)
        distances, rows = nearest_points(points, self._points, count)
        return [
            [(self.names[row], float(distance), int(row)) for distance, row in zip(*pair, strict=True)]
            for pair in zip(distances, rows, strict=True)
        ]


def assign(points_a: Tensor, points_b: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The one-to-one assignment of least total distance: rows of A (N, F), of B (M, F), and each pair's distance.

    Up to ``DENSE_LIMIT`` pairs all are weighed (Jonker and Volgenant 1987); above, each image of A has its
    ``CANDIDATES`` nearest to choose from, or stays alone.
    """
    if len(points_a) * len(points_b) <= DENSE_LIMIT:
        weights = torch.cdist(points_a, points_b).numpy()
        rows, columns = linear_sum_assignment(weights)
        return rows, columns, weights[rows, columns]
    return assign_among_nearest(points_a, points_b, CANDIDATES)


def assign_among_nearest(points_a: Tensor, points_b: Tensor, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``assign`` where an image of A may only have one of its ``count`` nearest, or none at a high price."""
    distances, nearest = nearest_points(points_a, points_b, count)
    here, there = nearest.shape[0], len(points_b)
    rows = np.arange(here)
    # The solver wants a partner for every row and no zero weight: each row has a place of its own to stay alone.
    alone = distances.max() * here + 1
    weights = np.concatenate([distances + 1, np.full((here, 1), alone)], 1)
    columns = np.concatenate([nearest, rows[:, None] + there], 1)
    starts = np.arange(0, weights.size + 1, weights.shape[1])
    graph = csr_array((weights.ravel(), columns.ravel(), starts), shape=(here, there + here))
    matched_rows, matched_columns = min_weight_full_bipartite_matching(graph)
    paired = matched_columns < there
    rows, columns = matched_rows[paired], matched_columns[paired]
    return rows, columns, (points_a[rows] - points_b[columns]).norm(dim=1).numpy()


def nearest_points(points_a: Tensor, points_b: Tensor, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances and rows (N, count) of the points of B (M, F) nearest to each of A (N, F), nearest first.

    By faiss where it is installed, else block by block; exact either way.
    """
    count = min(count, len(points_b))
    try:
        import faiss
    except ImportError:
        blocks = [_nearest_in_blocks(block, points_b, count) for block in torch.split(points_a, BLOCK_A)]
        distances, rows = (torch.cat(parts) for parts in zip(*blocks, strict=True))
        return distances.numpy(), rows.numpy()
    index = faiss.IndexFlatL2(points_b.shape[1])
    index.add(points_b.numpy())
    squared, found = index.search(points_a.numpy(), count)
    return np.sqrt(np.maximum(squared, 0)), found


def _nearest_in_blocks(block: Tensor, points_b: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The nearest so far and each further block's, merged."""
    best = torch.empty(len(block), 0), torch.empty(len(block), 0, dtype=torch.long)
    for start in range(0, len(points_b), BLOCK_B):
        distances = torch.cdist(block, points_b[start : start + BLOCK_B])
        rows = torch.arange(start, start + distances.shape[1]).expand(len(block), -1)
        merged = torch.cat([best[0], distances], 1), torch.cat([best[1], rows], 1)
        distances, places = merged[0].topk(min(count, merged[0].shape[1]), largest=False)
        best = distances, merged[1].gather(1, places)
    return best


def _points(model: TranslationModel, pixels_a: Pixels, pixels_b: Pixels) -> tuple[Tensor, Tensor]:
    """Images of A as (translation, image) and of B as (image, translation), 16x16 each, as one vector of 1,536.

    Each half is in units of that domain's mean distance between two images, so that the distance of two points is 0
    for images that are each other's translations and about 1 for images drawn at random. A run that trains one
    direction has that half alone.
    """
    parts_a, parts_b = [], []
    for direction in model.directions:
        ahead = direction == "a_to_b"
        sources, targets = (pixels_a, pixels_b) if ahead else (pixels_b, pixels_a)
        translated = torch.cat(
            [
                make_thumbnails(to_unit_rgb(model.translate_pixels(block, direction))).flatten(1)
                for block in _blocks(sources)
            ]
        )
        real = torch.cat([make_thumbnails(to_unit_rgb(block)).flatten(1) for block in _blocks(targets)])
        scale = len(model.directions) ** 0.5 * _spread(real)
        parts_a.append((translated if ahead else real) / scale)
        parts_b.append((real if ahead else translated) / scale)
    return torch.cat(parts_a, 1), torch.cat(parts_b, 1)


def _spread(points: Tensor) -> float:
    """The mean distance between two of the points, from at most ``SCALE_FROM`` of them; 1 where all are alike."""
    some = points[:: 1 + (len(points) - 1) // SCALE_FROM]
    return torch.nn.functional.pdist(some).mean().item() or 1.0 if len(some) > 1 else 1.0


def _blocks(pixels: Pixels) -> Iterator[Pixels]:
    for start in range(0, len(pixels), BLOCK_A):
        yield np.array(pixels[start : start + BLOCK_A])
