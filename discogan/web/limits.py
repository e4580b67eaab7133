"""What a request may cost, and the reading of an upload within that: in memory alone, never on disk."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi import HTTPException, Request
from PIL import Image
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from discogan.config import require
from discogan.web.batching import BusyError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")


@dataclass(frozen=True)
class Limits:
    """Bounds on one request and on all that wait."""

    max_bytes: int = 10_000_000
    """Bytes of an upload."""
    max_pixels: int = 25_000_000
    """Width times height of an image."""
    max_waiting: int = 1024
    """Images that wait for their turn; one more is told to come back later (503)."""
    max_batch: int = 64
    """Images that are translated together."""
    seconds: float = 30.0
    """Time an upload may take, and again its translation."""
    max_held: int = 1_000_000_000
    """Bytes of all uploads in memory at once, finished or not; one more is told to come back later (503)."""

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_pixels", "max_batch"):
            require(name, getattr(self, name), at_least=1)
        require("max_held", self.max_held, at_least=self.max_bytes)
        require("max_waiting", self.max_waiting, at_least=0)
        require("seconds", self.seconds, at_least=0.001)


class Room:
    """The memory that uploads share: each holds what it has sent until it is decoded."""

    def __init__(self, most: int) -> None:
        self.most, self.held = most, 0

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """Takes bytes as they come, and gives all of them back at the end; ``BusyError`` where there is no room."""
        own = 0

        def take(count: int) -> None:
            nonlocal own
            if self.held + count > self.most:
                raise BusyError(1)
            own += count
            self.held += count

        try:
            yield take
        finally:
            self.held -= own


async def read_image(request: Request, limits: Limits, take: Callable[[int], None]) -> Image.Image:
    """The image of a request, as its body or as the field ``image`` of a form; not decoded yet.

    ``take`` is told of all bytes that are held. Raises ``HTTPException``: 408 too slow, 413 too large, 415 not an
    image that is read here, 422 no such field.
    """
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limits.max_bytes:
        raise HTTPException(413, f"The upload has more than {limits.max_bytes:,} bytes.")
    try:
        async with asyncio.timeout(limits.seconds):
            data = await _read_bytes(request, limits.max_bytes, take)
    except TimeoutError as error:
        raise HTTPException(408, f"The upload took more than {limits.seconds:g} seconds.") from error
    return _open(data, limits.max_pixels)


async def _read_bytes(request: Request, most: int, take: Callable[[int], None]) -> bytes:
    chunks = _bounded(request.stream(), most, take)
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return b"".join([chunk async for chunk in chunks])
    parser = MultiPartParser(request.headers, chunks, max_files=1, max_fields=8)
    # Starlette would put larger files on disk; earlier versions know the bound by the other name.
    parser.spool_max_size = parser.max_file_size = most + 1  # type: ignore[attr-defined]
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise HTTPException(422, f"The form cannot be read: {error.message}") from error
    file = form.get("image")
    if not isinstance(file, UploadFile):
        raise HTTPException(422, "The form has no file called image.")
    return await file.read()


async def _bounded(stream: AsyncIterator[bytes], most: int, take: Callable[[int], None]) -> AsyncGenerator[bytes, None]:
    """The chunks of a body, until there are too many bytes."""
    total = 0
    async for chunk in stream:
        total += len(chunk)
        if total > most:
            raise HTTPException(413, f"The upload has more than {most:,} bytes.")
        take(len(chunk))
        yield chunk


def _open(data: bytes, most: int) -> Image.Image:
    """The image by its header, before anything is decoded."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Exception as error:  # A damaged file makes Pillow's plugins raise almost anything.
        raise HTTPException(415, f"Not an image; send one of {', '.join(FORMATS)}.") from error
    if image.width * image.height > most:
        raise HTTPException(413, f"The image has more than {most:,} pixels.")
    return image
