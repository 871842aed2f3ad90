"""The life of a job. These verbs are the only writers of `Job.state`.

    queued → running → succeeded | failed | cancelled        queued → cancelled | failed
    a lost, failed or interrupted run goes back to queued

The queued row is the outbox and the running row is the lease: Celery only rings. A verb returns whether *this* call
made the move, so a late or doubled call is harmless. Every verb of a worker carries the fence of its claim; a worker
that was given up finds that its fence no longer fits, and changes nothing any more.

A job is named by its primary key or by its public id.
"""

from gpu.lifecycle.asking import request_cancel, request_stop, requeue, submit, submit_many
from gpu.lifecycle.line import places, position
from gpu.lifecycle.lost import requeue_abandoned, requeue_lost
from gpu.lifecycle.moves import MAX_ATTEMPTS, MOVES
from gpu.lifecycle.working import (
    LEASE,
    Signals,
    adapted,
    cancelled,
    claim,
    deliver,
    fail,
    give_back,
    heartbeat,
    lose,
    planned,
    report,
    signals,
    succeed,
)

__all__ = [
    "LEASE",
    "MAX_ATTEMPTS",
    "MOVES",
    "Signals",
    "adapted",
    "cancelled",
    "claim",
    "deliver",
    "fail",
    "give_back",
    "heartbeat",
    "lose",
    "planned",
    "places",
    "position",
    "report",
    "request_cancel",
    "request_stop",
    "requeue",
    "requeue_abandoned",
    "requeue_lost",
    "signals",
    "submit",
    "submit_many",
    "succeed",
]
