"""Small chores of this room."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from accounts import notices, notifications, outbox
from accounts.models import IdempotencyKey, SignInLink

KEYS_LAST = timedelta(hours=24)  # how long a doubled call is recognised


@shared_task(name="accounts.tasks.tidy")  # type: ignore[untyped-decorator]
def tidy() -> None:
    """Forget the answers of yesterday's calls, the links that have run out, and what was read or sent long ago."""
    now = timezone.now()
    IdempotencyKey.objects.filter(created_at__lt=now - KEYS_LAST).delete()
    SignInLink.objects.filter(expires_at__lt=now - KEYS_LAST).delete()
    notifications.tidy()
    outbox.tidy()


@shared_task(name="accounts.tasks.deliver")  # type: ignore[untyped-decorator]
def deliver() -> None:
    """Do what is due in the outbox. Rung for at each commit, and each minute in case nobody heard it."""
    outbox.work()
    notices.tell_staff_of_what_is_stuck()
