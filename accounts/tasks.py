"""Small chores of this room."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from accounts.models import IdempotencyKey, SignInLink

KEYS_LAST = timedelta(hours=24)  # how long a doubled call is recognised


@shared_task(name="accounts.tasks.tidy")  # type: ignore[untyped-decorator]
def tidy() -> None:
    """Forget the answers of yesterday's calls and the links that have run out."""
    now = timezone.now()
    IdempotencyKey.objects.filter(created_at__lt=now - KEYS_LAST).delete()
    SignInLink.objects.filter(expires_at__lt=now - KEYS_LAST).delete()
