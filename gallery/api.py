"""This room's part of the public API."""

from __future__ import annotations

import datetime
import uuid
from typing import Any, Literal

from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from ninja import Router, Schema, Status

from accounts.api import caller
from accounts.idempotency import idempotent
from config.kit import media
from config.kit.paging import page_of
from config.kit.text import one_line
from gallery import actions, addresses
from gallery.models import Artwork

PAGE = 24
MAX_PAGE = 100
MAX_QUERY = 200

router = Router(tags=["gallery"])


class LikenessOut(Schema):
    """The learned work that it comes nearest to. `near` means that it may be a copy of it."""

    near: bool
    similarity: float
    hash_bits: int


class ArtworkOut(Schema):
    """`file_url`, `thumbnail_url` and `poster_url` open without a token and end after some minutes.

    `kind` is `image` or `video`; a film has `seconds` and a poster. `likeness` is null where it was held against no
    works. `marked`: the files carry the visible mark of your plan; they are clean once the plan has none. `parent` is
    the id of the artwork it was made from.
    """

    id: uuid.UUID
    kind: str
    width: int
    height: int
    seconds: float | None
    prompt: str
    alt_text: str
    seed: int
    favourite: bool
    visibility: str
    file_url: str
    thumbnail_url: str
    poster_url: str
    marked: bool
    parent: uuid.UUID | None
    likeness: LikenessOut | None
    recipe: dict[str, Any]
    created_at: datetime.datetime


class ArtworkPage(Schema):
    """`next` is the `cursor` of the following page, null on the last."""

    items: list[ArtworkOut]
    next: str | None


class ArtworkChange(Schema):
    favourite: bool | None = None
    alt_text: str | None = None


def artwork_out(request: HttpRequest, artwork: Artwork) -> ArtworkOut:
    return ArtworkOut(
        id=artwork.public_id,
        kind=artwork.kind,
        width=artwork.width,
        height=artwork.height,
        seconds=artwork.seconds,
        prompt=artwork.prompt,
        alt_text=artwork.alt_text,
        seed=artwork.seed,
        favourite=artwork.favourite,
        visibility=artwork.visibility,
        file_url=request.build_absolute_uri(addresses.file_url(artwork)),
        thumbnail_url=request.build_absolute_uri(addresses.thumb_url(artwork)),
        poster_url=request.build_absolute_uri(addresses.poster_url(artwork)) if artwork.poster_key else "",
        marked=addresses.is_marked(artwork),
        parent=artwork.parent.public_id if artwork.parent else None,
        likeness=LikenessOut(**artwork.likeness) if artwork.likeness else None,
        recipe=artwork.recipe,
        created_at=artwork.created_at,
    )


@router.get("/artworks", response=ArtworkPage, summary="The gallery, newest first")
def list_artworks(
    request: HttpRequest,
    kind: Literal["image", "video", ""] = "",
    style: uuid.UUID | None = None,
    favourite: bool = False,
    q: str = "",
    cursor: str = "",
    limit: int = PAGE,
) -> ArtworkPage:
    words = one_line(q, field="q", name=_("The search"), most=MAX_QUERY)
    rows = Artwork.objects.owned_by(caller(request)).matching(kind=kind, style=style, favourite=favourite, q=words)
    rows = rows.select_related("parent")
    page = page_of(rows, cursor=cursor, size=max(1, min(limit, MAX_PAGE)))
    return ArtworkPage(items=[artwork_out(request, artwork) for artwork in page.items], next=page.next or None)


@router.get("/artworks/{uuid:artwork_id}", response=ArtworkOut, summary="A picture and its recipe")
def get_artwork(request: HttpRequest, artwork_id: uuid.UUID) -> ArtworkOut:
    return artwork_out(request, _own(request, artwork_id))


@router.patch("/artworks/{uuid:artwork_id}", response=ArtworkOut, summary="Favourite or describe a picture")
@idempotent
def change_artwork(request: HttpRequest, artwork_id: uuid.UUID, payload: ArtworkChange) -> ArtworkOut:
    artwork = _own(request, artwork_id)
    if payload.alt_text is not None:
        actions.describe(artwork=artwork, alt_text=payload.alt_text)
    if payload.favourite is not None:
        actions.favourite(artwork=artwork, on=payload.favourite)
    return artwork_out(request, artwork)


@router.delete("/artworks/{uuid:artwork_id}", response={204: None}, summary="Delete a picture")
def delete_artwork(request: HttpRequest, artwork_id: uuid.UUID) -> Status[None]:
    actions.delete_artwork(artwork=_own(request, artwork_id))
    return Status(204, None)


@router.get("/artworks/{uuid:artwork_id}/file", summary="The PNG or MP4, its recipe inside; in parts, if asked so")
def get_artwork_file(request: HttpRequest, artwork_id: uuid.UUID) -> HttpResponseBase:
    artwork = _own(request, artwork_id)
    if not (key := addresses.file_key(artwork)):
        raise Http404
    return media.answer(request, key, filename=artwork.filename)


def _own(request: HttpRequest, artwork_id: uuid.UUID) -> Artwork:
    return get_object_or_404(Artwork.objects.owned_by(caller(request)), public_id=artwork_id)
