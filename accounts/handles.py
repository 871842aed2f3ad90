"""Handles: the name in a person's public address, `/@handle`."""

from __future__ import annotations

import re

from accounts.models import User
from config.kit.errors import Refusal

SHAPE = re.compile(r"[a-z0-9](?:[a-z0-9_-]{1,28})[a-z0-9]")

# Names that would let somebody speak for the house, or that an address of the house uses or may come to use.
_RESERVED = """
    about abuse account accounts admin administrator api app artistcloner artwork artworks auth billing blog board
    boards contact create credits design developer developers docs explore gallery handle help home info jobs legal
    login logout mail me media moderation moderator news notifications null official owner portfolio press pricing
    privacy root sales security settings share signin signout signup staff static status store stripe studio style
    styles support system team terms training undefined user users verify video webhooks www
"""
RESERVED = frozenset(_RESERVED.split())


def clean_handle(raw: str, *, user: User) -> str | None:
    """The handle in its one spelling, None for none; a `Refusal` says what is wrong with it."""
    handle = raw.strip().removeprefix("@").lower()
    if not handle:
        return None
    if not SHAPE.fullmatch(handle):
        raise Refusal(
            "A handle has 3 to 30 letters a–z, digits, hyphens or underscores, "
            "and starts and ends with a letter or digit.",
            code="handle_shape",
            field="handle",
        )
    if handle in RESERVED:
        raise Refusal(
            f"@{handle} is kept for the house. Please choose another handle.", code="handle_reserved", field="handle"
        )
    if User.objects.filter(handle=handle).exclude(pk=user.pk).exists():
        raise taken(handle)
    return handle


def taken(handle: str) -> Refusal:
    """The refusal that names a handle which is free."""
    free = next(
        (
            f" @{other} is free."
            for other in (f"{handle[:25]}-art", f"{handle[:25]}-2", f"{handle[:25]}-3")
            if not User.objects.filter(handle=other).exists()
        ),
        "",
    )
    return Refusal(f"@{handle} is taken.{free}", code="handle_taken", field="handle")
