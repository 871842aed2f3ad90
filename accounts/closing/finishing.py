"""The end itself: every room erases what is its own, then the person becomes nobody.

It may be killed anywhere and begun again: each room only ever erases what is left. Nothing can be taken back from the
moment on at which it begins, for nobody can sign in any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts import audit, outbox
from accounts.closing.asking import stop
from accounts.closing.rooms import rooms
from accounts.models import Closing, Outbox, User
from accounts.notices import CLOSING, CLOSING_STUCK
from accounts.notifications import notify
from config.kit.text import shortened

log = structlog.get_logger(__name__)

PATIENCE = timedelta(hours=1)  # with what must end first, before staff hears of it
_LOCKS = 0x636C6F73  # of all the advisory locks of the database, those of closings


def work() -> int:
    """Everything that is due, and what could not be stopped at the ask; how many accounts were closed."""
    open_ones = Closing.objects.filter(taken_back_at=None, done_at=None).select_related("user").order_by("pk")
    for closing in open_ones.filter(stopped_at=None):
        stop(closing)
    return sum(finish(closing) for closing in open_ones.filter(due_at__lte=timezone.now()))


def finish(closing: Closing) -> bool:
    """Whether the account is closed now. What stood in the way is told in the row and to staff, and tried again."""
    with _alone(closing) as alone:
        if not alone or not _shut(closing):
            return False
        try:
            _erase(closing)
        except _NotYet as why:
            _note(closing, str(why))
            if closing.due_at < timezone.now() - PATIENCE:
                _tell_staff(closing)
            return False
        except Exception as error:
            log.exception("closing_failed", closing=str(closing.public_id))
            _note(closing, f"{type(error).__name__}: {error}")
            _tell_staff(closing)
            return False
        _become_nobody(closing)
        return True


class _NotYet(Exception):
    """Something must end first."""


@contextmanager
def _alone(closing: Closing) -> Iterator[bool]:
    """Whether nobody else does this now; whoever is killed lets go of it with their connection."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(%s, %s)", [_LOCKS, closing.pk])
        [mine] = cursor.fetchone()
    try:
        yield mine
    finally:
        if mine:
            with connection.cursor() as cursor:
                cursor.execute("select pg_advisory_unlock(%s, %s)", [_LOCKS, closing.pk])


@transaction.atomic
def _shut(closing: Closing) -> bool:
    """From here on nobody signs in to it, so nobody takes it back; false where that was done a moment before."""
    user = User.objects.select_for_update().get(pk=closing.user_id)
    closing.refresh_from_db()
    if closing.taken_back_at or closing.done_at:
        return False
    if user.state != User.State.CLOSED:
        User.objects.filter(pk=user.pk).update(state=User.State.CLOSED, is_active=False)
        audit.record(actor=None, verb="closing.begin", target_kind="user", target=user.public_id)
    closing.user = User.objects.get(pk=user.pk)
    return True


def _erase(closing: Closing) -> None:
    user = closing.user
    if not stop(closing):
        raise _NotYet(Closing.objects.values_list("error", flat=True).get(pk=closing.pk))
    for room in rooms():
        if room.waits and (why := room.waits(user)):
            raise _NotYet(why)
    audit.erase_details(user)  # while the rows are there by which they are known to be this person's
    for room in rooms():
        if room.erase:
            _add(closing, room.name, room.erase(user))


def _add(closing: Closing, room: str, counts: Mapping[str, int]) -> None:
    """Into the receipt at once: the next room may not be reached this time."""
    erased = closing.receipt.setdefault("erased", {}).setdefault(room, {})
    for what, count in counts.items():
        if count:
            erased[what] = erased.get(what, 0) + count
    Closing.objects.filter(pk=closing.pk).update(receipt=closing.receipt, error="")


@transaction.atomic
def _become_nobody(closing: Closing) -> None:
    """The row stays, for the ledger and the trail refer to it; it names nobody. The receipt goes to the old address."""
    user, now = closing.user, timezone.now()
    closing.receipt["backups_expire"] = (now + timedelta(days=settings.BACKUP_DAYS)).date().isoformat()
    _send_receipt(closing, now + timedelta(days=settings.BACKUP_DAYS))
    user.email = f"closed-{user.public_id}@invalid"
    user.name, user.handle, user.last_login = "", None, None
    user.set_unusable_password()
    user.save()
    audit.record(actor=None, verb="closing.done", target_kind="user", target=user.public_id)
    Closing.objects.filter(pk=closing.pk).update(done_at=now, receipt=closing.receipt, error="")


def _send_receipt(closing: Closing, backups_expire: Any) -> None:
    """The outbox forgets the address when the mail has left."""
    erased: dict[str, dict[str, int]] = closing.receipt.get("erased", {})
    facts = [[_(what).capitalize(), f"{count:,}"] for counts in erased.values() for what, count in counts.items()]
    facts.append([_("Backups that still hold it expire on"), date_format(backups_expire, "j F Y")])
    letter = {
        "kind": CLOSING,
        "to": closing.user.email,
        "title": _("Your account is closed"),
        "body": _(
            "Everything in it is erased, weights and caches included. What stays: the lines of the ledger without "
            "their words, what the law wants kept of payments, and that an account was closed; none of it names you "
            "but the invoices."
        ),
        "url": "",
        "facts": facts,
    }
    outbox.put(kind=Outbox.Kind.MAIL, key=f"closing:{closing.public_id}:receipt", user=closing.user, payload=letter)


def _note(closing: Closing, error: str) -> None:
    Closing.objects.filter(pk=closing.pk).update(error=shortened(error, 300))


def _tell_staff(closing: Closing) -> None:
    """Once a day as long as it lasts."""
    for member in User.objects.filter(is_staff=True, is_active=True):
        notify(
            user=member,
            kind=CLOSING_STUCK,
            key=f"closing:{closing.public_id}:{timezone.now():%Y-%m-%d}",
            title="An account could not be closed.",
            body="It is tried again each minute. The row of the closing says what stands in the way.",
        )
