"""Asking for pictures through the public API."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Field, Router, Schema, Status

from accounts.api import caller
from accounts.idempotency import idempotent
from config.kit.paging import page_of
from gallery.api import ArtworkOut, artwork_out
from generation import actions, queries
from generation.models import Request
from generation.tools.text_to_image import NAME
from gpu.api import JobOut, job_out

PAGE = 24
MAX_PAGE = 100

router = Router(tags=["generation"])


class StyleIn(Schema):
    id: uuid.UUID
    version: int | None = Field(None, description="The active one where nothing is said.")
    weight: float = Field(1.0, description="0 to 1.5; 1 is the style as trained.")


class GenerateIn(Schema):
    """What is left out takes the base's own value; a seed that is left out is drawn by lot."""

    tool: str = NAME
    prompt: str
    negative_prompt: str = ""
    styles: list[StyleIn] = []
    width: int | None = None
    height: int | None = None
    steps: int | None = None
    guidance: float | None = None
    seed: int | None = Field(None, description="The first picture's; the others count on from it.")
    count: int = Field(1, description="1 to 8.")
    options: dict[str, Any] = {}


class StyleOut(Schema):
    id: uuid.UUID
    version: int
    weight: float


class GenerationOut(Schema):
    """`state` is that of its jobs together; `price` is what they cost if all are delivered."""

    id: uuid.UUID
    tool: str
    state: str
    prompt: str
    enhanced_prompt: str | None
    full_prompt: str
    negative_prompt: str
    styles: list[StyleOut]
    width: int
    height: int
    steps: int
    guidance: float
    seed: int
    count: int
    price: int
    jobs: list[JobOut]
    artworks: list[ArtworkOut]
    created_at: datetime.datetime


class GenerationPage(Schema):
    """`next` is the `cursor` of the following page, null on the last."""

    items: list[GenerationOut]
    next: str | None


def generation_out(http: HttpRequest, request: Request) -> GenerationOut:
    outputs = list(request.outputs.all())
    made = [output.artwork for output in outputs if output.artwork and output.artwork.deleted_at is None]
    return GenerationOut(
        id=request.public_id,
        tool=request.tool,
        state=queries.state_of(request),
        prompt=request.prompt,
        enhanced_prompt=request.enhanced_prompt or None,
        full_prompt=request.full_prompt,
        negative_prompt=request.negative_prompt,
        styles=[
            StyleOut(id=link.style.public_id, version=link.adapter.number, weight=link.weight)
            for link in request.styles.all()
        ],
        **{name: request.params[name] for name in ("width", "height", "steps", "guidance", "count")},
        seed=request.seed,
        price=sum(output.job.price for output in outputs),
        jobs=[job_out(output.job) for output in outputs],
        artworks=[artwork_out(http, artwork) for artwork in made],
        created_at=request.created_at,
    )


@router.post("/generate", response={202: GenerationOut}, summary="Ask for pictures")
@idempotent
def generate(request: HttpRequest, payload: GenerateIn) -> Status[GenerationOut]:
    """One job a picture. The credits are held now and taken for each picture that is delivered."""
    data = payload.dict(exclude={"tool"})
    made = actions.create_request(owner=caller(request), tool=payload.tool, data=data)
    return Status(202, _fresh(request, made))


@router.get("/generations", response=GenerationPage, summary="What was asked for, newest first")
def list_generations(request: HttpRequest, cursor: str = "", limit: int = PAGE) -> GenerationPage:
    rows = Request.objects.owned_by(caller(request)).whole()
    page = page_of(rows, cursor=cursor, size=max(1, min(limit, MAX_PAGE)))
    return GenerationPage(items=[generation_out(request, row) for row in page.items], next=page.next or None)


@router.get("/generations/{uuid:generation_id}", response=GenerationOut, summary="What came of it so far")
def get_generation(request: HttpRequest, generation_id: uuid.UUID) -> GenerationOut:
    return generation_out(request, _own(request, generation_id))


@router.delete("/generations/{uuid:generation_id}", response={204: None}, summary="Stop it and forget it")
def delete_generation(request: HttpRequest, generation_id: uuid.UUID) -> Status[None]:
    """What still runs is stopped and costs nothing; finished pictures stay in the gallery."""
    actions.delete_request(request=_own(request, generation_id))
    return Status(204, None)


@router.post("/generations/{uuid:generation_id}/retry", response={202: GenerationOut}, summary="Try again what failed")
@idempotent
def retry_generation(request: HttpRequest, generation_id: uuid.UUID) -> Status[GenerationOut]:
    """Every picture that failed or was cancelled gets a new job and a new hold."""
    return Status(202, _fresh(request, actions.retry_request(request=_own(request, generation_id))))


@router.post("/generations/{uuid:generation_id}/cancel", response=GenerationOut, summary="Stop it")
@idempotent
def cancel_generation(request: HttpRequest, generation_id: uuid.UUID) -> GenerationOut:
    """Pictures that are finished stay; the rest costs nothing."""
    own = _own(request, generation_id)
    actions.cancel_request(request=own)
    return _fresh(request, own)


def _own(request: HttpRequest, generation_id: uuid.UUID) -> Request:
    return get_object_or_404(Request.objects.owned_by(caller(request)).whole(), public_id=generation_id)


def _fresh(http: HttpRequest, request: Request) -> GenerationOut:
    return generation_out(http, Request.objects.whole().get(pk=request.pk))
