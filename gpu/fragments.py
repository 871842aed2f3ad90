"""Parts of pages that show jobs, rendered from the rows alone: views, polling and the socket use the same.

Every root has an id, by which the page's socket puts it in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from django.template.loader import render_to_string
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import User
from gpu import kinds, lifecycle
from gpu.models import Job

SHOWN = 12  # jobs in the list: a batch of eight pictures and a training fit

PHASES: Mapping[str, str | Promise] = MappingProxyType(
    {
        "checking": gettext_lazy("Checking images"),
        "preparing": gettext_lazy("Preparing"),
        "encoding": gettext_lazy("Encoding"),
        "training": gettext_lazy("Training"),
        "sampling": gettext_lazy("Sampling"),
        "denoising": gettext_lazy("Drawing"),
        "filming": gettext_lazy("Filming"),
        "judging": gettext_lazy("Comparing"),
        "finishing": gettext_lazy("Finishing"),
    }
)


def job_row(job: Job) -> SafeString:
    """One job as a line, `#job-<id>`: what it is, how far it is, what it still takes."""
    title, url = kinds.get(job.kind).describe(job)
    running = job.state == Job.State.RUNNING
    context = {
        "id": f"job-{job.public_id}",
        "title": title,
        "url": url,
        "say": say(job),
        "left": job.eta_seconds if running else None,
        "progress": None if job.state == Job.State.QUEUED else job.progress,
        "job": job,
    }
    return render_to_string("gpu/_job_row.html", context)


def job_list(user: User) -> SafeString:
    """All that waits or runs for this person, `#jobs`."""
    jobs = Job.objects.owned_by(user).unfinished()
    places = lifecycle.places()  # what runs has none and comes first
    last = len(places) + 1

    def turn(job: Job) -> int:
        return 0 if job.state == Job.State.RUNNING else places.get(job.pk, last)

    shown = sorted(jobs.order_by("queued_at"), key=turn)
    rows = [job_row(job) for job in shown[:SHOWN]]
    more = max(0, len(shown) - SHOWN)
    return render_to_string("gpu/_job_list.html", {"rows": rows, "more": more})


def running_facts(user: User) -> dict[str, Any] | None:
    """What `ui/running.html` shows: what runs now, else what waits; None where nothing does."""
    job = Job.objects.owned_by(user).unfinished().order_by("-state", "queued_at").first()
    if job is None:
        return None
    title, url = kinds.get(job.kind).describe(job)
    return {"label": title, "url": url, "progress": job.progress if job.state == Job.State.RUNNING else None}


def running(user: User) -> SafeString:
    """The figure in the bar, `#running-jobs`."""
    return render_to_string("ui/running.html", {"running": running_facts(user)})


def say(job: Job) -> str:
    """Where a job stands, in words."""
    match job.state:
        case Job.State.QUEUED:
            return _waiting(job)
        case Job.State.RUNNING:
            return _working(job)
        case Job.State.FAILED:
            return job.error_say
        case Job.State.CANCELLED:
            return _("Cancelled; it cost nothing")
        case _:
            return _("Done")


def _waiting(job: Job) -> str:
    place = lifecycle.position(job)
    if job.not_before:
        return _("Waiting to be tried again")
    if place is None or place == 1:
        return _("Next in the line")
    return ngettext("%(n)s before it in the line", "%(n)s before it in the line", place - 1) % {"n": place - 1}


def _working(job: Job) -> str:
    if job.cancel_at:
        return _("Being cancelled")
    if job.stop_at:
        return _("Stopping; what is finished is kept")
    phase = str(PHASES.get(job.phase, _("Starting")))
    if job.steps:
        return _("%(phase)s: step %(step)s of %(steps)s") % {"phase": phase, "step": job.step, "steps": job.steps}
    return phase
