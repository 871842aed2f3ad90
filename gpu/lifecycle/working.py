"""What a worker may do to the job it has claimed. Each call carries the fence of that claim."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from gpu import kinds, live
from gpu.engine import contract
from gpu.lifecycle.line import line, queue, ready, somebody_waits, taken
from gpu.lifecycle.lost import LOST_SAY
from gpu.lifecycle.moves import (
    CANCELLED,
    FAILED,
    QUEUED,
    RUNNING,
    SUCCEEDED,
    JobId,
    error,
    locked,
    move,
    running,
    try_again,
)
from gpu.models import Job, Worker

LEASE = timedelta(seconds=30)
# Long work keeps the engine at least this long before it gives way: loading it again must be worth it.
SLICE = timedelta(seconds=60)
TOLD = 20  # of those who wait
LONGEST_NOTICE = 500  # characters
MOST_NOTICES = 20  # of one attempt


@dataclass(frozen=True)
class Signals:
    """What the worker should tell its engine. `lost`: the job is somebody else's now."""

    stop: bool = False
    cancel: bool = False
    yield_: bool = False
    lost: bool = False


def claim(*, worker: Worker) -> Job | None:
    """Take the best job of the line under a lease; None when nothing waits.

    A kind that this process does not know is left to workers of a newer release.
    """
    known = ready() & Q(kind__in=kinds.names())
    for waiting in line(queue(known), loaded=worker.loaded, taken=taken()):
        with locked(Q(pk=waiting.pk) & ready(), skip_locked=True) as job:
            claimed = move(
                job,
                RUNNING,
                fence=F("fence") + 1,
                worker=worker,
                lease_until=Now() + LEASE,
                claimed_at=Now(),
                started_at=Coalesce(F("started_at"), Now()),
                not_before=None,
                phase="",
                memory_profile="",  # what an attempt says of itself, the next one says again if it still holds
                predicted_bytes=0,
                notices=[],
                error_code="",
                error_say="",
                error_detail="",
            )
            if job and claimed:
                worker.loaded = job.affinity
                worker.save(update_fields=["loaded"])
                transaction.on_commit(_tell_those_behind, robust=True)
                return job
    return None


def _tell_those_behind() -> None:
    """Somebody left the line: the next ones see that they moved up."""
    waiting = Job.objects.filter(state=QUEUED).select_related("owner").order_by("queued_at")
    for job in waiting[:TOLD]:
        live.announce(job)


def heartbeat(*, job_id: JobId, fence: int) -> Signals:
    """Renew the lease and hear what is wished."""
    if not Job.objects.filter(running(job_id, fence)).update(lease_until=Now() + LEASE):
        return Signals(lost=True)
    return signals(job_id=job_id, fence=fence)


def signals(*, job_id: JobId, fence: int) -> Signals:
    """What is wished, without renewing anything."""
    row = (
        Job.objects.filter(running(job_id, fence))
        .annotate(now=Now())
        .values_list("kind", "stop_at", "cancel_at", "claimed_at", "now")
        .first()
    )
    if row is None:
        return Signals(lost=True)
    kind, stop_at, cancel_at, claimed_at, now = row
    had_its_slice = claimed_at is not None and now - claimed_at >= SLICE
    gives_way = had_its_slice and kinds.get(kind).gives_way and somebody_waits()
    return Signals(stop=bool(stop_at), cancel=bool(cancel_at), yield_=gives_way)


def report(
    *,
    job_id: JobId,
    fence: int,
    phase: str | None = None,
    fraction: float | None = None,
    step: int | None = None,
    steps: int | None = None,
    eta_seconds: float | None = None,
) -> bool:
    """Progress for people to see. Nothing depends on it."""
    given = {"phase": phase, "progress": fraction, "step": step, "steps": steps, "eta_seconds": eta_seconds}
    changes: dict[str, Any] = {column: value for column, value in given.items() if value is not None}
    if not changes or not Job.objects.filter(running(job_id, fence)).update(**changes):
        return False
    live.announce(Job.objects.select_related("owner").get(running(job_id, fence)))
    return True


def deliver(*, job_id: JobId, fence: int, event: contract.Event) -> bool:
    """Let the kind keep what the engine made. Refused, and nothing kept, once the claim is over."""
    with locked(running(job_id, fence)) as job:
        if job is None:
            return False
        kinds.get(job.kind).on_event(job, event)
        transaction.on_commit(partial(live.announce, job), robust=True)
        return True


def planned(*, job_id: JobId, fence: int, plan: contract.Planned) -> bool:
    """Keep what the engine expects to take, for staff to hold against what it took."""
    profile = plan.profile[: Job._meta.get_field("memory_profile").max_length]
    changes = {"memory_profile": profile, "predicted_bytes": plan.predicted_bytes}
    return bool(Job.objects.filter(running(job_id, fence)).update(**changes))


def adapted(*, job_id: JobId, fence: int, notice: contract.Adapted) -> bool:
    """Keep what was changed so that the job could go on, once. It moves nothing: the job runs as before."""
    with locked(running(job_id, fence)) as job:
        if job is None:
            return False
        told = {"code": notice.code, "say": notice.say.replace("\0", "")[:LONGEST_NOTICE]}
        if told not in job.notices and len(job.notices) < MOST_NOTICES:
            Job.objects.filter(pk=job.pk).update(notices=[*job.notices, told])
            transaction.on_commit(partial(live.announce, job), robust=True)
        return True


def succeed(*, job_id: JobId, fence: int, done: contract.Done) -> bool:
    """Deliver and be paid. A job that was cancelled meanwhile ends as cancelled: its owner was told so."""
    with locked(running(job_id, fence)) as job:
        if job and job.cancel_at:
            return move(job, CANCELLED, note="cancelled while it finished", peak_bytes=done.peak_bytes)
        return move(job, SUCCEEDED, note=done.outcome, done=done, peak_bytes=done.peak_bytes)


def fail(*, job_id: JobId, fence: int, code: str, say: str, detail: str = "", retryable: bool = False) -> bool:
    """An error the engine or the worker named. Tried again after a pause if that may help."""
    with locked(running(job_id, fence)) as job:
        if job and (retryable or job.cancel_at):
            return try_again(job, lost=False, code=code, say=say, detail=detail)
        return move(job, FAILED, note=code, attempts=F("attempts") + 1, **error(code, say, detail))


def lose(*, job_id: JobId, fence: int, detail: str) -> bool:
    """The engine is gone in the middle of it: the same as a lost worker, only known at once."""
    with locked(running(job_id, fence)) as job:
        return try_again(job, lost=True, code="worker_lost", say=LOST_SAY, detail=detail, note="engine lost")


def cancelled(*, job_id: JobId, fence: int) -> bool:
    """The engine has let go of a cancelled job."""
    with locked(running(job_id, fence)) as job:
        return move(job, CANCELLED)


def give_back(*, job_id: JobId, fence: int) -> bool:
    """Interrupted on purpose, with a snapshot: no attempt. Long work that gives way goes behind those who waited."""
    with locked(running(job_id, fence)) as job:
        if job is None:
            return False
        if job.cancel_at:
            return move(job, CANCELLED, note="cancelled while it was given back")
        if kinds.get(job.kind).gives_way and somebody_waits():
            return move(job, QUEUED, note="gave way", queued_at=Now())
        return move(job, QUEUED, note="given back")
