"""Telling a person something: a line under the bell, and a mail where it is wanted.

A room registers the kinds that it sends in its `AppConfig.ready()`; the line and the mail are written in the
transaction of the deed that they tell of, and the mail leaves after the commit.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from accounts.models import Notification, User
from config.kit.text import shortened


@dataclass(frozen=True)
class Kind:
    """`say` is what the settings call it. `mail`: whether it is mailed unless the person says otherwise."""

    name: str
    say: str
    mail: bool = False
    # mailed whatever the person says: money and the account itself
    binding: bool = False


_kinds: dict[str, Kind] = {}


def register(*kinds: Kind) -> None:
    _kinds.update({kind.name: kind for kind in kinds})


def kinds() -> list[Kind]:
    return list(_kinds.values())


@transaction.atomic
def notify(*, user: User, kind: str, key: str, title: str, body: str = "", url: str = "") -> Notification | None:
    """Tell it once: the same `key` again answers None. `url` is a path of ours. Raises KeyError for an unknown kind."""
    _kinds[kind]
    facts = {"kind": kind, "title": shortened(title, 200), "body": shortened(body, 500), "url": url}
    made, is_new = Notification.objects.get_or_create(user=user, key=key, defaults=facts)
    return made if is_new else None
