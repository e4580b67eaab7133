"""The page and the HTTP interface: one function a route."""

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

PNG: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}
}
MISSING: dict[int | str, dict[str, Any]] = {404: {"description": "No such model, direction, image or folder"}}
FAILURES: dict[int | str, dict[str, Any]] = {
    **MISSING,
    408: {"description": "The upload took too long"},
    413: {"description": "Too many bytes or pixels"},
    415: {"description": "Not an image"},
    422: {"description": "A parameter or the form does not fit"},
    503: {"description": "Too many images wait; Retry-After says when to come back"},
    504: {"description": "The translation took too long"},
}
BINARY = {"type": "string", "format": "binary"}
UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "An image as the body (JPEG, PNG, WebP, BMP, TIFF or GIF), or a form with a file called image.",
        "content": {
            "image/*": {"schema": BINARY},
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["image"], "properties": {"image": BINARY}}
            },
        },
    }
}
SECURITY = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
router = APIRouter()


class Model(BaseModel):
    """A run that is served."""

    name: str
    preset: str
    image_size: int
    """Height and width of its images in pixels."""
    directions: list[Direction]
    round_trips: bool
    """Whether it goes there and back."""
    verdict: str | None
    """What its training says of the relation, in a word or two."""
    examples: dict[Direction, int]
    """How many example inputs there are."""
    matches: list[Direction]
    """Directions in which counterparts can be looked for."""


class Match(BaseModel):
    """An image of the other domain that may belong with the one sent."""

    name: str
    distance: float
    """0 for images that are each other's translations, about 1 for images drawn at random."""
    image: str
    """Where to get it."""


def create_app(served: Mapping[str, Served], limits: Limits | None = None) -> FastAPI:
    """The application for the runs given by name (``load_served``), the first of them the default."""
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
        docs_url=None,  # Its page would be loaded from elsewhere; /openapi.json is here.
        redoc_url=None,
    )
    app.state.service = service
    app.add_middleware(Metered, meters=service.meters, headers=SECURITY)
    app.add_exception_handler(BusyError, _busy)
    app.include_router(router)
    return app


async def _service(request: Request) -> Service:  # Were it not async, each request would wait for a thread.
    service: Service = request.app.state.service
    return service


Serving = Annotated[Service, Depends(_service)]
DirectionQuery = Annotated[Direction, Query(description="a_to_b or b_to_a")]
Name = Annotated[str | None, Query(description="One of GET /v1/models; the first unless given")]


async def _busy(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, BusyError)
    return JSONResponse({"detail": str(error)}, 503, {"Retry-After": str(error.seconds)})


@router.post("/v1/translate", responses=PNG | FAILURES, openapi_extra=UPLOAD, response_class=Response)
async def translate(
    request: Request,
    service: Serving,
    direction: DirectionQuery,
    model: Name = None,
    round_trip: Annotated[bool, Query(description="Translate there and back")] = False,
    original_size: Annotated[bool, Query(description="Answer at the size of the image sent")] = False,
) -> Response:
    """Translate an image; the answer is a PNG."""
    chosen = service.find(model, direction)
    prepared = await service.prepare(request, chosen, direction)
    made = await service.translate(chosen, direction, prepared.pixels, round_trip)
    size = prepared.size if original_size else None
    return _png(await asyncio.to_thread(lambda: encode_png(chosen.translator.finish(made, size))))


@router.post("/v1/match", responses=FAILURES, openapi_extra=UPLOAD)
async def match(
    request: Request,
    service: Serving,
    direction: DirectionQuery,
    model: Name = None,
    count: Annotated[int, Query(ge=1, le=50, description="Counterparts wanted")] = 5,
) -> list[Match]:
    """The images of the other domain's folder that most likely belong with the image sent, nearest first."""
    chosen = service.find(model, direction)
    folder = service.folder(chosen, direction)
    prepared = await service.prepare(request, chosen, direction)
    made = await service.translate(chosen, direction, prepared.pixels)
    found = await asyncio.to_thread(folder.find, prepared.pixels[None], made[None], count)
    return [
        Match(name=name, distance=distance, image=f"/v1/models/{quote(chosen.name)}/folders/{direction}/{row}")
        for name, distance, row in found[0]
    ]


@router.get("/v1/models")
async def models(service: Serving) -> list[Model]:
    """The runs that are served."""
    return [Model(**each.describe()) for each in service.served.values()]


@router.get("/v1/models/{model}/examples/{direction}/{number}", responses=PNG | MISSING, response_class=Response)
async def example(service: Serving, model: str, direction: Direction, number: int) -> Response:
    """An image of the run's own that the direction can be tried with, counted from 0."""
    return _picked(service.find(model, direction).examples.get(direction), number)


@router.get("/v1/models/{model}/folders/{direction}/{number}", responses=PNG | MISSING, response_class=Response)
async def folder_image(service: Serving, model: str, direction: Direction, number: int) -> Response:
    """An image of the folder that counterparts come from, as the networks see it."""
    return _picked(service.folder(service.find(model, direction), direction).pixels, number)


@router.get("/healthz")
async def health() -> dict[str, str]:
    """Whether it answers."""
    return {"status": "ok", "version": version.__version__}


@router.get("/metrics", response_class=Response)
async def metrics(service: Serving) -> Response:
    """Requests, their times, batch sizes and the queue, as Prometheus reads them."""
    return Response(service.meters.text(), media_type="text/plain; version=0.0.4")


@router.get("/", response_class=HTMLResponse, include_in_schema=False)
async def page(service: Serving) -> HTMLResponse:
    return HTMLResponse(render("app.html", models=[each.describe() for each in service.served.values()]))


def _picked(images: Pixels | None, number: int) -> Response:
    if images is None or not 0 <= number < len(images):
        raise HTTPException(404, f"There is no image number {number}.")
    return _png(encode_png(from_pixels(images[number])))


def _png(data: bytes) -> Response:
    return Response(data, media_type="image/png")
