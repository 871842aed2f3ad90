"""Runs whose worker is gone: back to the line."""

from __future__ import annotations

import structlog
from django.db.models import Q
from django.db.models.functions import Now

from gpu.bell import ring
from gpu.lifecycle.moves import RUNNING, locked, try_again
from gpu.models import Job, Worker

log = structlog.get_logger(__name__)

LOST_SAY = "The machine stopped three times while it worked on this. It cost nothing; please try again later."


def requeue_lost() -> int:
    """Give up every run whose lease is over. Says how many."""
    return _give_up(Q(state=RUNNING, lease_until__lt=Now()), note="lease over")


def requeue_abandoned(*, worker: Worker) -> int:
    """Give up the runs of this worker's predecessors in its seat at once: it holds their lock, so they are dead."""
    return _give_up(Q(state=RUNNING, worker__seat=worker.seat) & ~Q(worker=worker), note="worker replaced")


def _give_up(which: Q, *, note: str) -> int:
    count = 0
    for pk in list(Job.objects.filter(which).values_list("pk", flat=True)):
        try:
            # a locked row is being written by its worker, which is therefore alive
            with locked(Q(pk=pk) & which, skip_locked=True) as job:
                count += try_again(job, lost=True, code="worker_lost", say=LOST_SAY, detail="", note=note)
        except Exception:
            log.exception("job_stuck", job=pk)  # a kind that fails at its end must not hold up the others
    if count:
        ring()
    return count
