"""The trail of who did what. An action writes its line in its own transaction: both stand or fall together.

A room registers the words of its verbs, and which rows of its kinds are a person's, in its `AppConfig.ready()`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from accounts.models import AuditEntry, User

# the public ids of the rows of one kind that are a person's
Owned = Callable[[User], "QuerySet[Any, Any]"]

_words: dict[str, str | Promise] = {}
_owned: dict[str, Owned] = {}


@dataclass(frozen=True)
class Deed:
    """A line of the trail as its person reads it."""

    at: datetime
    say: str
    who: str


def record(
    *,
    actor: User | None,
    verb: str,
    target_kind: str = "",
    target: UUID | None = None,
    detail: dict[str, Any] | None = None,
) -> AuditEntry:
    """Note a deed. `actor` is None for what the house does by itself or somebody does from its terminal."""
    return AuditEntry.objects.create(
        actor=actor, verb=verb, target_kind=target_kind, target=target, detail=detail or {}
    )


def register(words: Mapping[str, str | Promise], *, owned: Mapping[str, Owned] | None = None) -> None:
    """What the trail says for each verb, and how to find the rows of each kind of target that are a person's."""
    _words.update(words)
    _owned.update(owned or {})


def words() -> Mapping[str, str | Promise]:
    """Every verb that has words."""
    return _words


def trail_of(user: User) -> QuerySet[AuditEntry]:
    """What was done to an account and to all that is in it, by whomever; newest first."""
    theirs = Q(target_kind="user", target=user.public_id)
    for kind, ids in _owned.items():
        theirs |= Q(target_kind=kind, target__in=ids(user))
    return AuditEntry.objects.filter(theirs).select_related("actor").order_by("-pk")


def erase_details(user: User) -> None:
    """What was noted beside the deeds; that they were done, by whom and to what stays."""
    theirs = Q(pk__in=trail_of(user).order_by().values("pk")) | Q(actor=user)
    AuditEntry.objects.filter(theirs).exclude(detail={}).update(detail={})


def in_words(entry: AuditEntry, *, seen_by: User) -> Deed:
    """The line as this person reads it; no colleague of ours is named."""
    names = {None: _("the house"), seen_by.pk: _("you")}
    return Deed(at=entry.at, say=str(_words.get(entry.verb, entry.verb)), who=names.get(entry.actor_id, _("staff")))
