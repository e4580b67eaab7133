"""Serve runs as a web page and an HTTP interface: ``discogan serve``."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from discogan.web.access import Access
    from discogan.web.app import create_app
    from discogan.web.limits import Limits
    from discogan.web.models import load_served
    from discogan.web.server import run_server

__all__ = ["Access", "Limits", "create_app", "load_served", "run_server"]

# Imported on first use, so that the processes of ``discogan.web.decoder`` do not import PyTorch.
_MODULES = {
    "Access": "discogan.web.access",
    "Limits": "discogan.web.limits",
    "create_app": "discogan.web.app",
    "load_served": "discogan.web.models",
    "run_server": "discogan.web.server",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'discogan.web' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
