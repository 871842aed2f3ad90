"""What people ask for: new work, an early end, another try."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from functools import partial

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from accounts.closing import refuse_while_closing
from accounts.models import User
from billing import ledger
from billing.allowance import tier_of
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

    Raises `billing.ledger.InsufficientCredits`, a `Refusal` for an account that closes, and KeyError for a kind
    nobody registered.
    """
    asked = {job_id or uuid.uuid4(): subject}
    return _submit(asked, owner=owner, kind=kind, price=price, say=say, affinity=affinity)[0]


def submit_many(
    *, owner: User, kind: str, subjects: Sequence[uuid.UUID], price: int, say: str, affinity: str = ""
) -> list[Job]:
    """The same for several pieces of work that are alike, all or none, at `price` each; in the order of `subjects`."""
    asked = {uuid.uuid4(): subject for subject in subjects}
    return _submit(asked, owner=owner, kind=kind, price=price, say=say, affinity=affinity)


def _submit(
    asked: Mapping[uuid.UUID, uuid.UUID], *, owner: User, kind: str, price: int, say: str, affinity: str
) -> list[Job]:
    """`asked` maps the public id of each job to its subject."""
    if not kinds.get(kind).quiet:  # what nobody asked for is no wish of theirs
        refuse_while_closing(owner)
    with transaction.atomic():
        keys = {job_id: f"job:{job_id}:hold" for job_id in asked} if price else {}
        wanted = [ledger.Wanted(price, key, job_id) for job_id, key in keys.items()]
        holds = (
            {held.job: held for held in ledger.hold_all(user=owner, wanted=wanted, say=say, tool=kind)}
            if wanted
            else {}
        )
        tier = tier_of(owner)
        jobs = Job.objects.bulk_create(
            Job(
                public_id=job_id,
                owner=owner,
                kind=kind,
                subject=subject,
                price=price,
                hold=holds.get(job_id),
                affinity=affinity,
                tier=tier,
                queued_at=Now(),
            )
            for job_id, subject in asked.items()
        )
        came = dict(Job.objects.filter(pk__in=[job.pk for job in jobs]).values_list("pk", "queued_at"))
        for job in jobs:
            job.queued_at = came[job.pk]
            transaction.on_commit(partial(live.announce, job, moved=True), robust=True)
        JobEvent.objects.bulk_create(JobEvent(job=job, to_state=QUEUED, fence=0) for job in jobs)
        transaction.on_commit(ring, robust=True)
    return jobs


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
