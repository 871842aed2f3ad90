"""Stopping, cancelling and looking after jobs. Those of others do not exist here."""

from __future__ import annotations

import uuid

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from config.kit.rendering import toast
from gpu import fragments, kinds, lifecycle
from gpu.models import Job


@require_POST
@login_required
def cancel(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    job = _own(request, job_id)
    asked = lifecycle.request_cancel(job_id=job.pk)
    return _answer(request, job, asked, _("It is being cancelled and costs nothing."))


@require_POST
@login_required
def stop(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    job = _own(request, job_id)
    asked = lifecycle.request_stop(job_id=job.pk)
    return _answer(request, job, asked, _("It stops, and keeps what is finished."))


@require_safe
@login_required
def show(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """Where this job is at home: the training's page, the picture."""
    job = _own(request, job_id)
    _title, url = kinds.get(job.kind).describe(job)
    return redirect(url)


@require_safe
@login_required
def row(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    return HttpResponse(fragments.job_row(_own(request, job_id)))


@require_safe
@login_required
def jobs(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    return HttpResponse(fragments.job_list(request.user))


def _own(request: HttpRequest, job_id: uuid.UUID) -> Job:
    assert isinstance(request.user, User)
    job: Job = get_object_or_404(Job.objects.owned_by(request.user), public_id=job_id)
    return job


def _answer(request: HttpRequest, job: Job, asked: bool, say: str) -> HttpResponse:
    """The row as it is now, for HTMX; the job's own page for a plain form."""
    if not getattr(request, "htmx", False):
        return redirect(kinds.get(job.kind).describe(job)[1])
    job.refresh_from_db()
    response = HttpResponse(fragments.job_row(job))
    return toast(response, say) if asked else toast(response, _("It had ended already."), kind="warning")
