"""The work behind the routes: finding models, reading images, translating and encoding."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from fastapi import HTTPException, Request

from discogan.directions import Direction, target_domain
from discogan.images import Pixels, Prepared, encode_png, from_pixels
from discogan.matching import Counterparts
from discogan.web.batching import Batcher
from discogan.web.decoder import SMALL_IMAGE_PIXELS
from discogan.web.decoding import Decoders, PixelMemory, StoppedError, UploadMemory, process_count
from discogan.web.limits import Limits, read_upload, refuse
from discogan.web.meters import Meters
from discogan.web.models import Served

WAITING_IMAGES = 8
"""Images of the maximum number of pixels that may wait for memory, while one is decoded."""
MAX_BYTES_PER_PIXEL = 4
"""The size of an uncompressed PNG file of 8-bit RGB pixels, and more."""


class Kind(NamedTuple):
    """The properties that all images of a batch have in common."""

    model: str
    direction: Direction
    round_trip: bool


class Deadline:
    """The time at which a request must be answered."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = asyncio.get_running_loop().time() + seconds

    @asynccontextmanager
    async def limit(self, status: int, what: str) -> AsyncIterator[None]:
        """Cancel the block at the deadline, and raise ``HTTPException``."""
        try:
            async with asyncio.timeout_at(self._end):
                yield
        except TimeoutError as error:
            raise HTTPException(status, f"The {what} was not finished {self.seconds:g} s after the request.") from error


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
        self.upload_memory = UploadMemory(limits.max_held)
        self.pixel_memory = PixelMemory(limits.max_pixels, WAITING_IMAGES * limits.max_pixels)
        self.decoders = Decoders(
            process_count(), limits.decode_seconds, max(1, limits.max_waiting), self.meters.stopped_decodings.inc
        )
        self.meters.watch_queue(lambda: self.batcher.waiting)

    async def close(self) -> None:
        """Stop the threads and the processes."""
        self.batcher.close()
        await self.decoders.close()

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
            value = "DIR" if len(self.served) == 1 else f"{chosen.name}=DIR"
            raise HTTPException(
                404,
                f"The server has no folder of images of {domain.upper()} for {chosen.name}. "
                f"Start it with --match-{domain} {value}.",
            )
        return chosen.counterparts[direction]

    async def prepare(self, request: Request, chosen: Served, direction: Direction, deadline: Deadline) -> Prepared:
        """Return the image of a request, fitted to the networks.

        The image is the body, or the field ``image`` of a form. Raises ``HTTPException`` 408 if the upload is too slow,
        and 504 if decoding is. Otherwise its status says what is wrong with the upload (``REFUSALS``).
        """
        with self.upload_memory.share() as take:
            async with deadline.limit(408, "upload"):
                chunks = await read_upload(request, self.limits.max_bytes, take)
            task = {
                "kind": "prepare",
                "content_type": request.headers.get("content-type", ""),
                "options": chosen.translator.preparation(direction),
                "max_pixels": self.limits.max_pixels,
                "large_pixels": 0,
                "max_reply_bytes": 3 * chosen.translator.config.data.image_size**2,
            }
            async with deadline.limit(504, "decoding"):
                meta, pixels = await self._decode(request, task, chunks)
                if meta["outcome"] == "large":
                    async with self.pixel_memory.share(meta["pixels"]):
                        meta, pixels = await self._decode(request, task | {"large_pixels": meta["pixels"]}, chunks)
        width, height = meta["size"]
        return Prepared(np.frombuffer(pixels, np.uint8).reshape(meta["shape"]), (width, height))

    async def _decode(
        self, request: Request, task: Mapping[str, Any], content: list[bytes]
    ) -> tuple[dict[str, Any], bytes]:
        """Return the result of a task; raise ``HTTPException`` if the upload cannot be used."""
        try:
            meta, result = await self.decoders.run(task, content, request.is_disconnected)
        except StoppedError as error:
            raise HTTPException(504, f"Decoding took more than {self.limits.decode_seconds:g} s.") from error
        if meta["outcome"] in ("done", "large"):
            return meta, result
        raise refuse(meta["outcome"], meta["detail"], self.limits)

    async def translate(
        self,
        chosen: Served,
        direction: Direction,
        pixels: Pixels,
        deadline: Deadline,
        round_trip: bool = False,
    ) -> Pixels:
        """Translate uint8 (H, W, C) in a batch; 404 if the round trip was not trained, 504 if it takes too long."""
        if round_trip and direction not in chosen.translator.model.round_trip_directions:
            raise HTTPException(
                404, f"{chosen.name} has no round trip for {direction}, because the reverse direction was not trained."
            )
        async with deadline.limit(504, "translation"):
            return await self.batcher.submit(Kind(chosen.name, direction, round_trip), pixels)

    async def encode(self, translated: Pixels) -> bytes:
        """Return a translation, uint8 (H, W, C), as a PNG file at the size of the networks."""
        return await asyncio.to_thread(lambda: encode_png(from_pixels(translated)))

    async def enlarge(
        self, request: Request, chosen: Served, translated: Pixels, size: tuple[int, int], deadline: Deadline
    ) -> bytes:
        """Return a translation as a PNG file at the size of its original; 504 if it takes too long."""
        pixels = size[0] * size[1]
        is_large = pixels > SMALL_IMAGE_PIXELS
        task = {
            "kind": "enlarge",
            "shape": translated.shape,
            "size": size,
            "fit": chosen.translator.config.data.fit,
            "large_pixels": pixels if is_large else 0,
            "max_reply_bytes": MAX_BYTES_PER_PIXEL * pixels + 10_000,
        }
        async with deadline.limit(504, "result"), self.pixel_memory.share(pixels if is_large else 0):
            _, file = await self._decode(request, task, [translated.tobytes()])
        return file

    def _translate(self, kind: Kind, pixels: Pixels) -> Pixels:
        return self.served[kind.model].translator.translate_pixels(pixels, kind.direction, kind.round_trip)
