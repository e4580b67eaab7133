"""Limits of a request, and reading an upload within them, in memory only."""

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
    """Limits of one request and of all requests together."""

    max_bytes: int = 10_000_000
    """Maximum bytes of an upload."""
    max_pixels: int = 25_000_000
    """Maximum width times height of an image."""
    max_waiting: int = 1024
    """Maximum queued images; further requests get 503 with Retry-After."""
    max_batch: int = 64
    """Maximum images of a batch."""
    seconds: float = 30.0
    """Maximum time of an upload, and also of its translation."""
    max_held: int = 1_000_000_000
    """Maximum bytes of all uploads in memory; further requests get 503 with Retry-After."""

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_pixels", "max_batch"):
            require(name, getattr(self, name), at_least=1)
        require("max_held", self.max_held, at_least=self.max_bytes)
        require("max_waiting", self.max_waiting, at_least=0)
        require("seconds", self.seconds, at_least=0.001)


class UploadMemory:
    """The memory that all uploads share. An upload holds its bytes until it is decoded."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes, self.held = max_bytes, 0

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """Provide a function that reserves bytes for one upload; all are released at the end.

        The function raises ``BusyError`` if too little memory is free.
        """
        reserved = 0

        def take(count: int) -> None:
            nonlocal reserved
            if self.held + count > self.max_bytes:
                raise BusyError(1)
            reserved += count
            self.held += count

        try:
            yield take
        finally:
            self.held -= reserved


async def read_image(request: Request, limits: Limits, take: Callable[[int], None]) -> Image.Image:
    """Return the image of a request, from its body or from the field ``image`` of a form; it is not decoded yet.

    ``take`` is called with the number of bytes of each chunk. Raises ``HTTPException`` 408 if the upload is too slow,
    and 413 if it is too large. Raises 415 if it is not an image, and 422 if the form lacks the field.
    """
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limits.max_bytes:
        raise HTTPException(413, f"The upload has more than {limits.max_bytes:,} bytes.")
    try:
        async with asyncio.timeout(limits.seconds):
            data = await _read_bytes(request, limits.max_bytes, take)
    except TimeoutError as error:
        raise HTTPException(408, f"The upload took more than {limits.seconds:g} seconds.") from error
    return _open_image(data, limits.max_pixels)


async def _read_bytes(request: Request, max_bytes: int, take: Callable[[int], None]) -> bytes:
    chunks = _limit_bytes(request.stream(), max_bytes, take)
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return b"".join([chunk async for chunk in chunks])
    parser = MultiPartParser(request.headers, chunks, max_files=1, max_fields=8)
    # Starlette writes larger files to disk. The attribute has another name in earlier versions.
    parser.spool_max_size = parser.max_file_size = max_bytes + 1  # type: ignore[attr-defined]
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise HTTPException(422, f"The form cannot be read: {error.message}") from error
    file = form.get("image")
    if not isinstance(file, UploadFile):
        raise HTTPException(422, "The form has no file field named image.")
    return await file.read()


async def _limit_bytes(
    stream: AsyncIterator[bytes], max_bytes: int, take: Callable[[int], None]
) -> AsyncGenerator[bytes, None]:
    """Yield the chunks of a body; raise ``HTTPException`` 413 if they have too many bytes."""
    total = 0
    async for chunk in stream:
        total += len(chunk)
        if total > max_bytes:
            raise HTTPException(413, f"The upload has more than {max_bytes:,} bytes.")
        take(len(chunk))
        yield chunk


def _open_image(data: bytes, max_pixels: int) -> Image.Image:
    """Read the header of an image, without decoding the pixels."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Exception as error:  # Pillow's plugins raise almost anything for a damaged file.
        raise HTTPException(415, f"The upload is not an image. Send one of {', '.join(FORMATS)}.") from error
    if image.width * image.height > max_pixels:
        raise HTTPException(413, f"The image has more than {max_pixels:,} pixels.")
    return image
