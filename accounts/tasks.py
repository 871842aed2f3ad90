"""Small chores of this room."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from accounts import background, exporting, notices, notifications, outbox, sessions
from accounts.models import IdempotencyKey, SignInLink

KEYS_LAST = timedelta(hours=24)  # how long a doubled call is recognised


@shared_task(name="accounts.tasks.tidy")  # type: ignore[untyped-decorator]
def tidy() -> None:
    """Forget yesterday's answers, links and sessions that have run out, what was read or sent long ago, archives."""
    now = timezone.now()
    IdempotencyKey.objects.filter(created_at__lt=now - KEYS_LAST).delete()
    SignInLink.objects.filter(expires_at__lt=now - KEYS_LAST).delete()
    sessions.tidy()
    notifications.tidy()
    outbox.tidy()
    exporting.expire()


@shared_task(name="accounts.tasks.deliver")  # type: ignore[untyped-decorator]
def deliver() -> None:
    """Do what is due in the outbox. Rung for at each commit, and each minute in case nobody heard it."""
    outbox.work()
    notices.tell_staff_of_what_is_stuck()


@shared_task(name="accounts.tasks.own_data")  # type: ignore[untyped-decorator]
def own_data() -> None:
    """Wake the thread that makes archives and closes accounts. Rung for when asked, and each minute besides."""
    background.maker.get().pull()
