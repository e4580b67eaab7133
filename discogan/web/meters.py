"""Metrics of the server for Prometheus."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("discogan.web")


class Meters:
    """Counters of one application, separate from other applications in the same process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("path", "status")
        self._requests = Counter("discogan_requests", "Requests answered", labels, registry=self._registry)
        self._seconds = Histogram("discogan_request_seconds", "Time to answer", ("path",), registry=self._registry)
        self._queue = Gauge("discogan_waiting_images", "Images in the queue", registry=self._registry)
        sizes = (1, 2, 4, 8, 16, 32, 64, 128)
        self.stopped_decodings = Counter(
            "discogan_stopped_decodings", "Decodings stopped at their time limit", registry=self._registry
        )
        self.batch_size = Histogram(
            "discogan_batch_images", "Images translated together", buckets=sizes, registry=self._registry
        )

    def watch_queue(self, length: Callable[[], float]) -> None:
        """Call ``length`` whenever the metrics are read."""
        self._queue.set_function(length)

    def count(self, path: str, status: str, seconds: float) -> None:
        """Count a request. ``path`` is the route's pattern, because requested addresses are unlimited."""
        self._requests.labels(path, status).inc()
        self._seconds.labels(path).observe(seconds)

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)


class Metered:
    """Middleware that counts and times every request, adds the same headers to every response, and answers errors.

    A client that disconnects while it sends its request is counted with the status ``disconnected``. An unexpected
    error is logged and answered with 500.
    """

    def __init__(self, app: ASGIApp, meters: Meters, headers: Mapping[str, str]) -> None:
        self.app, self.meters, self.headers = app, meters, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), ""

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
                MutableHeaders(scope=message).update(self.headers)
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except ClientDisconnect:
            status = "disconnected"
        except Exception:
            log.exception("A request to %s failed unexpectedly.", _route(scope))
            if status:  # The response has begun, so the server can only close the connection.
                raise
            answer = JSONResponse({"detail": "The server has failed. Its log has the reason."}, 500)
            await answer(scope, receive, send_with_headers)
        finally:
            self.meters.count(_route(scope), status or "disconnected", time.perf_counter() - started)


def _route(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path", "other"))
