"""The server process: uvicorn, with limits on connections that uvicorn does not have."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from discogan.web.app import SECURITY_HEADERS
from discogan.web.limits import Limits

try:
    import resource
except ImportError:  # Windows has no limit on open files of this kind.
    resource = None  # type: ignore[assignment]

HEAD_SECONDS = 10.0
"""Time for the head of a request, from the connection or the previous response on."""
CLOSE_SECONDS = 2.0
"""Time for a client to read the last bytes before its connection is cut."""
MAX_HEAD_BYTES = 65_536
"""Bytes of the address and the headers of a request together, and also of trailers and chunk extensions."""
HEADER_BYTES = 32
"""Counted for each header in addition to its text, because the parsed header needs memory too."""
SPARE_FILES = 256
"""Open files that the server needs besides its connections."""


class EscapingFormatter(logging.Formatter):
    """Shows control characters as escapes, because an error can quote text from a request."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line or lines of a record."""
        text = super().format(record)
        return "".join(char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in text)


class Connections:
    """All open connections, the oldest first."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._open: dict[LimitedProtocol, str] = {}
        self._by_client: Counter[str] = Counter()

    def add(self, connection: LimitedProtocol, address: str) -> bool:
        """Add a connection; close an older one if there are too many. Return False if no older one can be closed."""
        is_full = len(self._open) >= self.limits.max_connections
        if self._by_client[address] >= self.limits.max_client_connections:
            is_allowed = self._close_oldest(address)
        else:
            is_allowed = not is_full or self._close_oldest(None)
        self._open[connection] = address
        self._by_client[address] += 1
        return is_allowed

    def remove(self, connection: LimitedProtocol) -> None:
        """Forget a connection."""
        address = self._open.pop(connection, None)
        if address is not None:
            self._by_client[address] -= 1
            if not self._by_client[address]:
                del self._by_client[address]

    def _close_oldest(self, address: str | None) -> bool:
        """Close the oldest connection, of ``address`` if given, that does not wait for the server."""
        for connection, client in self._open.items():
            if address in (None, client) and connection.waits_for_client:
                self.remove(connection)
                connection.refuse(503, "The server has too many connections. Try again.")
                return True
        return False


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol of one connection, with limits on the time and bytes of heads and on slow readers.

    uvicorn itself has no time limit on a head, no size limit on headers, and keeps a response for a client that never
    reads it.
    """

    def __init__(self, *arguments: Any, shared: Connections, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.shared = shared
        self._unread_head_bytes = self._header_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._is_refused = False

    @property
    def waits_for_client(self) -> bool:
        """Whether the client has not sent its whole request, or not read the whole response."""
        return self.cycle is None or self.cycle.response_complete or self.cycle.more_body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_head_timer()
        if not self.shared.add(self, self.client[0] if self.client else ""):
            self.refuse(503, "The server has too many connections. Try again.")

    def connection_lost(self, exc: Exception | None) -> None:
        self.shared.remove(self)
        self._stop_head_timer()
        self._stop_write_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        self._unread_head_bytes += len(data)
        super().data_received(data)
        if max(self._unread_head_bytes, self._header_bytes) > MAX_HEAD_BYTES:
            self.refuse(431, f"The head of the request has more than {MAX_HEAD_BYTES:,} bytes.")

    def on_message_begin(self) -> None:
        self._header_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value) + HEADER_BYTES
        if self._header_bytes <= MAX_HEAD_BYTES:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._header_bytes > MAX_HEAD_BYTES:
            return  # data_received refuses the request.
        self._unread_head_bytes = 0
        self._stop_head_timer()
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        self._unread_head_bytes = 0

    def on_body(self, body: bytes) -> None:
        self._unread_head_bytes = 0
        if not self._is_refused and self.cycle is not None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._unread_head_bytes = 0
        if not self._is_refused and self.cycle is not None:
            super().on_message_complete()
            # Otherwise the server would not notice that a client that waits for its response closes the connection.
            self.flow.resume_reading()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and not self.pipeline:
            self._start_head_timer()
        if not self.flow.write_paused:
            self._stop_write_timer()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self.shared.limits.seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.cycle.response_complete:
            self._stop_write_timer()

    def send_400_response(self, msg: str) -> None:
        self.refuse(400, msg)

    def _unsupported_upgrade_warning(self) -> None:
        """Answer a request for a WebSocket as an ordinary one, without a line in the log for each."""

    def refuse(self, status: int, message: str) -> None:
        """Answer with an error and close the connection, whatever it was doing."""
        if self._is_refused or self.transport.is_closing():
            return
        self._is_refused = True
        is_next_request = self._unread_head_bytes > 0 and self.cycle is not None and self.cycle.response_complete
        if self.cycle is None or not self.cycle.response_started or is_next_request:
            self.transport.write(_error_response(status, message))
        self.transport.close()
        # A client that does not read would keep the connection.
        self.loop.call_later(CLOSE_SECONDS, self.transport.abort)

    def _start_head_timer(self) -> None:
        self._stop_head_timer()
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._end_waiting)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _end_waiting(self) -> None:
        """Close the connection, because the client has not sent a request or not read the response in time."""
        if self.transport.is_closing():
            if self._write_timer is None:
                self.transport.abort()
        else:
            self.refuse(408, f"The head of the request took more than {HEAD_SECONDS:g} s.")


def run_server(app: ASGIApp, host: str, port: int, limits: Limits, root_path: str = "") -> None:
    """Serve an application of ``create_app`` until Ctrl-C or SIGTERM; unfinished requests get their responses.

    ``root_path`` is the prefix of its addresses behind a proxy that removes the prefix, such as /discogan.
    """
    for handler in logging.getLogger().handlers:
        handler.setFormatter(EscapingFormatter("%(levelname)s: %(message)s"))
    uvicorn.Server(configure(app, host, port, limits, root_path)).run()


def configure(app: ASGIApp, host: str, port: int, limits: Limits, root_path: str = "") -> uvicorn.Config:
    """Return uvicorn's options, with the limits on connections."""
    max_connections = max(1, _allow_open_files(limits.max_connections + SPARE_FILES) - SPARE_FILES)
    limits = replace(limits, max_connections=min(limits.max_connections, max_connections))
    # uvicorn's own lines would repeat text from requests.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    protocol = partial(LimitedProtocol, shared=Connections(limits))
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=cast("type[asyncio.Protocol]", protocol),
        root_path=root_path,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        # Nothing depends on the client's address but the limit of connections, which needs the real one.
        proxy_headers=False,
        timeout_graceful_shutdown=int(limits.seconds) + 5,
    )


def _error_response(status: int, message: str) -> bytes:
    """Return a response with the security headers, as the application would send it."""
    body = f'{{"detail":"{message}"}}'.encode()
    headers = {**SECURITY_HEADERS, "Content-Type": "application/json", "Content-Length": str(len(body))}
    if status == 503:
        headers["Retry-After"] = "1"
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _allow_open_files(count: int) -> int:
    """Raise this process's limit on open files towards ``count``, and return what the system allows."""
    if resource is None:
        return count
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted
