"""Jobs in the public API."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Literal, cast

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Schema

from accounts.models import User
from gpu import lifecycle
from gpu.models import Job

router = Router(tags=["jobs"])

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class JobError(Schema):
    code: str
    say: str


class JobOut(Schema):
    id: str
    kind: str
    state: State
    phase: str
    progress: float
    step: int
    steps: int
    eta_seconds: float | None
    position: int | None
    price: int
    error: JobError | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def job_out(job: Job) -> JobOut:
    failed = job.state == Job.State.FAILED
    return JobOut(
        id=str(job.public_id),
        kind=job.kind,
        state=cast(State, job.state),
        phase=job.phase,
        progress=job.progress,
        step=job.step,
        steps=job.steps,
        eta_seconds=job.eta_seconds,
        position=lifecycle.position(job),
        price=job.price,
        error=JobError(code=job.error_code, say=job.error_say) if failed else None,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
    )


@router.get("/jobs/{job_id}", response=JobOut, summary="How far a job is")
def read_job(request: HttpRequest, job_id: uuid.UUID) -> JobOut:
    owner = cast(User, request.auth)  # type: ignore[attr-defined]
    return job_out(get_object_or_404(Job.objects.owned_by(owner), public_id=job_id))
