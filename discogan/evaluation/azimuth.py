"""Whether translations face the same way as their inputs, for images with known azimuths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from discogan.checkpoints import load_model, parse_tensors, write_tensors
from discogan.config import Config
from discogan.data.decoding import Decoding
from discogan.data.domains import domain_decoding
from discogan.data.labels import Labelled, labelled_images
from discogan.data.store import open_store
from discogan.devices import pick_device
from discogan.errors import DataError
from discogan.evaluation.angles import compare_azimuths
from discogan.evaluation.azimuth_regressor import AzimuthRegressor, FittedRegressor, fit_regressor
from discogan.evaluation.scores import Scores
from discogan.files import atomic_path, read_regular
from discogan.images import Pixels, to_unit_rgb
from discogan.names import path_of


def evaluate_azimuth(
    run: str | Path,
    folder_a: str | Path,
    folder_b: str | Path,
    *,
    regressors: tuple[FittedRegressor, FittedRegressor] | None = None,
    directions: Sequence[str] | None = None,
    device: str = "auto",
) -> Scores:
    """Translate labelled images and compare the azimuths of inputs and outputs: ``{"a_to_b": {...}, "b_to_a": {...}}``.

    Parameters
    ----------
    run
        The run folder or a checkpoint.
    folder_a, folder_b
        Images of each domain with azimuths (``discogan.data.labels``), preferably of objects that training did not use.
    regressors
        Regressors for A and B. By default they are trained on these folders, and on the run's own images if those
        have azimuths, because a regressor is more accurate the more objects it has seen.
    directions
        By default the directions that the run trains.

    Each direction has the values of ``compare_azimuths``. ``regressor_error`` is the regressor's own median error on
    real images, and ``identity_median_error`` the error of the untranslated input. ``inputs`` and ``outputs`` are the
    azimuths in degrees. Raises ``DataError`` if azimuths are missing.
    """
    model, config = load_model(run, pick_device(device))
    sets = [labelled_images(Path(folder)) for folder in (folder_a, folder_b)]
    decodings = domain_decoding(config, "a"), domain_decoding(config, "b")
    if regressors is None:
        known_a = [*sets[0], *_labelled_training_images(config, "a")]
        known_b = [*sets[1], *_labelled_training_images(config, "b")]
        regressors = fit_domain(known_a, decodings[0]), fit_domain(known_b, decodings[1])
    pixels = [_open(labelled, decoding) for labelled, decoding in zip(sets, decodings, strict=True)]
    scores: Scores = {}
    for direction in directions or model.directions:
        source, target = (0, 1) if direction == "a_to_b" else (1, 0)
        translated = model.translate_pixels(pixels[source], direction)
        scores[direction] = _score(regressors[target], translated, pixels[source], _degrees(sets[source]))
    return scores


def _labelled_training_images(config: Config, domain: str) -> list[Labelled]:
    """Return a domain's training images if they are an existing folder with azimuths, else none."""
    folder = config.source.get(domain)
    try:
        return labelled_images(path_of(folder)) if folder else []
    except DataError:
        return []


def fit_domain(labelled: Sequence[Labelled], decoding: Decoding) -> FittedRegressor:
    """Fit a regressor to labelled images, decoded in the same way as a run's images."""
    images = to_unit_rgb(_open(labelled, decoding))
    return fit_regressor(images, _degrees(labelled), [image.identity for image in labelled])


def load_regressor(file: Path, folders: Sequence[Path], decoding: Decoding) -> FittedRegressor:
    """Load the regressor in ``file`` (.safetensors); if there is none, fit it to the labelled folders and write it."""
    if not file.exists():
        fitted = fit_domain([image for folder in folders for image in labelled_images(folder)], decoding)
        test = {"test_error": torch.tensor(fitted.test_error), "test_images": torch.tensor(fitted.test_images)}
        with atomic_path(file) as temporary:
            write_tensors(temporary, {**fitted.regressor.state_dict(), **test})
    state = parse_tensors(read_regular(file), file)
    error, count = state.pop("test_error").item(), state.pop("test_images").item()
    regressor = AzimuthRegressor()
    regressor.load_state_dict(state)
    return FittedRegressor(regressor.eval(), error, int(count))


def _score(fitted: FittedRegressor, translated: Pixels, source: Pixels, inputs: Tensor) -> dict[str, Any]:
    outputs = fitted.regressor.azimuths(to_unit_rgb(translated))
    untranslated = compare_azimuths(fitted.regressor.azimuths(to_unit_rgb(source)), inputs)
    return {
        **compare_azimuths(outputs, inputs),
        "identity_median_error": untranslated["median_error"],
        "regressor_error": fitted.test_error,
        "inputs": [round(value, 1) for value in inputs.tolist()],
        "outputs": [round(value, 1) for value in outputs.tolist()],
    }


def _open(labelled: Sequence[Labelled], decoding: Decoding) -> Pixels:
    store = open_store([image.record for image in labelled], decoding)
    if store.skipped:
        raise DataError(f"Labelled images must all be readable: {store.skipped[0]}")
    return np.array(store.pixels)


def _degrees(labelled: Sequence[Labelled]) -> Tensor:
    return torch.tensor([image.azimuth for image in labelled])
