"""Match the images of two folders, using a run's translations in both directions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from discogan.csv_files import write_csv
from discogan.data.domains import open_folder
from discogan.data.store import ImageStore
from discogan.devices import pick_device
from discogan.directions import LABELS, Direction, opposite, source_and_target
from discogan.files import atomic_path
from discogan.images import Pixels, draw_sheet, evenly_spaced, make_thumbnails, to_unit_rgb
from discogan.model import TranslationModel
from discogan.translator import Translator

DENSE_PAIRS = 16_000_000
"""Pairs up to which one-to-one matching considers every pair: 4,000 images in each folder, about 130 MB."""
CANDIDATES = 50
"""Nearest counterparts of each image that are considered otherwise."""
NEIGHBOURS = 10
"""Neighbours whose mean distance a distance is compared with, as in Conneau et al. 2018."""
BLOCK_A_IMAGES, BLOCK_B_IMAGES = 1024, 8192
"""Images compared at a time: a block of distances takes 32 MiB."""
SCALE_IMAGES = 1024
"""Images from which the scale of a domain's distances is computed."""
SHEET_IMAGES = 12
"""Matches on a contact sheet."""


@dataclass(frozen=True)
class Match:
    """An image of A and a counterpart in B, by their names below their folders."""

    a: str
    b: str
    rank: int
    """1 for the most likely counterpart, 2 for the next."""
    score: float
    """How much nearer the two are to each other than each is, on average, to its ten nearest images in the other
    folder. 0 is no nearer. The unit is the mean distance of two random images, so values above 0.5 are rare."""


@dataclass(frozen=True)
class Matching:
    """The matches of two folders, sorted by the image of A and then by rank, and the files without a match."""

    matches: list[Match]
    unmatched: list[str]
    """Images of A without a counterpart. In one-to-one matching their counterparts fit other images better."""
    skipped: list[str]
    """Broken files, a sentence each."""

    def write_csv(self, file: Path) -> None:
        """Write path_a,path_b,rank,score. The first two columns are the columns of an anchors file."""
        rows = [(match.a, match.b, match.rank, round(match.score, 4)) for match in self.matches]
        write_csv(file, ("path_a", "path_b", "rank", "score"), rows)


class Matcher:
    """Two folders of images as points. The points of two images are near if translations say that they belong."""

    def __init__(self, run: str | Path, folder_a: str | Path, folder_b: str | Path, device: str = "auto") -> None:
        self.model, self.config = load_model(run, pick_device(device))
        self.store_a = open_folder(self.config, "a", Path(folder_a))
        self.store_b = open_folder(self.config, "b", Path(folder_b))
        self.points_a, self.points_b = _make_points(self.model, self.store_a.pixels, self.store_b.pixels)
        self._mean_distance_a = nearest_points(self.points_a, self.points_b, NEIGHBOURS)[0].mean(1)
        self._mean_distance_b = nearest_points(self.points_b, self.points_a, NEIGHBOURS)[0].mean(1)

    def match(self, count: int = 1, one_to_one: bool = False) -> Matching:
        """Return the ``count`` most likely counterparts of each image of A, or a one-to-one assignment.

        The counterparts are the images with the highest scores among each image's 50 nearest. The score is cross-domain
        similarity local scaling (Conneau et al. 2018, section 2.3). It prevents that an image near to all others
        becomes the counterpart of all.

        ``one_to_one`` gives each image at most one counterpart, with the least sum of distances (``assign``). Memory
        grows with the number of images, not of pairs. Raises ``ConfigError``.
        """
        require("count", count, at_least=1)
        names_a, names_b = self.store_a.names, self.store_b.names
        if one_to_one:
            count = 1
            rows_a, rows_b, distances = assign(self.points_a, self.points_b)
            scores = self._score(rows_a, rows_b, distances)
        else:
            count = min(count, len(names_b))
            rows_a, rows_b, scores = self._most_likely(count)
        matches = []
        for index, (row_a, row_b, score) in enumerate(zip(rows_a, rows_b, scores, strict=True)):
            matches.append(Match(names_a[row_a], names_b[row_b], index % count + 1, float(score)))
        unmatched_rows = np.setdiff1d(np.arange(len(names_a)), rows_a)
        skipped = [*self.store_a.skipped, *self.store_b.skipped]
        return Matching(matches, [names_a[row] for row in unmatched_rows], skipped)

    def _most_likely(self, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return rows of A, rows of B and scores, ``count`` for each image of A, best first."""
        distances, rows_b = nearest_points(self.points_a, self.points_b, max(count, CANDIDATES))
        rows_a = np.arange(len(distances))[:, None].repeat(distances.shape[1], 1)
        scores = self._score(rows_a, rows_b, distances)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :count]
        best_rows_b = np.take_along_axis(rows_b, best, 1)
        best_scores = np.take_along_axis(scores, best, 1)
        return rows_a[:, :count].ravel(), best_rows_b.ravel(), best_scores.ravel()

    def _score(self, rows_a: np.ndarray, rows_b: np.ndarray, distances: np.ndarray) -> np.ndarray:
        scores: np.ndarray = (self._mean_distance_a[rows_a] + self._mean_distance_b[rows_b]) / 2 - distances
        return scores

    def draw(self, matching: Matching, file: Path) -> None:
        """Write a contact sheet of evenly spaced matches.

        Its rows: the images of A, their translations, their counterparts, and the translations of the first
        counterparts. Each counterpart shows its score.
        """
        row_a = {name: row for row, name in enumerate(self.store_a.names)}
        row_b = {name: row for row, name in enumerate(self.store_b.names)}
        best_matches = [match for match in matching.matches if match.rank == 1]
        names_a = [best_matches[index].a for index in evenly_spaced(len(best_matches), SHEET_IMAGES)]
        images_a = self.store_a.pixels[[row_a[name] for name in names_a]]
        rows = [("A", list(images_a)), (LABELS["a_to_b"], list(self.model.translate_pixels(images_a, "a_to_b")))]
        captions = {}
        for rank in sorted({match.rank for match in matching.matches}):
            of_rank = {match.a: match for match in matching.matches if match.rank == rank}
            shown = [of_rank[name] for name in names_a]
            images_b = self.store_b.pixels[[row_b[match.b] for match in shown]]
            label = f"counterpart {rank} in B"
            rows.append((label, list(images_b)))
            # Adding 0 turns -0.00 into 0.00.
            captions[label] = [f"{round(match.score, 2) + 0:.2f}" for match in shown]
            if rank == 1:
                translated = self.model.translate_pixels(images_b, "b_to_a")
                rows.append((f"its {LABELS['b_to_a']}", list(translated)))
        title = f"{len(best_matches):,} images of A and their counterparts in B"
        with atomic_path(file) as temporary:
            draw_sheet(rows, title, 80, captions).save(temporary)


@dataclass(frozen=True)
class Counterpart:
    """An image of a folder, by its name and row, and its score, as in ``Match``."""

    name: str
    row: int
    score: float


class Counterparts:
    """A folder of a direction's target domain, to be searched by images of its source domain.

    With ``source`` the scores equal those of ``Matcher`` for the two folders. Without, an image's mean distance to its
    ten nearest in the source folder is unknown, and the query's is used in its place.
    """

    def __init__(
        self, translator: Translator, target: ImageStore, direction: Direction, source: ImageStore | None = None
    ) -> None:
        self.names, self.pixels = target.names, target.pixels
        # The points of ``_make_points``, for any number of queries.
        parts = [_thumbnail_vectors(_blocks(target.pixels))]
        scales = [_mean_distance(parts[0])]
        if opposite(direction) in translator.model.directions:
            parts.append(_translated_vectors(translator, target.pixels, opposite(direction)))
            real = parts[1] if source is None else _thumbnail_vectors(_blocks(source.pixels))
            scales.append(_mean_distance(real))
        self._scales = [len(parts) ** 0.5 * scale for scale in scales]
        self._points = _scale_and_join(parts, self._scales)
        self._mean_distance: np.ndarray | None = None
        if source is not None:
            translated = _translated_vectors(translator, source.pixels, direction)
            real = _thumbnail_vectors(_blocks(source.pixels))
            source_points = _scale_and_join([translated, real][: len(parts)], self._scales)
            self._mean_distance = nearest_points(self._points, source_points, NEIGHBOURS)[0].mean(1)

    def find(self, images: Pixels, translated: Pixels, count: int) -> list[list[Counterpart]]:
        """Return the ``count`` most likely counterparts of each image, best first.

        ``images`` and their translations are uint8 (N, H, W, C). The counterparts are among each image's 50 nearest.
        """
        parts = [_thumbnail_vectors([translated]), _thumbnail_vectors([images])]
        points = _scale_and_join(parts[: len(self._scales)], self._scales)
        results = []
        for distances, rows in zip(*nearest_points(points, self._points, max(count, CANDIDATES)), strict=True):
            own_mean = distances[:NEIGHBOURS].mean()
            means = own_mean if self._mean_distance is None else self._mean_distance[rows]
            scores = (own_mean + means) / 2 - distances
            best = np.argsort(-scores, kind="stable")[:count]
            results.append([Counterpart(self.names[rows[i]], int(rows[i]), float(scores[i])) for i in best])
        return results


def open_counterparts(
    translator: Translator, folder_a: Path | None, folder_b: Path | None
) -> dict[Direction, Counterparts]:
    """Return the folder of each direction's target domain, if it is given."""
    store_a = open_folder(translator.config, "a", folder_a) if folder_a else None
    store_b = open_folder(translator.config, "b", folder_b) if folder_b else None
    counterparts = {}
    for direction in translator.directions:
        source, target = source_and_target(direction, store_a, store_b)
        if target is not None:
            counterparts[direction] = Counterparts(translator, target, direction, source)
    return counterparts


def assign(points_a: Tensor, points_b: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the one-to-one assignment with the least total distance: rows of A, rows of B, and their distances.

    ``points_a`` (N, F) and ``points_b`` (M, F). Up to ``DENSE_PAIRS`` pairs the result is optimal (Jonker and Volgenant
    1987). Above that, an image of A is matched with one of its ``CANDIDATES`` nearest or not at all.
    """
    if len(points_a) * len(points_b) <= DENSE_PAIRS:
        distances = torch.cdist(points_a, points_b).numpy()
        rows_a, rows_b = linear_sum_assignment(distances)
        return rows_a, rows_b, distances[rows_a, rows_b]
    return assign_among_nearest(points_a, points_b, CANDIDATES)


def assign_among_nearest(points_a: Tensor, points_b: Tensor, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Like ``assign``, but an image of A is matched with one of its ``count`` nearest, or unmatched at a high cost."""
    distances, nearest = nearest_points(points_a, points_b, count)
    count_a, count_b = nearest.shape[0], len(points_b)
    rows = np.arange(count_a)
    # The solver needs a partner for every row and no zero weight, so each row has its own column for "unmatched".
    unmatched_cost = distances.max() * count_a + 1
    weights = np.concatenate([distances + 1, np.full((count_a, 1), unmatched_cost)], 1)
    columns = np.concatenate([nearest, rows[:, None] + count_b], 1)
    row_starts = np.arange(0, weights.size + 1, weights.shape[1])
    graph = csr_array((weights.ravel(), columns.ravel(), row_starts), shape=(count_a, count_b + count_a))
    rows_a, chosen_columns = min_weight_full_bipartite_matching(graph)
    is_matched = chosen_columns < count_b
    rows_a, rows_b = rows_a[is_matched], chosen_columns[is_matched]
    return rows_a, rows_b, (points_a[rows_a] - points_b[rows_b]).norm(dim=1).numpy()


def nearest_points(points_a: Tensor, points_b: Tensor, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances and rows (N, count) of the points of B (M, F) nearest to each point of A (N, F).

    The nearest is first. faiss is used if it is installed, otherwise blocks of distances; both are exact.
    """
    count = min(count, len(points_b))
    try:
        import faiss
    except ImportError:
        blocks = [_nearest_of_block(block, points_b, count) for block in torch.split(points_a, BLOCK_A_IMAGES)]
        distances = torch.cat([block_distances for block_distances, _ in blocks])
        rows = torch.cat([block_rows for _, block_rows in blocks])
        return distances.numpy(), rows.numpy()
    index = faiss.IndexFlatL2(points_b.shape[1])
    index.add(points_b.numpy())
    squared_distances, nearest = index.search(points_a.numpy(), count)
    return np.sqrt(np.maximum(squared_distances, 0)), nearest


def _nearest_of_block(block: Tensor, points_b: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return distances and rows as ``nearest_points`` does, by merging the nearest so far with each block of B."""
    best_distances, best_rows = torch.empty(len(block), 0), torch.empty(len(block), 0, dtype=torch.long)
    for start in range(0, len(points_b), BLOCK_B_IMAGES):
        distances = torch.cdist(block, points_b[start : start + BLOCK_B_IMAGES])
        rows = torch.arange(start, start + distances.shape[1]).expand(len(block), -1)
        all_distances = torch.cat([best_distances, distances], 1)
        all_rows = torch.cat([best_rows, rows], 1)
        best_distances, columns = all_distances.topk(min(count, all_distances.shape[1]), largest=False)
        best_rows = all_rows.gather(1, columns)
    return best_distances, best_rows


def _make_points(model: TranslationModel, pixels_a: Pixels, pixels_b: Pixels) -> tuple[Tensor, Tensor]:
    """Return a point for each image of A (N, 1536) and of B (M, 1536), from uint8 (N, H, W, C) and (M, H, W, C).

    An image of A is its translation and itself, an image of B itself and its translation, both as thumbnails. Each half
    is divided by the mean distance of two images of its domain. So the distance of two points is 0 for images that are
    each other's translations, and about 1 for random images. A run that trains one direction has one half, 768 values.
    """
    parts_a, parts_b = [], []
    for direction in model.directions:
        sources, targets = source_and_target(direction, pixels_a, pixels_b)
        translations = (model.translate_pixels(block, direction) for block in _blocks(sources))
        translated, real = _thumbnail_vectors(translations), _thumbnail_vectors(_blocks(targets))
        scale = len(model.directions) ** 0.5 * _mean_distance(real)
        half_a, half_b = source_and_target(direction, translated / scale, real / scale)
        parts_a.append(half_a)
        parts_b.append(half_b)
    return torch.cat(parts_a, 1), torch.cat(parts_b, 1)


def _thumbnail_vectors(blocks: Iterator[Pixels] | Sequence[Pixels]) -> Tensor:
    """Return the thumbnails of uint8 images (N, H, W, C), given in blocks, as vectors (N, 768)."""
    return torch.cat([make_thumbnails(to_unit_rgb(block)).flatten(1) for block in blocks])


def _translated_vectors(translator: Translator, pixels: Pixels, direction: Direction) -> Tensor:
    """Return the thumbnails of the translations of uint8 images (N, H, W, C) as vectors (N, 768)."""
    return _thumbnail_vectors(translator.translate_pixels(block, direction) for block in _blocks(pixels))


def _scale_and_join(parts: Sequence[Tensor], scales: Sequence[float]) -> Tensor:
    return torch.cat([part / scale for part, scale in zip(parts, scales, strict=True)], 1)


def _mean_distance(points: Tensor) -> float:
    """Return the mean distance of two points, from at most ``SCALE_IMAGES`` of them; 1 if all points are equal."""
    # Not ``evenly_spaced``: another selection would change the scores of a run's matches.
    some = points[:: 1 + (len(points) - 1) // SCALE_IMAGES]
    return torch.nn.functional.pdist(some).mean().item() or 1.0 if len(some) > 1 else 1.0


def _blocks(pixels: Pixels) -> Iterator[Pixels]:
    for start in range(0, len(pixels), BLOCK_A_IMAGES):
        yield np.array(pixels[start : start + BLOCK_A_IMAGES])
