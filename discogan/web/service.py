"""The work behind the routes: finding models, reading images, translating and encoding."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Mapping
from typing import NamedTuple

import torch
from fastapi import HTTPException, Request
from PIL import Image

from discogan.directions import Direction, target_domain
from discogan.errors import DataError
from discogan.images import Pixels
from discogan.matching import Counterparts
from discogan.translator import Prepared
from discogan.web.batching import Batcher
from discogan.web.limits import Limits, UploadMemory, read_image
from discogan.web.meters import Meters
from discogan.web.models import Served


class Kind(NamedTuple):
    """The properties that all images of a batch have in common."""

    model: str
    direction: Direction
    round_trip: bool


class Service:
    """The served runs and their common queue."""

    def __init__(self, served: Mapping[str, Served], limits: Limits) -> None:
        self.served, self.limits, self.meters = served, limits, Meters()
        accelerated = any(run.translator.on_accelerator for run in served.values())
        # Each core translates its own batch. Sharing a batch costs waiting time, and splitting an odd number of images
        # rounds one pixel in a thousand differently.
        self.batcher: Batcher[Kind] = Batcher(
            self._translate,
            limits.max_waiting,
            limits.max_batch,
            self.meters.batch_size.observe,
            workers=1 if accelerated else torch.get_num_threads(),
            on_thread=None if accelerated else lambda: torch.set_num_threads(1),
        )
        self._upload_memory = UploadMemory(limits.max_held)
        # Decoding needs many times the memory of an upload, so the number of simultaneous decodings is limited.
        self._decoding = asyncio.Semaphore(4 * (os.cpu_count() or 1))
        self.meters.watch_queue(lambda: self.batcher.waiting)

    def find(self, model: str | None, direction: Direction) -> Served:
        """Return the run named ``model``, by default the first; 404 if it is missing or does not know the direction."""
        name = model or next(iter(self.served))
        if name not in self.served:
            raise HTTPException(404, f"There is no model {name!r}. Choose one of: {', '.join(self.served)}.")
        if direction not in self.served[name].directions:
            raise HTTPException(404, f"{name} does not translate {direction}.")
        return self.served[name]

    def folder(self, chosen: Served, direction: Direction) -> Counterparts:
        """Return the folder that is searched for counterparts; 404 if none was given."""
        if direction not in chosen.counterparts:
            domain = target_domain(direction)
            raise HTTPException(
                404, f"The server has no folder of images of {domain.upper()}. Start it with --match-{domain} DIR."
            )
        return chosen.counterparts[direction]

    async def prepare(self, request: Request, chosen: Served, direction: Direction) -> Prepared:
        """Return the image of a request, fitted to the networks; 415 if it is damaged."""
        with self._upload_memory.share() as take:
            image = await read_image(request, self.limits, take)
            async with self._decoding:
                try:
                    return await asyncio.to_thread(chosen.translator.prepare, image, direction)
                except DataError as error:
                    raise HTTPException(415, "The image is damaged and cannot be decoded.") from error

    async def translate(self, chosen: Served, direction: Direction, pixels: Pixels, round_trip: bool = False) -> Pixels:
        """Translate uint8 (H, W, C) in a batch; 404 if the round trip was not trained, 504 after ``limits.seconds``."""
        if round_trip and direction not in chosen.translator.model.round_trip_directions:
            raise HTTPException(
                404, f"{chosen.name} has no round trip for {direction}, because the reverse direction was not trained."
            )
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await self.batcher.submit(Kind(chosen.name, direction, round_trip), pixels)
        except TimeoutError as error:
            raise HTTPException(504, f"The translation took more than {self.limits.seconds:g} seconds.") from error

    def _translate(self, kind: Kind, pixels: Pixels) -> Pixels:
        return self.served[kind.model].translator.translate_pixels(pixels, kind.direction, kind.round_trip)


def encode_png(image: Image.Image) -> bytes:
    """Return an image as a PNG file, with low compression, because that is much faster."""
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=1)
    return stream.getvalue()
