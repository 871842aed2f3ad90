"""The one door: the table of moves, and the function that makes one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from billing import ledger
from gpu import kinds, live
from gpu.engine import contract
from gpu.models import Job, JobEvent

State = Job.State
QUEUED, RUNNING = State.QUEUED, State.RUNNING
SUCCEEDED, FAILED, CANCELLED = State.SUCCEEDED, State.FAILED, State.CANCELLED

MOVES: Mapping[Job.State, frozenset[Job.State]] = MappingProxyType(
    {
        QUEUED: frozenset({RUNNING, CANCELLED, FAILED}),
        RUNNING: frozenset({QUEUED, SUCCEEDED, FAILED, CANCELLED}),
        SUCCEEDED: frozenset(),
        FAILED: frozenset(),
        CANCELLED: frozenset(),
    }
)

MAX_ATTEMPTS = 3
# Before a try that follows a failure: long enough for a passing trouble to pass, short enough to be recovered in 90 s.
BACK_OFF = MappingProxyType({1: timedelta(seconds=5), 2: timedelta(seconds=20)})

LONGEST_DETAIL = 20_000  # characters; the end says most

JobId = int | uuid.UUID


def named(job_id: JobId) -> Q:
    return Q(public_id=job_id) if isinstance(job_id, uuid.UUID) else Q(pk=job_id)


def running(job_id: JobId, fence: int) -> Q:
    """The job, as long as it is still run under this claim."""
    return named(job_id) & Q(state=RUNNING, fence=fence)


@contextmanager
def locked(which: Q, *, skip_locked: bool = False) -> Iterator[Job | None]:
    """One transaction with the row of this job locked; none if there is no such row (any more)."""
    with transaction.atomic():
        rows = Job.objects.select_related("owner", "hold").select_for_update(of=("self",), skip_locked=skip_locked)
        yield rows.filter(which).first()


def move(job: Job | None, to: Job.State, *, note: str = "", done: contract.Done | None = None, **changes: Any) -> bool:
    """Make the move, with all that belongs to it, in the transaction of `locked`. Says whether it was made."""
    if job is None or to not in MOVES[State(job.state)]:
        return False
    before = job.state
    if before == RUNNING:
        changes |= {"lease_until": None, "eta_seconds": None}
    if not MOVES[to]:
        changes |= {"finished_at": Now()}
    if to == SUCCEEDED:
        changes |= {"progress": 1.0}
    Job.objects.filter(pk=job.pk).update(state=to, **changes)
    job.refresh_from_db(fields=["state", *changes])
    JobEvent.objects.create(job=job, from_state=before, to_state=to, fence=job.fence, note=note[:200])
    _settle(job, done)
    transaction.on_commit(partial(live.announce, job, moved=True), robust=True)
    return True


def _settle(job: Job, done: contract.Done | None) -> None:
    """Lock order: the job (held), then what the kind touches, then the purse."""
    kind = kinds.get(job.kind)
    if job.state == SUCCEEDED:
        assert done is not None, "a success says what was done"
        delivered = kind.on_success(job, done)
        if job.hold and delivered:
            receipt = kind.receipt(job)
            ledger.capture(hold=job.hold, amount=delivered, say=receipt.say, parts=receipt.parts)
        elif job.hold:
            ledger.release(hold=job.hold, say=f"{job.hold.say}: nothing was delivered")
    elif job.state in (FAILED, CANCELLED):
        kind.on_end(job)
        if job.hold:
            ledger.release(hold=job.hold, say=f"{job.hold.say}: {job.get_state_display().lower()}")
    elif job.state == QUEUED:
        kind.on_requeue(job)


def error(code: str, say: str, detail: str) -> dict[str, Any]:
    """What went wrong, as the row can hold it: that it cannot be written must never keep a job from ending."""
    longest = Job._meta.get_field("error_code").max_length
    return {
        "error_code": code[:longest],
        "error_say": say.replace("\0", ""),
        "error_detail": detail.replace("\0", "")[-LONGEST_DETAIL:],
    }


def try_again(job: Job | None, *, lost: bool, code: str, say: str, detail: str, note: str = "") -> bool:
    """After a try that ended badly: back to the line, or the end where the attempts are used up."""
    if job is None:
        return False
    if job.cancel_at:
        return move(job, CANCELLED, note=f"cancelled; {note or code}")
    attempts = job.attempts + 1
    changes = {"attempts": attempts, "lost": job.lost + lost, **error(code, say, detail)}
    if attempts >= MAX_ATTEMPTS:
        return move(job, FAILED, note=note or code, **changes)
    return move(job, QUEUED, note=note or code, not_before=None if lost else Now() + BACK_OFF[attempts], **changes)
