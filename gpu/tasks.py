"""Small jobs around the queue, on the default worker."""

from __future__ import annotations

from datetime import timedelta

import structlog
from celery import shared_task
from django.db.models.functions import Now

from gpu import lifecycle
from gpu.bell import ring
from gpu.lifecycle.line import ready
from gpu.models import Job, Worker

log = structlog.get_logger(__name__)

WORKER_KEPT = timedelta(hours=24)  # rows of workers that are gone, for staff to look at
DEAF = timedelta(minutes=3)


@shared_task(name="gpu.tasks.sweep")  # type: ignore[untyped-decorator]
def sweep() -> None:
    """What was lost goes back into the line, and what waits rings again."""
    lifecycle.requeue_lost()
    if Job.objects.filter(ready()).update(rung_at=Now()):
        ring()


@shared_task(name="gpu.tasks.canary")  # type: ignore[untyped-decorator]
def canary() -> None:
    """Ring although nothing waits, and notice workers that live but did not hear the last rings."""
    ring()
    for worker in Worker.objects.filter(seen_at__gt=Now() - timedelta(minutes=1), draining_at=None):
        if worker.started_at < worker.seen_at - DEAF and (worker.heard_at or worker.started_at) < worker.seen_at - DEAF:
            log.warning("worker_deaf", worker=worker.name, heard_at=str(worker.heard_at))
    Worker.objects.filter(seen_at__lt=Now() - WORKER_KEPT).delete()
