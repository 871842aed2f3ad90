"""Small jobs of the default queue."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from gallery import actions


@shared_task  # type: ignore[untyped-decorator]
def purge_deleted() -> None:
    """Every hour: remove the files of what was deleted more than thirty days ago."""
    actions.purge(now=timezone.now())
