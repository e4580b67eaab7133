"""Whether translations look the same way as their inputs, where the azimuth of the images is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from discogan.checkpoints import load_model, read_tensors, write_tensors
from discogan.config import Config
from discogan.data.domains import domain_decoding
from discogan.data.labels import Labelled, labelled_images
from discogan.data.store import Decoding, open_store
from discogan.devices import pick_device
from discogan.errors import DataError
from discogan.evaluation.scores import Scores, as_unit
from discogan.images import Pixels
from discogan.metrics.azimuth import AzimuthRegressor, Fitted, azimuth, fit_regressor


def evaluate_azimuth(
    run: str | Path,
    folder_a: str | Path,
    folder_b: str | Path,
    *,
    regressors: tuple[Fitted, Fitted] | None = None,
    directions: Sequence[str] | None = None,
    device: str = "auto",
) -> Scores:
    """Translate labelled images and read the azimuths of the results: ``{"a_to_b": {...}, "b_to_a": {...}}``.

    Each folder holds images of its domain with azimuths (``discogan.data.labels``), best of things that training
    never saw. ``regressors`` (of A, of B) read azimuths; without them they are trained on the same folders and on
    the run's own images where those carry azimuths too: the more things a regressor knows, the less it errs.
    ``directions`` are by default those that the run has learned. Each has what ``discogan.metrics.azimuth`` gives, the
    regressor's own median error on real images as ``regressor_error``, the error of the untranslated input as
    ``identity_median_error``, and the angles themselves as ``inputs`` and ``outputs``, in degrees. Raises
    ``DataError`` where azimuths are missing.
    """
    model, config = load_model(run, pick_device(device))
    sets = [labelled_images(Path(folder)) for folder in (folder_a, folder_b)]
    decodings = domain_decoding(config, "a"), domain_decoding(config, "b")
    if regressors is None:
        known = [[*listed, *_labelled_training(config, domain)] for listed, domain in zip(sets, "ab", strict=True)]
        regressors = fit_domain(known[0], decodings[0]), fit_domain(known[1], decodings[1])
    pixels = [_open(listed, decoding) for listed, decoding in zip(sets, decodings, strict=True)]
    scores: Scores = {}
    for direction in directions or model.directions:
        source, target = (0, 1) if direction == "a_to_b" else (1, 0)
        translated = model.translate_pixels(pixels[source], direction)
        scores[direction] = _score(regressors[target], translated, pixels[source], _degrees(sets[source]))
    return scores


def _labelled_training(config: Config, domain: str) -> list[Labelled]:
    """The images of a domain that a run trained on, where they are a folder that is still there and has azimuths."""
    folder = config.source.get(domain)
    try:
        return labelled_images(Path(folder)) if folder else []
    except DataError:
        return []


def fit_domain(listed: Sequence[Labelled], decoding: Decoding) -> Fitted:
    """A regressor for labelled images, decoded as a run sees them."""
    return fit_regressor(as_unit(_open(listed, decoding)), _degrees(listed), [image.identity for image in listed])


def load_regressor(file: Path, folders: Sequence[Path], decoding: Decoding) -> Fitted:
    """The regressor kept in ``file`` (.safetensors), fitted on the labelled folders and written there if it is new."""
    if not file.exists():
        fitted = fit_domain([image for folder in folders for image in labelled_images(folder)], decoding)
        own = {"test_error": torch.tensor(fitted.test_error), "test_images": torch.tensor(fitted.test_images)}
        unfinished = file.with_name(f".{file.name}")
        write_tensors(unfinished, {**fitted.regressor.state_dict(), **own})
        unfinished.replace(file)
    state = read_tensors(file.parent, file.stem)
    error, count = state.pop("test_error").item(), state.pop("test_images").item()
    regressor = AzimuthRegressor()
    regressor.load_state_dict(state)
    return Fitted(regressor.eval(), error, int(count))


def _score(fitted: Fitted, translated: Pixels, source: Pixels, inputs: Tensor) -> dict[str, Any]:
    outputs = fitted.regressor.azimuths(as_unit(translated))
    untranslated = azimuth(fitted.regressor.azimuths(as_unit(source)), inputs)
    return {
        **azimuth(outputs, inputs),
        "identity_median_error": untranslated["median_error"],
        "regressor_error": fitted.test_error,
        "inputs": [round(value, 1) for value in inputs.tolist()],
        "outputs": [round(value, 1) for value in outputs.tolist()],
    }


def _open(listed: Sequence[Labelled], decoding: Decoding) -> Pixels:
    store = open_store([image.record for image in listed], decoding)
    if store.skipped:
        raise DataError(f"Labelled images must all be readable: {store.skipped[0]}")
    return np.array(store.pixels)


def _degrees(listed: Sequence[Labelled]) -> Tensor:
    return torch.tensor([image.azimuth for image in listed])
