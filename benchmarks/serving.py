"""Measure many concurrent requests to a served run: wrong responses, waiting times, and the cost of batching.

    python benchmarks/serving.py RUN IMAGES [--requests 500] [--repeats 3]

Starts ``discogan serve`` as a process, sends all requests at the same time with the images of a folder in turn, and
compares each response with the output of ``Translator``. The throughput is compared with that of
``Translator.translate_files`` on the same images (decoding, translation, PNG), measured on the same cores. The results
are medians over the repeats.
"""

import argparse
import asyncio
import io
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
from PIL import Image

import discogan
from discogan.images import image_files

HEAD = (
    "POST /v1/translate?direction=a_to_b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.run, arguments.images, arguments.requests, arguments.repeats), indent=2))


def measure(run: Path, images: Path, requests: int, repeats: int = 1) -> dict[str, float]:
    """Return counts, seconds and rates; ``share`` is the throughput of the service over that of translating files."""
    files = image_files(images)
    files = [files[number % len(files)] for number in range(requests)]
    translator = discogan.load(run)
    expected = [np.asarray(image) for image in translator.translate([Image.open(file) for file in files], "a_to_b")]
    bodies = [file.read_bytes() for file in files]
    batch, service, waits, wrong = [], [], [], 0
    with Server(run) as port:
        asyncio.run(send_all(port, bodies[:64]))  # Warm-up.
        for _ in range(repeats):
            batch.append(requests / translate_seconds(translator, bodies))
            started = time.perf_counter()
            responses = asyncio.run(send_all(port, bodies))
            service.append(requests / (time.perf_counter() - started))
            waits += [seconds for _, seconds in responses]
            for (response, _), image in zip(responses, expected, strict=True):
                wrong += not is_correct(response, image)
    return {
        "requests": requests * repeats,
        "lost_or_wrong": wrong,
        "p50_seconds": float(np.percentile(waits, 50)),
        "p99_seconds": float(np.percentile(waits, 99)),
        "images_per_second": statistics.median(service),
        "batch_images_per_second": statistics.median(batch),
        "share": statistics.median(served / translated for served, translated in zip(service, batch, strict=True)),
    }


class Server:
    """Run ``discogan serve`` on a free port within a ``with`` block."""

    def __init__(self, run: Path, *flags: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.command = [sys.executable, "-m", "discogan", "serve", str(run), "--port", str(self.port), *flags]

    def __enter__(self) -> int:
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz").read()
                return self.port
            except OSError:
                assert self.process.poll() is None, "the server ended"
                time.sleep(0.1)
        raise TimeoutError("the server did not start")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(20)


def translate_seconds(translator: discogan.Translator, bodies: list[bytes]) -> float:
    """Return the seconds that ``discogan translate`` needs for the same images, without its start-up."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in"
        source.mkdir()
        for number, body in enumerate(bodies):
            (source / f"{number:05}.png").write_bytes(body)
        started = time.perf_counter()
        translator.translate_files(source, Path(folder) / "out", "a_to_b")
        return time.perf_counter() - started


async def send_all(port: int, bodies: list[bytes]) -> list[tuple[bytes, float]]:
    """Send all requests at the same time, each over its own connection; return the responses and their seconds."""
    return await asyncio.gather(*(send(port, body) for body in bodies))


async def send(port: int, body: bytes) -> tuple[bytes, float]:
    """Send one request over a plain socket, because a client library would use the cores that the server needs."""
    started = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD.format(len(body)).encode() + body)
    response = await reader.read()
    writer.close()
    return response, time.perf_counter() - started


def is_correct(response: bytes, expected: np.ndarray) -> bool:
    """Return whether an HTTP response contains the image that the translator outputs."""
    head, _, body = response.partition(b"\r\n\r\n")
    return b" 200 " in head.splitlines()[0] and np.array_equal(np.asarray(Image.open(io.BytesIO(body))), expected)


if __name__ == "__main__":
    main()
