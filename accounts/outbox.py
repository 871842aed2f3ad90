"""Effects outside the house that follow a commit: a row is written with the deed, and done afterwards until it is done.

A row is taken with `FOR UPDATE SKIP LOCKED`, so that two workers never take the same one; taking it counts the attempt
and puts the next one off, before anything is done. Whoever is killed in between has therefore only lost time: the row
is due again when its back-off is over. Killed between the sending and the marking it is sent a second time, which is
the worst that can happen; its Message-ID follows from its key, so that a mailbox may recognise the double.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Outbox, User
from config.kit.doorbell import Doorbell
from config.kit.text import shortened

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 10
# Doubled from attempt to attempt, and longer than one may take (EMAIL_TIMEOUT): ten attempts last about eight hours.
BACK_OFF = timedelta(minutes=1)
AT_MOST = 40.0  # seconds for one run: the chores of others wait behind it, and the next minute brings another run
DONE_LASTS = timedelta(days=30)

_bell = Doorbell("accounts.tasks.deliver")
_deliver: dict[str, Callable[[Outbox], None]] = {}


def register(kind: Outbox.Kind, deliver: Callable[[Outbox], None]) -> None:
    """What is done with rows of this kind; called at least once, outside of a transaction, and free to raise."""
    _deliver[kind] = deliver


def put(*, kind: Outbox.Kind, key: str, payload: dict[str, Any], user: User | None = None) -> bool:
    """Write it into the transaction of the deed; the same key again writes nothing. Says whether it was written."""
    _row, is_new = Outbox.objects.get_or_create(key=key, defaults={"kind": kind, "payload": payload, "user": user})
    if is_new:
        transaction.on_commit(_bell.ring, robust=True)
    return is_new


def work() -> int:
    """Do everything that is due, as far as the time of one run allows; answers how many rows were done."""
    done, until = 0, time.monotonic() + AT_MOST
    while time.monotonic() < until and (row := _take()) is not None:
        done += _attempt(row)
    return done


def given_up() -> QuerySet[Outbox]:
    """Rows whose attempts are used up, the last one included."""
    return Outbox.objects.filter(done_at=None, attempts__gte=MAX_ATTEMPTS, due_at__lte=timezone.now())


def again(*, row: Outbox) -> bool:
    """Give a row that was given up a new set of attempts."""
    if not given_up().filter(pk=row.pk).update(attempts=0, due_at=timezone.now(), error=""):
        return False
    transaction.on_commit(_bell.ring, robust=True)
    return True


def tidy() -> None:
    """Forget what was done long ago."""
    Outbox.objects.filter(done_at__lt=timezone.now() - DONE_LASTS).delete()


@transaction.atomic
def _take() -> Outbox | None:
    now = timezone.now()
    due = Outbox.objects.filter(done_at=None, due_at__lte=now, attempts__lt=MAX_ATTEMPTS).order_by("due_at", "pk")
    row = due.select_for_update(skip_locked=True, of=("self",)).first()
    if row is None:
        return None
    row.due_at = now + BACK_OFF * 2**row.attempts
    row.attempts += 1
    row.save(update_fields=["due_at", "attempts"])
    return row


def _attempt(row: Outbox) -> bool:
    try:
        _deliver[row.kind](row)
    except Exception as error:  # noqa: BLE001 - of mail servers alone there are a dozen kinds; each means: not yet
        say = shortened(f"{type(error).__name__}: {error}", 300)
        log.warning("outbox_failed", row=row.pk, key=row.key, attempts=row.attempts, error=say)
        Outbox.objects.filter(pk=row.pk, done_at=None).update(error=say)
        return False
    # what was said is not kept: addresses and names in it would outlive their account
    Outbox.objects.filter(pk=row.pk).update(done_at=timezone.now(), error="", payload={})
    return True
