"""Signing in to the API, and the person behind the token."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from ninja import File, Router, Schema, UploadedFile
from ninja.security import HttpBearer

from accounts import actions, avatars, usage
from accounts.idempotency import idempotent
from accounts.models import Profile, User
from accounts.scopes import caller_of
from config.kit.limits import limit

CALLS_A_MINUTE = 1200  # twenty a second: far above a program that polls, far below one that hurts the others

router = Router(tags=["me"])


class TokenAuth(HttpBearer):
    """`Authorization: Bearer ac_…`. Routes find the person in `request.auth` and in `request.user`.

    Reading asks for the scope `read`, changing something for `write`, `/billing` for `billing`, the profile for
    `account`; a token without it is answered 403.
    """

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        user = caller_of(request, token)
        if user is not None:
            limit(
                "api",
                str(user.pk),
                times=CALLS_A_MINUTE,
                seconds=60,
                say="Too many calls at once. Please wait a moment.",
            )
            request.user = user
        return user


class LinkSchema(Schema):
    label: str = ""
    url: str


class MeOut(Schema):
    id: UUID
    email: str
    name: str
    handle: str | None
    about: str
    links: list[LinkSchema]
    avatar_url: str
    theme: str
    language: str
    created_at: datetime


class MeIn(Schema):
    """What is left out stays as it is."""

    name: str | None = None
    handle: str | None = None
    about: str | None = None
    links: list[LinkSchema] | None = None
    theme: Literal["dark", "light", "system"] | None = None
    language: str | None = None


class UsageOut(Schema):
    since: datetime
    this_month: dict[str, int]
    in_all: dict[str, int]


def _me(request: HttpRequest) -> MeOut:
    user = caller(request)
    profile, _ = Profile.objects.get_or_create(user=user)
    return MeOut(
        id=user.public_id,
        email=user.email,
        name=user.name,
        handle=user.handle,
        about=profile.about,
        links=profile.links,
        avatar_url=request.build_absolute_uri(url) if (url := avatars.url_of(profile)) else "",
        theme=profile.theme,
        language=profile.language,
        created_at=user.date_joined,
    )


def caller(request: HttpRequest) -> User:
    """The person behind the token of this call."""
    assert isinstance(request.user, User)  # TokenAuth ran before any route
    return request.user


@router.get("/me", response=MeOut)
def me(request: HttpRequest) -> MeOut:
    return _me(request)


@router.put("/me", response=MeOut)
@idempotent
def change_me(request: HttpRequest, payload: MeIn) -> MeOut:
    actions.save_profile(user=caller(request), **payload.dict(exclude_unset=True))
    return _me(request)


@router.post("/me/avatar", response=MeOut, summary="Your picture")
@idempotent
def put_avatar(request: HttpRequest, file: File[UploadedFile]) -> MeOut:
    """Multipart field `file`: JPEG, PNG, WebP, HEIC or AVIF. Its middle is kept, cut square, without metadata."""
    avatars.save_avatar(user=caller(request), file=file)
    return _me(request)


@router.delete("/me/avatar", response=MeOut, summary="No picture")
def drop_avatar(request: HttpRequest) -> MeOut:
    avatars.remove_avatar(user=caller(request))
    return _me(request)


@router.get("/me/usage", response=UsageOut)
def my_usage(request: HttpRequest) -> UsageOut:
    user = caller(request)
    month = timezone.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return UsageOut(since=month, this_month=usage.usage_of(user, since=month), in_all=usage.usage_of(user, since=None))
