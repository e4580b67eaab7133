"""The program of a process that parses uploads: ``python -m discogan.web.decoder``.

A damaged or hostile file can keep a codec busy for minutes, fill the memory or crash. Python cannot stop a thread, but
the server can kill a process. So everything that reads the content of an upload happens here: forms, headers of images
and pixels. This program reads tasks from its standard input and writes replies to its standard output. Both are frames
(``pack``): two lengths, a JSON object, and bytes. The server does not unpickle anything that comes from here.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import signal
import struct
import sys
import warnings
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from discogan.errors import DataError
from discogan.images import encode_png, from_pixels, prepare_pixels, unfit_image

try:
    import resource
except ImportError:  # Windows has no memory limits of this kind.
    resource = None  # type: ignore[assignment]

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
FRAME = struct.Struct("!II")
"""The lengths in bytes of a frame's JSON object and of its other content."""
SMALL_IMAGE_PIXELS = 1_000_000
"""Pixels that an image may have without permission for a large image."""
BYTES_PER_PIXEL = 40
"""Memory that decoding needs per pixel. The most expensive kind is 16-bit grey, which becomes float64."""
WORKING_BYTES = 160_000_000
"""Memory for the header of an image, and for a small image, in addition to that of the process at its start."""
MAX_GROWTH_BYTES = 64_000_000
"""Memory that may remain allocated after a task. With more, the process ends and the server starts another one."""
STATM = Path("/proc/self/statm")
"""Linux's file with the size of this process in pages."""


class RefusedError(Exception):
    """An upload that cannot be used. ``outcome`` is a key of ``discogan.web.limits.REFUSALS``."""

    def __init__(self, outcome: str, detail: str = "") -> None:
        super().__init__(outcome)
        self.outcome, self.detail = outcome, detail


def pack(meta: Mapping[str, Any], content_bytes: int) -> bytes:
    """Return the beginning of a frame, which ``content_bytes`` bytes must follow."""
    text = json.dumps(meta).encode()
    return FRAME.pack(len(text), content_bytes) + text


def main() -> None:
    """Work on tasks until the standard input ends."""
    # Ctrl-C and systemd signal all processes of the server. This one must finish the tasks of the last requests.
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    # A library that prints must not write into the replies.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    tasks = sys.stdin.buffer
    start_bytes = _process_bytes()
    while head := tasks.read(FRAME.size):
        meta_length, content_length = FRAME.unpack(head)
        task, content = json.loads(tasks.read(meta_length)), tasks.read(content_length)
        meta, result = _work(task, content, start_bytes)
        del content
        meta["retire"] = _process_bytes() > start_bytes + MAX_GROWTH_BYTES
        replies.write(pack(meta, len(result)))
        replies.write(result)
        replies.flush()


def _work(task: dict[str, Any], content: bytes, start_bytes: int) -> tuple[dict[str, Any], bytes]:
    """Return the reply to a task: its JSON object and its bytes."""
    _end_after(task["seconds"])
    _limit_memory(start_bytes + WORKING_BYTES + 2 * len(content) + BYTES_PER_PIXEL * task["large_pixels"])
    try:
        return _prepare(task, content) if task["kind"] == "prepare" else _enlarge(task, content)
    except RefusedError as error:
        return {"outcome": error.outcome, "detail": error.detail}, b""
    except MemoryError:
        return {"outcome": "memory", "detail": ""}, b""
    except Exception:  # Pillow's plugins raise almost anything for a damaged file.
        return {"outcome": "damaged", "detail": ""}, b""
    finally:
        _end_after(0)


def _prepare(task: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
    """Decode an upload and fit it to the networks; reply with uint8 (H, W, C) and the size of the original.

    The reply is only the number of pixels if the image is large and ``large_pixels`` gives no permission for it.
    """
    if task["content_type"].lower().startswith("multipart/form-data"):
        content = _read_form(content, task["content_type"])
    image = _open_image(content, task["max_pixels"])
    pixels = image.width * image.height
    if pixels > max(SMALL_IMAGE_PIXELS, task["large_pixels"]):
        return {"outcome": "large", "pixels": pixels}, b""
    try:
        prepared = prepare_pixels(image, *task["options"])
    except DataError as error:
        if isinstance(error.__cause__, MemoryError):
            raise error.__cause__ from error
        raise
    meta = {"outcome": "done", "shape": prepared.pixels.shape, "size": prepared.size}
    return meta, prepared.pixels.tobytes()


def _enlarge(task: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
    """Reply with a translation, uint8 (H, W, C), as a PNG file at the size of its original."""
    pixels = np.frombuffer(content, np.uint8).reshape(task["shape"])
    width, height = task["size"]
    return {"outcome": "done"}, encode_png(unfit_image(from_pixels(pixels), (width, height), task["fit"]))


def _open_image(content: bytes, max_pixels: int) -> Image.Image:
    """Read the header of an image, without decoding the pixels."""
    Image.MAX_IMAGE_PIXELS = max_pixels  # Pillow itself refuses twice as many, and warns before.
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except MemoryError:
        raise
    except Image.DecompressionBombError as error:
        raise RefusedError("pixels") from error
    except Exception as error:  # Pillow's plugins raise almost anything for a damaged file.
        raise RefusedError("no_image") from error
    if image.width * image.height > max_pixels:
        raise RefusedError("pixels")
    return image


def _read_form(content: bytes, content_type: str) -> bytes:
    """Return the content of the file field ``image``."""
    from starlette.datastructures import Headers, UploadFile
    from starlette.formparsers import MultiPartException, MultiPartParser

    async def read() -> bytes:
        parser = MultiPartParser(Headers({"content-type": content_type}), chunks(), max_files=1, max_fields=8)
        # Starlette writes larger files to disk. The attribute has another name in earlier versions.
        parser.spool_max_size = parser.max_file_size = len(content) + 1  # type: ignore[attr-defined]
        file = (await parser.parse()).get("image")
        if not isinstance(file, UploadFile):
            raise RefusedError("form", "The form has no file field named image.")
        return await file.read()

    async def chunks() -> AsyncGenerator[bytes, None]:
        yield content

    try:
        return asyncio.run(read())
    except MultiPartException as error:
        raise RefusedError("form", f"The form cannot be read: {error.message}") from error


def _end_after(seconds: float) -> None:
    """End this process after ``seconds``, in case the server cannot do so any more; 0 stops the clock."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _process_bytes() -> int:
    """Return the address space of this process; 0 if the system does not tell."""
    return int(STATM.read_text().split()[0]) * resource.getpagesize() if STATM.exists() else 0


def _limit_memory(count: int) -> None:
    """Let allocations fail above ``count`` bytes of address space. Only Linux enforces the limit."""
    if resource is None or not STATM.exists():
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    with contextlib.suppress(ValueError):  # The hard limit is lower, which is as safe.
        resource.setrlimit(resource.RLIMIT_AS, (count, hard))


if __name__ == "__main__":
    main()
