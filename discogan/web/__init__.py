"""Serve runs as a web page and an HTTP interface: ``discogan serve``."""

from discogan.web.app import create_app
from discogan.web.limits import Limits
from discogan.web.models import load_served

__all__ = ["Limits", "create_app", "load_served"]
