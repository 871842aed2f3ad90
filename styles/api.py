"""Styles and their references over the public API."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Collection
from typing import Any, cast

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import File, Form, Router, Schema, Status, UploadedFile

from accounts.idempotency import idempotent
from accounts.models import User
from config.kit import media
from config.kit.paging import page_of
from styles import actions, queries, rules
from styles.models import Reference, Style
from styles.report import dataset_report

PAGE = 24
MAX_PAGE = 100

router = Router(tags=["styles"])


class StyleIn(Schema):
    """`declaration`: `made` (I made these works) or `may_use` (I may use them); a training needs it."""

    name: str
    kind: str = "art"
    description: str = ""
    declaration: str | None = None


class StyleChange(Schema):
    """Only what is sent changes."""

    name: str | None = None
    kind: str | None = None
    description: str | None = None
    declaration: str | None = None


class StyleOut(Schema):
    """`cover_url` opens without a token and ends after some minutes; `active_version` is null before the first.

    `read_only`: beyond the styles that your plan holds; it can be looked at, exported and deleted.
    """

    id: uuid.UUID
    name: str
    kind: str
    description: str
    status: str
    trigger_word: str
    images_count: int
    cover_url: str | None
    active_version: int | None
    declaration: str | None
    sample: bool
    read_only: bool
    created_at: datetime.datetime


class StylePage(Schema):
    """`next` is the `cursor` of the following page, null on the last."""

    items: list[StyleOut]
    next: str | None


class RemarkOut(Schema):
    code: str
    say: str


class ImageOut(Schema):
    """One reference. `number` is its frame; `thumbnail_url` opens without a token and ends after some minutes."""

    id: uuid.UUID
    number: int
    filename: str
    verdict: str
    remarks: list[RemarkOut]
    width: int
    height: int
    caption: str
    oddness: float | None  # 0..1, how far it stands from the rest; null before anybody has looked
    thumbnail_url: str
    created_at: datetime.datetime


class ImageList(Schema):
    """All of a style's references; `next` is always null, for there are forty at most."""

    items: list[ImageOut]
    next: None = None


class ImageChange(Schema):
    """`keep`: it belongs to the set, although it was remarked that it stands apart."""

    caption: str | None = None
    keep: bool = False


class RefusedOut(Schema):
    filename: str
    code: str
    say: str


class ImagesTaken(Schema):
    accepted: list[ImageOut]
    refused: list[RefusedOut]
    style: StyleOut


def style_out(request: HttpRequest, style: Style, *, resting: Collection[int] | None = None) -> StyleOut:
    """`resting`: the keys of the read-only ones, where a list knows them."""
    cover = queries.cover(style)
    declaration = queries.current_declaration(style)
    return StyleOut(
        id=style.public_id,
        name=style.name,
        kind=style.kind,
        description=style.description,
        status=style.status,
        trigger_word=style.trigger_word,
        images_count=queries.works_count(style),
        cover_url=request.build_absolute_uri(media.signed_url(cover[0].thumb_key)) if cover else None,
        active_version=style.active_adapter.number if style.active_adapter else None,
        declaration=declaration.choice if declaration else None,
        sample=style.is_sample,
        read_only=queries.is_read_only(style) if resting is None else style.pk in resting,
        created_at=style.created_at,
    )


def image_out(request: HttpRequest, reference: Reference) -> ImageOut:
    return ImageOut(
        id=reference.public_id,
        number=reference.position,
        filename=reference.filename,
        verdict=reference.verdict,
        remarks=[RemarkOut(code=remark["code"], say=remark["say"]) for remark in reference.remarks],
        width=reference.width,
        height=reference.height,
        caption=reference.caption,
        oddness=reference.oddness,
        thumbnail_url=request.build_absolute_uri(media.signed_url(reference.thumb_key)),
        created_at=reference.created_at,
    )


def _user(request: HttpRequest) -> User:
    return cast(User, request.auth)  # type: ignore[attr-defined]


def _style(request: HttpRequest, style_id: uuid.UUID) -> Style:
    return get_object_or_404(
        Style.objects.owned_by(_user(request)).select_related("active_adapter"), public_id=style_id
    )


def _reference(request: HttpRequest, style_id: uuid.UUID, image_id: uuid.UUID) -> Reference:
    return get_object_or_404(_style(request, style_id).references.all(), public_id=image_id)


@router.get("/styles", response=StylePage, summary="Your styles, newest first")
def list_styles(request: HttpRequest, cursor: str = "", limit: int = PAGE) -> dict[str, Any]:
    page = page_of(Style.objects.owned_by(_user(request)).for_cards(), cursor=cursor, size=max(1, min(limit, MAX_PAGE)))
    resting = queries.read_only_ids(_user(request))
    items = [style_out(request, style, resting=resting) for style in page.items]
    return {"items": items, "next": page.next or None}


@router.post("/styles", response={201: StyleOut}, summary="A new, empty style")
@idempotent
def create_style(request: HttpRequest, payload: StyleIn) -> Status[StyleOut]:
    return Status(201, style_out(request, actions.create_style(owner=_user(request), **payload.dict())))


@router.post("/styles/sample", response={201: StyleOut}, summary="A style with twenty-four sample works, to try with")
@idempotent
def create_sample(request: HttpRequest) -> Status[StyleOut]:
    return Status(201, style_out(request, actions.create_sample_style(owner=_user(request))))


@router.post("/styles/import", response={201: StyleOut}, summary="A LoRA from elsewhere as a style, ready at once")
@idempotent
def import_style(
    request: HttpRequest,
    file: File[UploadedFile],
    declaration: Form[str],
    name: Form[str] = "",
    trigger_word: Form[str] = "",
) -> Status[StyleOut]:
    """A `.safetensors` of 2 GB at most; name and trigger word are read from it where none are given."""
    style = actions.import_adapter(
        owner=_user(request), file=file, declaration=declaration, name=name, trigger_word=trigger_word
    )
    return Status(201, style_out(request, style))


@router.get("/styles/{style_id}", response=StyleOut, summary="One style")
def get_style(request: HttpRequest, style_id: uuid.UUID) -> StyleOut:
    return style_out(request, _style(request, style_id))


@router.put("/styles/{style_id}", response=StyleOut, summary="Rename, describe, declare")
@idempotent
def change_style(request: HttpRequest, style_id: uuid.UUID, payload: StyleChange) -> StyleOut:
    style = _style(request, style_id)
    actions.change_style(style=style, user=_user(request), **payload.dict(exclude_none=True))
    return style_out(request, _style(request, style_id))


@router.delete("/styles/{style_id}", response={204: None}, summary="Delete; restorable for 30 days")
@idempotent
def delete_style(request: HttpRequest, style_id: uuid.UUID) -> Status[None]:
    actions.delete_style(style=_style(request, style_id), actor=_user(request))
    return Status(204, None)


@router.post("/styles/{style_id}/restore", response=StyleOut, summary="Bring a deleted style back")
@idempotent
def restore_style(request: HttpRequest, style_id: uuid.UUID) -> StyleOut:
    user = _user(request)
    style = get_object_or_404(Style.objects.with_deleted().owned_by(user), public_id=style_id)
    actions.restore_style(style=style, actor=user)
    return style_out(request, _style(request, style_id))


@router.post("/styles/{style_id}/images", response=ImagesTaken, summary="Add references, several at once")
@idempotent
def add_images(request: HttpRequest, style_id: uuid.UUID, files: File[list[UploadedFile]]) -> ImagesTaken:
    """Answers 200 with a verdict for each file, also where all were refused."""
    style = _style(request, style_id)
    rules.not_too_fast(style.owner, files=len(files))
    verdicts = actions.add_references(style=style, files=files)
    return ImagesTaken(
        accepted=[image_out(request, v.reference) for v in verdicts if isinstance(v, actions.Accepted)],
        refused=[
            RefusedOut(filename=v.filename, code=v.code, say=v.say) for v in verdicts if isinstance(v, actions.Refused)
        ],
        style=style_out(request, _style(request, style_id)),
    )


@router.get("/styles/{style_id}/images", response=ImageList, summary="Its references, in the order of their frames")
def list_images(request: HttpRequest, style_id: uuid.UUID) -> dict[str, Any]:
    return {"items": [image_out(request, reference) for reference in _style(request, style_id).references.all()]}


@router.get("/styles/{style_id}/images/{image_id}", response=ImageOut, summary="One reference")
def get_image(request: HttpRequest, style_id: uuid.UUID, image_id: uuid.UUID) -> ImageOut:
    return image_out(request, _reference(request, style_id, image_id))


@router.patch(
    "/styles/{style_id}/images/{image_id}", response=ImageOut, summary="Change its caption, or keep it in the set"
)
@idempotent
def change_image(request: HttpRequest, style_id: uuid.UUID, image_id: uuid.UUID, payload: ImageChange) -> ImageOut:
    reference = _reference(request, style_id, image_id)
    if payload.caption is not None:
        reference = actions.set_caption(reference=reference, caption=payload.caption)
    if payload.keep:
        reference = actions.keep_in_set(reference=reference)
    return image_out(request, reference)


@router.delete("/styles/{style_id}/images/{image_id}", response={204: None}, summary="Remove; restorable for a day")
@idempotent
def delete_image(request: HttpRequest, style_id: uuid.UUID, image_id: uuid.UUID) -> Status[None]:
    actions.delete_reference(reference=_reference(request, style_id, image_id))
    return Status(204, None)


class FindingOut(Schema):
    """`kind` is `good` or `remark`; `images` are the numbers of the frames it is about."""

    code: str
    kind: str
    say: str
    more: str
    images: list[int]


class FateOut(Schema):
    """The size at which an image is seen in training, and the share of it that the crop keeps."""

    id: uuid.UUID
    number: int
    width: int
    height: int
    kept: float


class ReportOut(Schema):
    ready: bool
    summary: str
    accepted: int
    remarked: int
    needed: int
    most: int
    teaches: list[FindingOut]
    lacks: list[FindingOut]
    images: list[FateOut]


@router.get("/styles/{style_id}/report", response=ReportOut, summary="What the set will teach well, and what it lacks")
def get_report(request: HttpRequest, style_id: uuid.UUID) -> Any:
    return dataset_report(_style(request, style_id))
