"""The web page and the HTTP interface, one function per route."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel

from discogan import version
from discogan.directions import Direction
from discogan.images import Pixels, from_pixels
from discogan.pages import render
from discogan.web.batching import BusyError
from discogan.web.limits import Limits
from discogan.web.meters import Metered
from discogan.web.models import Served
from discogan.web.service import Service, encode_png

PNG_IMAGE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}
}
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"description": "No such model, direction, image or folder"}}
ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    **NOT_FOUND,
    408: {"description": "The upload took too long"},
    413: {"description": "Too many bytes or pixels"},
    415: {"description": "Not an image"},
    422: {"description": "A parameter or the form is not valid"},
    503: {"description": "Too many images are queued; Retry-After is the number of seconds to wait"},
    504: {"description": "The translation took too long"},
}
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
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
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
    distance: float
    """0 for images that are each other's translations, about 1 for random images."""
    image: str
    """The path of the image on this server."""


def create_app(served: Mapping[str, Served], limits: Limits | None = None) -> FastAPI:
    """Return the application for the runs given by name (``load_served``); the first is the default."""
    service = Service(served, limits or Limits())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.batcher.close()

    app = FastAPI(
        title="discogan",
        version=version.__version__,
        description="Translate images between two domains whose relation was learned without pairs.",
        lifespan=lifespan,
        docs_url=None,  # Its page would load scripts from another server; /openapi.json needs none.
        redoc_url=None,
    )
    app.state.service = service
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


@router.post("/v1/translate", responses=PNG_IMAGE | ERROR_RESPONSES, openapi_extra=UPLOAD, response_class=Response)
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
    prepared = await service.prepare(request, chosen, direction)
    translated = await service.translate(chosen, direction, prepared.pixels, round_trip)
    size = prepared.size if original_size else None
    return _png(await asyncio.to_thread(lambda: encode_png(chosen.translator.finish(translated, size))))


@router.post("/v1/match", responses=ERROR_RESPONSES, openapi_extra=UPLOAD)
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
    prepared = await service.prepare(request, chosen, direction)
    translated = await service.translate(chosen, direction, prepared.pixels)
    results = await asyncio.to_thread(folder.find, prepared.pixels[None], translated[None], count)
    images = f"/v1/models/{quote(chosen.name)}/folders/{direction}"
    return [Match(name=name, distance=distance, image=f"{images}/{row}") for name, distance, row in results[0]]


@router.get("/v1/models")
async def models(service: Serving) -> list[Model]:
    """List the served runs."""
    return [Model(**served.describe()) for served in service.served.values()]


@router.get(
    "/v1/models/{model}/examples/{direction}/{number}", responses=PNG_IMAGE | NOT_FOUND, response_class=Response
)
async def example(service: Serving, model: str, direction: Direction, number: int) -> Response:
    """Return an example input of a direction, one of the run's training images, counted from 0."""
    return _numbered_image(service.find(model, direction).examples.get(direction), number)


@router.get("/v1/models/{model}/folders/{direction}/{number}", responses=PNG_IMAGE | NOT_FOUND, response_class=Response)
async def folder_image(service: Serving, model: str, direction: Direction, number: int) -> Response:
    """Return an image of the folder that is searched for counterparts, at the size of the networks."""
    return _numbered_image(service.folder(service.find(model, direction), direction).pixels, number)


@router.get("/healthz")
async def health() -> dict[str, str]:
    """Report that the server runs."""
    return {"status": "ok", "version": version.__version__}


@router.get("/metrics", response_class=Response)
async def metrics(service: Serving) -> Response:
    """Return the number and duration of requests, the batch sizes and the queue length, in Prometheus's format."""
    return Response(service.meters.text(), media_type="text/plain; version=0.0.4")


@router.get("/", response_class=HTMLResponse, include_in_schema=False)
async def page(service: Serving) -> HTMLResponse:
    return HTMLResponse(render("app.html", models=[served.describe() for served in service.served.values()]))


def _numbered_image(images: Pixels | None, number: int) -> Response:
    if images is None or not 0 <= number < len(images):
        raise HTTPException(404, f"There is no image number {number}.")
    return _png(encode_png(from_pixels(images[number])))


def _png(data: bytes) -> Response:
    return Response(data, media_type="image/png")
