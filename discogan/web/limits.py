"""Limits of a request and of all requests together, and reading an upload within them, in memory only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import HTTPException, Request

from discogan.config import require
from discogan.web.decoder import FORMATS

REFUSALS = {
    "no_image": (415, f"The upload is not an image. Send one of {', '.join(FORMATS)}."),
    "damaged": (415, "The image is damaged and cannot be decoded."),
    "memory": (413, "The image needs too much memory. Send a smaller one."),
    "pixels": (413, "The image has more than {max_pixels:,} pixels."),
    "form": (422, "{detail}"),
}
"""Status and message for each outcome of ``discogan.web.decoder`` that is not a result."""


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
    """Maximum time of a request: upload, decoding, translation and encoding together."""
    decode_seconds: float = 10.0
    """Maximum time of decoding one image, without waiting."""
    max_held: int = 250_000_000
    """Maximum bytes of all uploads and enlarged results in memory; further requests get 503 with Retry-After."""
    max_connections: int = 2048
    """Maximum open connections. A further one replaces the oldest that has not sent its request yet."""
    max_client_connections: int = 1024
    """Maximum open connections of one address, in the same way."""

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_pixels", "max_batch", "max_connections", "max_client_connections"):
            require(name, getattr(self, name), at_least=1)
        require("max_held", self.max_held, at_least=self.max_bytes)
        require("max_waiting", self.max_waiting, at_least=0)
        for name in ("seconds", "decode_seconds"):
            require(name, getattr(self, name), at_least=0.001)


async def read_upload(request: Request, max_bytes: int, take: Callable[[int], None]) -> list[bytes]:
    """Return the body of a request in chunks; raise ``HTTPException`` 413 if it has too many bytes.

    ``take`` is called with the number of bytes of each chunk.
    """
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise HTTPException(413, f"The upload has more than {max_bytes:,} bytes.")
    chunks, total = [], 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > max_bytes:
            raise HTTPException(413, f"The upload has more than {max_bytes:,} bytes.")
        take(len(chunk))
        chunks.append(chunk)
    return chunks


def refuse(outcome: str, detail: str, limits: Limits) -> HTTPException:
    """Return the response to an upload that cannot be used."""
    status, message = REFUSALS[outcome]
    return HTTPException(status, message.format(max_pixels=limits.max_pixels, detail=detail))
