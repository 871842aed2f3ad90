"""Asking for pictures through the public API."""

from __future__ import annotations

import datetime
import uuid
from typing import Any, Literal

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Field, File, Router, Schema, Status, UploadedFile

from accounts.api import caller
from accounts.idempotency import idempotent
from config.kit.paging import page_of
from gallery.api import ArtworkOut, artwork_out
from generation import actions, queries, sources
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


_PICTURE = "the `id` of an artwork, of an upload, or of an earlier generation (its source again), or a data URI"
_OPTIONS = """The tool's own settings, all optional unless said otherwise.

`image_to_image`: `strength` 0.1 to 1, how freely the source is treated. `inpaint`: `strength` 0.1 to 1, `feather` in
pixels. `outpaint`: `left`, `top`, `right`, `bottom`, pixels added on each side, one of them at least. `upscale`:
`factor` 2 or 4, `strength` 0 (only enlarge) to 0.6 (much new detail). `camera_move`: `move` (push_in, pull_out,
pan_left, pan_right, tilt_up or tilt_down), `seconds` 4 or 6. `image_to_video`: `seconds` 4 or 6, `motion` 1 to 255."""


class GenerateIn(Schema):
    """What is left out takes the base's own value; a seed that is left out is drawn by lot."""

    tool: str = Field(NAME, description="`text_to_image`, or one of those that start from a `source`.")
    prompt: str = Field(
        "", description="Of any length; `(word:1.3)` weighs more, `[word]` less. `upscale` does without."
    )
    negative_prompt: str = ""
    source: str | None = Field(None, description=f"The picture to start from: {_PICTURE} of at most 1.5 MB.")
    mask: str | None = Field(
        None,
        description=(
            "For `inpaint`: a picture of the source's size, white where it is drawn anew, black where it stays. "
            "A data URI, the `id` of an upload, or of an earlier generation (its mask again)."
        ),
    )
    tier: str | None = Field(
        None, description="`fine`, `draft` or, where the base has it, `fast`, which sets steps and guidance itself."
    )
    styles: list[StyleIn] = []
    width: int | None = None
    height: int | None = None
    steps: int | None = None
    guidance: float | None = None
    seed: int | None = Field(None, description="The first picture's; the others count on from it.")
    count: int = Field(1, description="1 to 8.")
    options: dict[str, Any] = Field({}, description=_OPTIONS)


class StyleOut(Schema):
    id: uuid.UUID
    version: int
    weight: float


class UploadOut(Schema):
    """`id` is a `source` or a `mask` for `POST /generate`. Kept for a week, and as long as a generation needs it."""

    id: uuid.UUID
    width: int
    height: int
    file_url: str


class SourceOut(Schema):
    """What it started from: an artwork, or an upload. `id` is null once it was deleted."""

    kind: Literal["artwork", "upload"]
    id: uuid.UUID | None
    file_url: str | None


class GenerationOut(Schema):
    """`state` is that of its jobs together; `price` is what they cost if all are delivered.

    `steps`, `guidance` and `tier` are null for tools that do not paint.
    """

    id: uuid.UUID
    tool: str
    state: str
    prompt: str
    enhanced_prompt: str | None
    full_prompt: str
    negative_prompt: str
    styles: list[StyleOut]
    source: SourceOut | None
    has_mask: bool
    options: dict[str, Any]
    width: int
    height: int
    steps: int | None
    guidance: float | None
    tier: str | None
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
        source=_source_out(http, request),
        has_mask=bool(request.mask_key),
        options=request.params.get("options", {}),
        **{name: request.params.get(name) for name in ("width", "height", "steps", "guidance", "tier", "count")},
        seed=request.seed,
        price=sum(output.job.price for output in outputs),
        jobs=[job_out(output.job) for output in outputs],
        artworks=[artwork_out(http, artwork) for artwork in made],
        created_at=request.created_at,
    )


def _source_out(http: HttpRequest, request: Request) -> SourceOut | None:
    if not request.source_key:
        return None
    source = sources.of_request(request)
    return SourceOut(
        kind="upload" if sources.is_upload(request.source_key) else "artwork",
        id=uuid.UUID(source.id) if source else None,
        file_url=http.build_absolute_uri(source.url) if source else None,
    )


@router.post("/generate/upload", response={201: UploadOut}, summary="A picture to start from, or a mask")
@idempotent
def upload(request: HttpRequest, file: File[UploadedFile]) -> Status[UploadOut]:
    """Multipart field `file`: JPEG, PNG, WebP, HEIC or AVIF, at most 25 MB. Kept upright, in sRGB, without metadata."""
    source = actions.upload_source(owner=caller(request), file=file)
    url = request.build_absolute_uri(source.url)
    return Status(201, UploadOut(id=uuid.UUID(source.id), width=source.width, height=source.height, file_url=url))


@router.post("/generate", response={202: GenerationOut}, summary="Ask for pictures")
@idempotent
def generate(request: HttpRequest, payload: GenerateIn) -> Status[GenerationOut]:
    """One job a picture. The credits are held now and taken for each picture that is delivered.

    Tools that start from a picture (`image_to_image`, `inpaint`, `outpaint`, `upscale`) name it as `source`.
    """
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
