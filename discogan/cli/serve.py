"""``discogan serve``."""

from __future__ import annotations

import socket
from pathlib import Path

from discogan.cli.console import say
from discogan.cli.parameters import Device


def serve(
    *runs: Path,
    host: str = "127.0.0.1",
    port: int = 8000,
    match_a: Path | None = None,
    match_b: Path | None = None,
    max_megabytes: float = 10.0,
    max_megapixels: float = 25.0,
    max_waiting: int = 1024,
    max_batch: int = 64,
    seconds: float = 30.0,
    examples: bool = True,
    device: Device = "auto",
) -> None:
    """Put runs behind a page and an HTTP interface. Uploads stay in memory; nothing of them is kept.

    Parameters
    ----------
    runs
        Runs, checkpoints or exported ONNX files; the first answers where a request names none.
    host
        Address to listen on; 0.0.0.0 for every one that the machine has.
    port
        Port to listen on.
    match_a
        Folder of images of A in which counterparts of images of B are looked for.
    match_b
        Folder of images of B in which counterparts of images of A are looked for.
    max_megabytes
        Largest upload.
    max_megapixels
        Largest image.
    max_waiting
        Images that may wait; one more is answered 503 with Retry-After.
    max_batch
        Images that are translated together.
    seconds
        Longest time for an upload, and for its translation.
    examples
        Show some of the images that a run trains on, to try it with; --no-examples keeps them from visitors.
    """
    from discogan.extras import import_extra

    uvicorn = import_extra("uvicorn", "web", "Serving")
    import_extra("fastapi", "web", "Serving")
    from discogan.web import Limits, create_app, load_served

    _check_free(host, port)
    served = load_served(runs, match_a, match_b, device, examples)
    most_bytes = int(max_megabytes * 1e6)
    held = max(Limits.max_held, most_bytes)
    limits = Limits(most_bytes, int(max_megapixels * 1e6), max_waiting, max_batch, seconds, held)
    say(f"Serving {', '.join(served)} at http://{host}:{port} (Ctrl-C stops)")
    most = 2 * max_waiting + 64  # Connections, of which some only ask for the page or wait for their upload.
    uvicorn.run(create_app(served, limits), host=host, port=port, log_level="warning", limit_concurrency=most)


def _check_free(host: str, port: int) -> None:
    """Raises ``ConfigError`` where nothing can listen: better before the runs are loaded than after."""
    from discogan.errors import ConfigError

    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(f"Cannot listen at {host}:{port} ({error}); give another --port or --host.") from error
