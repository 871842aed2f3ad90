"""What people ask for: new work, an early end, another try."""

from __future__ import annotations

import uuid
from functools import partial

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import User
from billing import ledger
from billing.plans import plan_of
from gpu import kinds, live
from gpu.bell import ring
from gpu.lifecycle.moves import CANCELLED, QUEUED, RUNNING, JobId, locked, move, named
from gpu.models import Job, JobEvent


def submit(
    *,
    owner: User,
    kind: str,
    subject: uuid.UUID,
    price: int,
    say: str,
    affinity: str = "",
    job_id: uuid.UUID | None = None,
) -> Job:
    """Put work into the line and its price on hold, in one transaction. `say` names it in the ledger.

    Raises `billing.ledger.InsufficientCredits`, and KeyError for a kind nobody registered.
    """
    kinds.get(kind)
    with transaction.atomic():
        job = Job.objects.create(
            public_id=job_id or uuid.uuid4(),
            owner=owner,
            kind=kind,
            subject=subject,
            price=price,
            affinity=affinity,
            tier=plan_of(owner).tier,
            queued_at=Now(),
        )
        job.refresh_from_db(fields=["queued_at"])
        JobEvent.objects.create(job=job, to_state=QUEUED, fence=0)
        if price:
            key = f"job:{job.public_id}:hold"
            job.hold = ledger.hold(user=owner, amount=price, key=key, say=say, job=job.public_id)
            job.save(update_fields=["hold"])
        transaction.on_commit(ring, robust=True)
        transaction.on_commit(partial(live.announce, job, moved=True), robust=True)
    return job


def request_stop(*, job_id: JobId) -> bool:
    """End soon and keep what is finished. What never started has nothing to keep and is cancelled."""
    with locked(named(job_id) & Q(state__in=(QUEUED, RUNNING))) as job:
        if job and job.state == QUEUED and job.started_at is None:
            return move(job, CANCELLED, note="stopped before it began")
        return _ask(job, "stop_at")


def request_cancel(*, job_id: JobId) -> bool:
    """Let it be: at once where it waits; where it runs, the worker sees the wish within a second."""
    with locked(named(job_id) & Q(state__in=(QUEUED, RUNNING))) as job:
        if job and job.state == QUEUED:
            return move(job, CANCELLED, note="cancelled in the line")
        return _ask(job, "cancel_at")


def _ask(job: Job | None, column: str) -> bool:
    if job is None or getattr(job, column):
        return False
    Job.objects.filter(pk=job.pk).update(**{column: Now()})
    transaction.on_commit(partial(live.announce, job), robust=True)
    return True


def requeue(*, job_id: JobId) -> bool:
    """Staff: take it from its worker, or out of its pause, and let it start anew. No attempt is counted."""
    with locked(named(job_id) & (Q(state=RUNNING) | Q(state=QUEUED, not_before__gt=Now()))) as job:
        if job is None:
            return False
        transaction.on_commit(ring, robust=True)
        if job.state == RUNNING:
            return move(job, QUEUED, note="requeued by staff", not_before=None)
        Job.objects.filter(pk=job.pk).update(not_before=None)
        return True
