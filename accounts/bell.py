"""The bell in the bar: how much is unread, and the newest lines. Rendered without a request; pages and socket share it.

The bell itself and its panel stay where they are when news come in, so that an open panel stays open and the focus
where it is: only `#bell-count`, `#bell-lines` and `#bell-said` are replaced.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.template.loader import render_to_string
from django.utils import translation
from django.utils.safestring import SafeString, mark_safe

from accounts.language import language_of
from accounts.models import Notification, User

NEWEST = 10
TEMPLATE = "ui/bell.html"


def facts(user: User) -> dict[str, Any]:
    """What `ui/bell.html` shows as `bell`."""
    own = Notification.objects.filter(user=user)
    return {
        "unread": own.filter(read_at=None).count(),
        "lines": list(own.order_by("-created_at", "-pk")[:NEWEST]),
    }


def render(user: User, *, is_new: bool = False, focus: UUID | None = None) -> SafeString:
    """Its parts for the owner's tabs. `is_new`: something came in, and whoever listens is told.

    `focus` is the line whose button was pressed: the button goes, and the keyboard stays where it was.
    """
    context = {"bell": facts(user) | {"said": is_new, "focus": focus}, "oob": True}
    with translation.override(language_of(user)):  # a socket has no request that would say it
        parts = [render_to_string(f"{TEMPLATE}#{part}", context) for part in ("lines", "count", "said")]
    return mark_safe("".join(parts))
