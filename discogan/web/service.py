"""What the interface does for a request, apart from how it is asked."""

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
from discogan.web.limits import Limits, Room, read_image
from discogan.web.meters import Meters
from discogan.web.models import Served


class Kind(NamedTuple):
    """What images must share to be translated together."""

    model: str
    direction: Direction
    round_trip: bool


class Service:
    """The runs that are served, and the one queue to them."""

    def __init__(self, served: Mapping[str, Served], limits: Limits) -> None:
        self.served, self.limits, self.meters = served, limits, Meters()
        accelerated = any(each.translator.on_accelerator for each in served.values())
        # Each core takes a batch of its own: cores that share one wait for one another, and split odd numbers of images
        # so that a pixel in a thousand is rounded otherwise than alone.
        self.batcher: Batcher[Kind] = Batcher(
            self._translate,
            limits.max_waiting,
            limits.max_batch,
            self.meters.batch_size.observe,
            workers=1 if accelerated else os.cpu_count() or 1,
            on_thread=None if accelerated else lambda: torch.set_num_threads(1),
        )
        self._uploads = Room(limits.max_held)
        # Decoding wants many times the memory of an upload, so only so many are decoded at a time.
        self._decoding = asyncio.Semaphore(4 * (os.cpu_count() or 1))
        self.meters.watch_queue(lambda: self.batcher.waiting)

    def find(self, model: str | None, direction: Direction) -> Served:
        """The run called ``model``, by default the first; 404 where it is not there or does not go that way."""
        name = model or next(iter(self.served))
        if name not in self.served:
            raise HTTPException(404, f"There is no model {name!r}; there are {', '.join(self.served)}.")
        if direction not in self.served[name].directions:
            raise HTTPException(404, f"{name} does not translate {direction}.")
        return self.served[name]

    def folder(self, chosen: Served, direction: Direction) -> Counterparts:
        """Where counterparts are looked for; 404 where no folder was given."""
        if direction not in chosen.counterparts:
            domain = target_domain(direction)
            raise HTTPException(404, f"No folder of {domain.upper()} was given; start with --match-{domain} DIR.")
        return chosen.counterparts[direction]

    async def prepare(self, request: Request, chosen: Served, direction: Direction) -> Prepared:
        """The image of a request as the networks take it; 415 where it is damaged."""
        with self._uploads.share() as take:
            image = await read_image(request, self.limits, take)
            async with self._decoding:
                try:
                    return await asyncio.to_thread(chosen.translator.prepare, image, direction)
                except DataError as error:
                    raise HTTPException(415, "The image is damaged and cannot be decoded.") from error

    async def translate(self, chosen: Served, direction: Direction, pixels: Pixels, round_trip: bool = False) -> Pixels:
        """uint8 (H, W, C) translated, in a batch with others; 404 where there is no way back, 504 after too long."""
        if round_trip and direction not in chosen.translator.model.round_trip_directions:
            raise HTTPException(404, f"{chosen.name} translates one way, so there is no round trip.")
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await self.batcher.submit(Kind(chosen.name, direction, round_trip), pixels)
        except TimeoutError as error:
            raise HTTPException(504, f"The translation took more than {self.limits.seconds:g} seconds.") from error

    def _translate(self, kind: Kind, pixels: Pixels) -> Pixels:
        return self.served[kind.model].translator.translate_pixels(pixels, kind.direction, kind.round_trip)


def encode_png(image: Image.Image) -> bytes:
    """The file of an image; packed lightly, for time is dearer here than bytes."""
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=1)
    return stream.getvalue()
