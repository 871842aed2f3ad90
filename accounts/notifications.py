"""Telling a person something: a line under the bell, and a mail where it is wanted.

A room registers the kinds that it sends in its `AppConfig.ready()`; the line and the mail are written in the
transaction of the deed that they tell of. Tabs hear of it, and the mail leaves, after the commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.utils import timezone
from django.utils.functional import Promise

from accounts import outbox
from accounts.models import Notification, Outbox, Profile, User
from config.kit.live import group_of, publish
from config.kit.text import shortened

READ_LASTS = timedelta(days=90)

Words = str | Promise
Facts = Sequence[tuple[str, str]]  # what the mail shows as a small table: label and figure


@dataclass(frozen=True)
class Example:
    """What staff see when they look at the mail of a kind."""

    title: Words
    body: Words = ""
    url: str = "/studio/"
    facts: Sequence[tuple[Words, Words]] = ()


@dataclass(frozen=True)
class Kind:
    """`say` is what the settings call it, `action` what the button of its mail says."""

    name: str
    say: Words
    # whether it is mailed unless the person says otherwise
    mail: bool = False
    # told whatever the person says: money and the account itself
    binding: bool = False
    # for staff alone: it is in nobody else's settings
    staff: bool = False
    # whether the settings speak of it: of what comes once and at the beginning they need not
    listed: bool = True
    action: Words = ""
    example: Example = field(default=Example(title=""))


_kinds: dict[str, Kind] = {}


def register(*kinds: Kind) -> None:
    _kinds.update({kind.name: kind for kind in kinds})


def kinds() -> list[Kind]:
    return list(_kinds.values())


def kind_named(name: str) -> Kind:
    """Raises KeyError for a kind that no room registered."""
    return _kinds[name]


def rings(profile: Profile, kind: Kind) -> bool:
    """Whether it counts under the bell; else it is filed as read."""
    return kind.binding or bool(profile.bells.get(kind.name, True))


def mailed(profile: Profile, kind: Kind) -> bool:
    """Whether it is mailed: what the person said, else the kind's default; what is binding always."""
    return kind.binding or bool(profile.mails.get(kind.name, kind.mail))


@transaction.atomic
def notify(
    *, user: User, kind: str, key: str, title: str, body: str = "", url: str = "", facts: Facts = ()
) -> Notification | None:
    """Tell it once: the same `key` again answers None. `url` is a path of ours. Raises KeyError for an unknown kind."""
    known = _kinds[kind]
    if user.state == User.State.CLOSED:  # what comes after the end is for nobody to read
        return None
    profile = profile_of(user)
    ringing = rings(profile, known)
    line = {
        "kind": kind,
        "title": shortened(title, 200),
        "body": shortened(body, 500),
        "url": url,
        "read_at": None if ringing else timezone.now(),
    }
    made, is_new = Notification.objects.get_or_create(user=user, key=key, defaults=line)
    if not is_new:
        return None
    if mailed(profile, known):
        # the address as it is now: whoever closes their account is still told so
        letter = {"kind": kind, "to": user.email, "title": title, "body": body, "url": url, "facts": list(facts)}
        outbox.put(kind=Outbox.Kind.MAIL, key=f"{user.public_id}:{key}"[:200], user=user, payload=letter)
    _announce(user, is_new=ringing)
    return made


def profile_of(user: User) -> Profile:
    """Their profile, or what a new one would say."""
    return Profile.objects.filter(user=user).first() or Profile(user=user)


def read(*, notification: Notification) -> None:
    """Its person has seen it; their other tabs are told."""
    if Notification.objects.filter(pk=notification.pk, read_at=None).update(read_at=timezone.now()):
        _announce(notification.user, is_new=False)


def read_all(*, user: User) -> int:
    """Everything up to now is seen; answers how much that was."""
    count = Notification.objects.filter(user=user, read_at=None).update(read_at=timezone.now())
    if count:
        _announce(user, is_new=False)
    return count


@transaction.atomic
def choose(*, user: User, kind: str, bell: bool | None = None, mail: bool | None = None) -> None:
    """Remember what a person decided of one kind. What is binding stays as it is."""
    if _kinds[kind].binding:
        return
    Profile.objects.get_or_create(user=user)
    profile = Profile.objects.select_for_update().get(user=user)
    if bell is not None:
        profile.bells = {**profile.bells, kind: bell}
    if mail is not None:
        profile.mails = {**profile.mails, kind: mail}
    profile.save(update_fields=["bells", "mails"])


def tidy() -> None:
    """Forget what was read long ago."""
    Notification.objects.filter(read_at__lt=timezone.now() - READ_LASTS).delete()


def _announce(user: User, *, is_new: bool) -> None:
    message = {"type": "notification.changed", "is_new": is_new}
    transaction.on_commit(partial(publish, group_of(user.public_id), message), robust=True)
