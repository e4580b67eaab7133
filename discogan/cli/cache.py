"""``discogan cache``. It does not import PyTorch."""

from __future__ import annotations

import re
import time
from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from discogan.cli.console import print_json_alone, print_table, say, write_result
from discogan.cli.parameters import JsonFile
from discogan.errors import ConfigError

UNIT_SECONDS = {"m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}
"""Seconds of the units of --older-than."""
DEFAULT_AGE = "30d"


def cache(
    *,
    clean: bool = False,
    older_than: str | None = None,
    all_stores: Annotated[bool, Parameter(name="--all")] = False,
    json_file: JsonFile = None,
) -> None:
    """Show the folder of decoded images, or remove from it what is no longer used.

    Only stores of decoded images, listings of them and remains of interrupted commands are ever removed. Everything is
    decoded again when it is needed.

    Example: discogan cache --clean --older-than 30d

    Parameters
    ----------
    clean
        Remove the stores that no command has used for a while (see --older-than), and remains.
    older_than
        With --clean: the time without use, such as 12h, 30d (default) or 8w.
    all_stores
        With --clean: remove all stores.
    """
    from discogan.data.cache import Cache
    from discogan.files import cache_folder
    from discogan.names import name_of

    if not clean and (older_than is not None or all_stores):
        raise ConfigError("--older-than and --all belong to --clean. Add --clean to remove stores.")
    if older_than is not None and all_stores:
        raise ConfigError("--all removes stores of any age. Leave out --older-than or --all.")
    print_json_alone(json_file)
    folder = Cache(cache_folder())
    path = name_of(folder.path)
    if clean:
        cleaned = folder.clean(0 if all_stores else parse_age(older_than or DEFAULT_AGE))
        say(f"Stores removed from {path}: {cleaned.stores:,} ({_size(cleaned.bytes)})")
        if cleaned.unfinished:
            say(f"Remains of interrupted commands removed: {cleaned.unfinished:,}")
        if cleaned.left_alone:
            say(f"Left alone, because discogan did not write them: {', '.join(cleaned.left_alone)}")
        write_result(json_file, {"folder": path, **asdict(cleaned)})
        return
    stores = folder.facts()
    total = sum(store.bytes for store in stores)
    rows = []
    for store in stores:
        images = f"{store.images:,}" if store.images else "damaged"
        rows.append([store.key, images, _size(store.bytes), _age(store.built), _age(store.used)])
    print_table(path, ["store", "images", "size", "built", "last used"], rows)
    say(f"Total: {_size(total)}. Remove old ones with: discogan cache --clean")
    write_result(json_file, {"folder": path, "bytes": total, "stores": [asdict(store) for store in stores]})


def parse_age(text: str) -> float:
    """Return the seconds of an age such as 12h, 30d or 8w; raise ``ConfigError``."""
    match = re.fullmatch(r"(\d{1,6})([mhdw])", text.strip().lower(), re.ASCII)
    if match is None:
        raise ConfigError(f"--older-than must be a number and a unit (m, h, d or w), such as 30d, not {text!r}.")
    return float(int(match[1]) * UNIT_SECONDS[match[2]])


def _age(timestamp: float) -> str:
    """Return how long ago a time in seconds since 1970 is."""
    seconds = max(0.0, time.time() - timestamp)
    if seconds < UNIT_SECONDS["h"]:
        return f"{seconds / UNIT_SECONDS['m']:.0f} min ago"
    if seconds < 2 * UNIT_SECONDS["d"]:
        return f"{seconds / UNIT_SECONDS['h']:.0f} h ago"
    return f"{seconds / UNIT_SECONDS['d']:.0f} days ago"


def _size(count: int) -> str:
    """Return a number of bytes in MB."""
    return f"{count / 1e6:,.1f} MB"
