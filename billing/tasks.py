"""Small chores of this room."""

from celery import shared_task
from django.utils import timezone

from billing import ledger


@shared_task(name="billing.tasks.expire")  # type: ignore[untyped-decorator]
def expire() -> None:
    """Take away the credits whose time is over."""
    ledger.expire(now=timezone.now())
