"""Small jobs of the default queue."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from generation import sources


@shared_task  # type: ignore[untyped-decorator]
def purge_uploads() -> None:
    """Every hour: remove pictures that were uploaded to start from and then never used."""
    sources.purge_uploads(now=timezone.now())
