"""Who may use the server: the names that it answers to, requests from other sites, and the token."""

from __future__ import annotations

import hmac
import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from discogan.errors import ConfigError

ANY_HOST = "*"
MIN_TOKEN_CHARACTERS = 16
OPEN_PATHS = frozenset({"/", "/healthz", "/openapi.json"})
"""Paths that need no token. They show nothing of the served runs."""
HOST_PATTERN = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?", re.ASCII | re.IGNORECASE)
"""A Host header: a name, an IPv4 address or an IPv6 address in brackets, and a port."""


@dataclass(frozen=True)
class Access:
    """The rules for all requests.

    ``hosts`` are the host names, without ports, that the server answers to, besides localhost and any IP address.
    ``*`` allows any name. Without this check, a page of another site could read from a server in a private network, if
    the site's own name leads there (DNS rebinding). ``token`` is required from every client if given.

    Raises ``ConfigError``.
    """

    hosts: frozenset[str] = frozenset()
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for host in self.hosts:
            match = HOST_PATTERN.fullmatch(host)
            if host != ANY_HOST and (match is None or match.group("name") != host):
                raise ConfigError(f"{host!r} is not a host name. Give a name without http:// and port, or *.")
        if self.token is None:
            return
        if len(self.token) < MIN_TOKEN_CHARACTERS or not re.fullmatch(r"[!-~]+", self.token):
            raise ConfigError(
                f"The token must have at least {MIN_TOKEN_CHARACTERS} visible ASCII characters without spaces. "
                "Create one with: python -c 'import secrets; print(secrets.token_urlsafe())'"
            )

    def allows_host(self, header: str) -> bool:
        """Return whether the server answers to this Host header."""
        match = HOST_PATTERN.fullmatch(header)
        if match is None:
            return False
        name = match.group("name").lower().removesuffix(".")
        if ANY_HOST in self.hosts or name in {host.lower() for host in self.hosts}:
            return True
        return name == "localhost" or name.endswith(".localhost") or _is_address(name)

    def allows_origin(self, origin: str, host: str) -> bool:
        """Return whether a page at ``origin``, the value of an Origin header, may send requests to ``host``."""
        try:
            origin_match = HOST_PATTERN.fullmatch(urlsplit(origin).netloc.lower())
        except ValueError:
            return False
        host_match = HOST_PATTERN.fullmatch(host.lower())
        if origin_match is None or host_match is None:
            return False
        # The ports may differ, because some proxies remove them from the Host header.
        return origin_match.group("name") in {host_match.group("name"), *self.hosts}

    def allows_token(self, authorization: str) -> bool:
        """Return whether an Authorization header has the token. The time does not depend on its characters."""
        if self.token is None:
            return True
        scheme, _, given = authorization.partition(" ")
        return hmac.compare_digest(given.strip().encode(), self.token.encode()) and scheme.lower() == "bearer"


class Gate:
    """Middleware that refuses requests that ``access`` does not allow, before anything else reads them."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self.app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not HOST_PATTERN.fullmatch(hosts[0]):
            return JSONResponse({"detail": "The request needs one Host header with a host name."}, 400)
        if not self.access.allows_host(hosts[0]):
            return JSONResponse(
                {"detail": f"The server does not answer to the name {hosts[0]}. Start it with --allowed-host NAME."},
                421,
            )
        if scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            origin = headers.get("origin")
            is_foreign = origin is not None and not self.access.allows_origin(origin, hosts[0])
            if is_foreign or headers.get("sec-fetch-site") == "cross-site":
                return JSONResponse({"detail": "A page of another site sent this request. Use the server's page."}, 403)
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path not in OPEN_PATHS and not self.access.allows_token(headers.get("authorization", "")):
            return JSONResponse(
                {"detail": "The server needs its token. Send the header Authorization: Bearer TOKEN."},
                401,
                {"WWW-Authenticate": "Bearer"},
            )
        return None


def listening_names(host: str) -> Iterable[str]:
    """Return the names that a server gets by listening at ``host``: the name itself, or that of the machine."""
    if host in ("0.0.0.0", "::", ""):
        return [socket.gethostname().lower()]
    return [] if _is_address(host) else [host.lower()]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
