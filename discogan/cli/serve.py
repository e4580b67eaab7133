"""``discogan serve``."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from discogan.cli.console import say
from discogan.cli.parameters import Device, Threads


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
    examples: Annotated[bool, Parameter(negative="--no-examples")] = True,
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """Serve runs over HTTP, with a page to try them. Uploads stay in memory and are not kept.

    Example: discogan serve runs/one --port 8000

    Parameters
    ----------
    runs
        Runs, checkpoints or exported ONNX files. The first one is used if a request names none.
    host
        Address to listen on; 0.0.0.0 for all addresses of the machine.
    port
        Port to listen on.
    match_a
        Folder of images of A. The page finds counterparts of images of B in it.
    match_b
        Folder of images of B. The page finds counterparts of images of A in it.
    max_megabytes
        Largest upload, in megabytes.
    max_megapixels
        Largest image, in megapixels.
    max_waiting
        Maximum queued images; further requests get 503 with Retry-After.
    max_batch
        Maximum images translated together.
    seconds
        Time limit in seconds for an upload, and also for its translation.
    examples
        Show some training images to try the run with. --no-examples hides them from visitors.
    """
    from discogan.extras import import_extra

    uvicorn = import_extra("uvicorn", "web", "Serving")
    import_extra("fastapi", "web", "Serving")
    from discogan.devices import own_state
    from discogan.web import Limits, create_app, load_served

    # Before the runs are loaded, because loading them takes a while.
    _require_free(host, port)
    max_bytes = int(max_megabytes * 1e6)
    limits = Limits(
        max_bytes, int(max_megapixels * 1e6), max_waiting, max_batch, seconds, max(Limits.max_held, max_bytes)
    )
    max_connections = 2 * max_waiting + 64  # Some only load the page or wait for their upload.
    with own_state(threads):
        served = load_served(runs, match_a, match_b, device, examples)
        say(f"Serving {', '.join(served)} at http://{host}:{port} (Ctrl-C stops)")
        app = create_app(served, limits)
        uvicorn.run(app, host=host, port=port, log_level="warning", limit_concurrency=max_connections)


def _require_free(host: str, port: int) -> None:
    """Raise ``ConfigError`` if the address is not free."""
    from discogan.errors import ConfigError

    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(f"Cannot listen at {host}:{port} ({error}). Give another --port or --host.") from error
