"""``discogan serve``."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from discogan.cli.console import say, warn
from discogan.cli.parameters import Device, Threads
from discogan.errors import ConfigError

TOKEN_VARIABLE = "DISCOGAN_TOKEN"


def serve(
    *runs: Path,
    host: str = "127.0.0.1",
    port: int = 8000,
    match_a: list[str] | None = None,
    match_b: list[str] | None = None,
    max_megabytes: float = 10.0,
    max_megapixels: float = 25.0,
    max_waiting: int = 1024,
    max_batch: int = 64,
    max_connections: int = 2048,
    seconds: float = 30.0,
    examples: Annotated[bool, Parameter(negative="--no-examples")] = True,
    allowed_host: list[str] | None = None,
    token_file: Path | None = None,
    root_path: str = "",
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
        Folder of images of A. The page finds counterparts of images of B in it. With several runs give NAME=DIR; may be
        repeated.
    match_b
        Folder of images of B. The page finds counterparts of images of A in it. With several runs give NAME=DIR; may be
        repeated.
    max_megabytes
        Largest upload, in megabytes.
    max_megapixels
        Largest image, in megapixels.
    max_waiting
        Maximum queued images; further requests get 503 with Retry-After.
    max_batch
        Maximum images translated together.
    max_connections
        Maximum open connections; half of them from one address.
    seconds
        Time limit in seconds for a request: upload, decoding and translation together.
    examples
        Show some training images to try the run with. --no-examples hides them from visitors.
    allowed_host
        Host name that the server answers to, besides localhost and IP addresses; may be repeated. * allows any name.
    token_file
        File with a token that every request must send. The variable DISCOGAN_TOKEN may hold the token instead.
    root_path
        Prefix of the address behind a proxy that removes the prefix, such as /discogan.
    """
    from discogan.extras import import_extra

    import_extra("uvicorn", "web", "Serving")
    import_extra("fastapi", "web", "Serving")
    from discogan.devices import own_state
    from discogan.web import Access, Limits, create_app, load_served, run_server
    from discogan.web.access import listening_names

    # Before the runs are loaded, because loading them takes a while.
    _require_free(host, port)
    if root_path and (not root_path.startswith("/") or root_path.endswith("/")):
        raise ConfigError(f"--root-path must start with / and not end with it, not {root_path!r}.")
    token = _read_token(token_file)
    access = Access(frozenset(allowed_host or ()) | frozenset(listening_names(host)), token)
    max_bytes = int(max_megabytes * 1e6)
    limits = Limits(
        max_bytes=max_bytes,
        max_pixels=int(max_megapixels * 1e6),
        max_waiting=max_waiting,
        max_batch=max_batch,
        seconds=seconds,
        decode_seconds=min(Limits.decode_seconds, seconds),
        max_held=max(Limits.max_held, max_bytes),
        max_connections=max_connections,
        max_client_connections=max(1, max_connections // 2),
    )
    with own_state(threads):
        folders_a, folders_b = _read_folders(match_a, "a"), _read_folders(match_b, "b")
        served = load_served(runs, folders_a, folders_b, device, examples)
        say(f"Serving {', '.join(served)} at http://{host}:{port} (Ctrl-C stops)")
        if token is None and not _is_private(host):
            warn("Everyone who can reach this machine can use the server. --token-file asks them for a token.")
        run_server(create_app(served, limits, access), host, port, limits, root_path)


def _read_folders(values: Sequence[str] | None, domain: str) -> str | dict[str, str] | None:
    """Return the folder of --match-a or --match-b, or the folders by the names of their runs."""
    if not values:
        return None
    if len(values) == 1 and ("=" not in values[0] or Path(values[0]).is_dir()):
        return values[0]
    folders: dict[str, str] = {}
    for value in values:
        name, equals, folder = value.partition("=")
        if not equals:
            raise ConfigError(f"--match-{domain} {value} does not say whose images these are. Give NAME=DIR.")
        if name in folders:
            raise ConfigError(f"--match-{domain} is given twice for {name}. Give one folder.")
        folders[name] = folder
    return folders


def _read_token(file: Path | None) -> str | None:
    """Return the token in the file, or in the environment, or ``None``."""
    if file is None:
        return os.environ.get(TOKEN_VARIABLE)
    try:
        return file.read_text("utf-8").strip()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not a text file. Write the token into a text file.") from error


def _is_private(host: str) -> bool:
    """Return whether only programs on this machine reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _require_free(host: str, port: int) -> None:
    """Raise ``ConfigError`` if the address is not free."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(f"Cannot listen at {host}:{port} ({error}). Give another --port or --host.") from error
