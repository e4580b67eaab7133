"""The web page and the HTTP interface, one function per route."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from discogan import version
from discogan.directions import Direction
from discogan.images import Pixels, encode_png, from_pixels
from discogan.pages import render
from discogan.web.access import Access, Gate
from discogan.web.batching import BusyError
from discogan.web.decoding import UploadMemory
from discogan.web.limits import Limits
from discogan.web.meters import Metered
from discogan.web.models import Served
from discogan.web.service import Deadline, Service

PART_BYTES = 65_536
"""Bytes of a large response that are sent at a time."""
PNG_IMAGE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}
}


class Problem(BaseModel):
    """The reason why a request failed."""

    detail: str


class InvalidRequest(BaseModel):
    """The reason why a form, or which parameters of a request, are not valid."""

    detail: str | list[dict[str, Any]]


def _problems(descriptions: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Problem, "description": text} for status, text in descriptions.items()}


HOST_PROBLEMS = {
    400: "The Host header is missing or is not a host name, or the request is not valid HTTP",
    408: "The request or the upload took too long",
    421: "The server does not answer to the name in the Host header",
    431: "The address and the headers are too long",
    503: "Too many connections, or too many images are queued; Retry-After is the number of seconds to wait",
}
ANSWERED_TO_ALL = _problems(HOST_PROBLEMS)
ANSWERED = _problems(HOST_PROBLEMS | {401: "The token is missing or wrong"})
INVALID: dict[int | str, dict[str, Any]] = {
    422: {"model": InvalidRequest, "description": "A parameter or the form is not valid"}
}
NOT_FOUND = _problems({404: "No such model, direction, image or folder"}) | INVALID
UPLOAD_PROBLEMS = NOT_FOUND | _problems(
    {
        403: "A page of another site sent the request",
        413: "Too many bytes or pixels",
        415: "Not an image",
        504: "The image took too long to decode or to translate",
    }
)
BINARY = {"type": "string", "format": "binary"}
UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The image (JPEG, PNG, WebP, BMP, TIFF or GIF), or a form with it as the file field image",
        "content": {
            "image/*": {"schema": BINARY},
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["image"], "properties": {"image": BINARY}}
            },
        },
    }
}


def _content_policy(page: str) -> str:
    """Return the policy that allows the page's own script, named by its digest, and nothing from other servers."""
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src 'self' data: blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


PAGE = render("app.html")
SECURITY_HEADERS = {
    "Content-Security-Policy": _content_policy(PAGE),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Headers of every response. Images and errors are not cached, because they may be private."""
router = APIRouter()


class Model(BaseModel):
    """A served run."""

    name: str
    preset: str
    image_size: int
    """Height and width of its images in pixels."""
    directions: list[Direction]
    round_trips: bool
    """Whether round trips are available in all directions."""
    verdict: str | None
    """The verdict of its training on the relation, in a few words."""
    examples: dict[Direction, int]
    """Number of example inputs by direction."""
    matches: list[Direction]
    """Directions in which counterparts can be searched."""


class Match(BaseModel):
    """An image of the other domain that may correspond to the uploaded one."""

    name: str
    score: float
    """Higher is more certain. At 0 or below, other images are as close. The score of ``discogan match``."""
    image: str
    """The path of the image on this server."""


class LargeImage(Response):
    """A PNG file that is sent in parts. Its memory counts as that of an upload until the client has read it."""

    media_type = "image/png"

    def __init__(self, content: bytes, memory: UploadMemory) -> None:
        super().__init__(content)
        self.memory = memory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self.memory.share() as take:
            take(len(self.body))
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            for start in range(0, len(self.body), PART_BYTES):
                part = bytes(self.body[start : start + PART_BYTES])
                is_last = start + PART_BYTES >= len(self.body)
                await send({"type": "http.response.body", "body": part, "more_body": not is_last})


def create_app(served: Mapping[str, Served], limits: Limits | None = None, access: Access | None = None) -> FastAPI:
    """Return the application for the runs given by name (``load_served``); the first is the default.

    ``access`` says who may use it; by default everyone who reaches it by an IP address or as localhost.
    """
    service = Service(served, limits or Limits())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await service.close()

    app = FastAPI(
        title="discogan",
        version=version.__version__,
        description="Translate images between two domains whose relation was learned without pairs.",
        lifespan=lifespan,
        docs_url=None,  # Its page would load scripts from another server; /openapi.json needs none.
        redoc_url=None,
    )
    app.state.service = service
    app.add_middleware(Gate, access=access or Access())
    app.add_middleware(Metered, meters=service.meters, headers=SECURITY_HEADERS)
    app.add_exception_handler(BusyError, _busy)
    app.include_router(router)
    return app


async def _service(request: Request) -> Service:  # Async, because a plain function would need a thread per request.
    service: Service = request.app.state.service
    return service


Serving = Annotated[Service, Depends(_service)]
DirectionQuery = Annotated[Direction, Query(description="a_to_b or b_to_a")]
Name = Annotated[str | None, Query(description="One of GET /v1/models; by default the first")]


async def _busy(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, BusyError)
    return JSONResponse({"detail": str(error)}, 503, {"Retry-After": str(error.seconds)})


@router.post(
    "/v1/translate", responses=PNG_IMAGE | ANSWERED | UPLOAD_PROBLEMS, openapi_extra=UPLOAD, response_class=Response
)
async def translate(
    request: Request,
    service: Serving,
    direction: DirectionQuery,
    model: Name = None,
    round_trip: Annotated[bool, Query(description="Return the round trip")] = False,
    original_size: Annotated[bool, Query(description="Return the result at the size of the uploaded image")] = False,
) -> Response:
    """Translate an image; the response is a PNG."""
    chosen = service.find(model, direction)
    deadline = Deadline(service.limits.seconds)
    prepared = await service.prepare(request, chosen, direction, deadline)
    translated = await service.translate(chosen, direction, prepared.pixels, deadline, round_trip)
    if original_size:
        enlarged = await service.enlarge(request, chosen, translated, prepared.size, deadline)
        return LargeImage(enlarged, service.upload_memory)
    return _png(await service.encode(translated))


@router.post("/v1/match", responses=ANSWERED | UPLOAD_PROBLEMS, openapi_extra=UPLOAD)
async def match(
    request: Request,
    service: Serving,
    direction: DirectionQuery,
    model: Name = None,
    count: Annotated[int, Query(ge=1, le=50, description="Number of counterparts")] = 5,
) -> list[Match]:
    """Return the images of the other domain's folder that most likely correspond to the uploaded image, best first."""
    chosen = service.find(model, direction)
    folder = service.folder(chosen, direction)
    deadline = Deadline(service.limits.seconds)
    prepared = await service.prepare(request, chosen, direction, deadline)
    translated = await service.translate(chosen, direction, prepared.pixels, deadline)
    async with deadline.limit(504, "search"):
        results = await asyncio.to_thread(folder.find, prepared.pixels[None], translated[None], count)
    images = f"{request.scope.get('root_path', '')}/v1/models/{quote(chosen.name, safe='')}/folders/{direction}"
    return [Match(name=found.name, score=found.score, image=f"{images}/{found.row}") for found in results[0]]


@router.get("/v1/models", responses=ANSWERED)
async def models(service: Serving) -> list[Model]:
    """List the served runs."""
    return [Model(**served.describe()) for served in service.served.values()]


@router.get(
    "/v1/models/{model}/examples/{direction}/{number}",
    responses=PNG_IMAGE | ANSWERED | NOT_FOUND,
    response_class=Response,
)
async def example(service: Serving, model: str, direction: Direction, number: int) -> Response:
    """Return an example input of a direction, one of the run's training images, counted from 0."""
    return _numbered_image(service.find(model, direction).examples.get(direction), number)


@router.get(
    "/v1/models/{model}/folders/{direction}/{number}",
    responses=PNG_IMAGE | ANSWERED | NOT_FOUND,
    response_class=Response,
)
async def folder_image(service: Serving, model: str, direction: Direction, number: int) -> Response:
    """Return an image of the folder that is searched for counterparts, at the size of the networks."""
    return _numbered_image(service.folder(service.find(model, direction), direction).pixels, number)


@router.get("/healthz", responses=ANSWERED_TO_ALL)
async def health() -> dict[str, str]:
    """Report that the server runs."""
    return {"status": "ok", "version": version.__version__}


@router.get(
    "/metrics",
    responses=ANSWERED | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    response_class=Response,
)
async def metrics(service: Serving) -> Response:
    """Return the number and duration of requests, the batch sizes and the queue length, in Prometheus's format."""
    return Response(service.meters.text(), media_type="text/plain; version=0.0.4")


@router.get("/", response_class=HTMLResponse, include_in_schema=False)
async def page() -> HTMLResponse:
    """Return the page. It has no content of the runs; its script requests everything, with the token if needed."""
    return HTMLResponse(PAGE)


def _numbered_image(images: Pixels | None, number: int) -> Response:
    if images is None or not 0 <= number < len(images):
        raise HTTPException(404, f"There is no image number {number}.")
    return _png(encode_png(from_pixels(images[number])))


def _png(data: bytes) -> Response:
    return Response(data, media_type="image/png")
