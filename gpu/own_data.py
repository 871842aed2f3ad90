"""Jobs: written into a person's archive, cancelled when their account closes, erased at its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from accounts.exporting import Archive
from accounts.models import User
from gpu import lifecycle
from gpu.models import Job
from gpu.queries import UNFINISHED

SAY = "every piece of GPU work: what it was for, when it ran, how it ended and what it cost"
AT_ONCE = 500  # rows a statement: an account may have a hundred thousand of them
DEEDS = {
    "job.cancel": gettext_lazy("Work cancelled"),
    "job.requeue": gettext_lazy("Work begun anew"),
}


def ids(user: User) -> QuerySet[Job, Any]:
    return Job.objects.owned_by(user).values("public_id")


def write(user: User, archive: Archive) -> None:
    archive.rows("jobs.json", _rows(user))


def stop(user: User) -> None:
    """What waits ends now, what runs within seconds; held credits come back with the end of each."""
    for pk in Job.objects.owned_by(user).filter(state__in=UNFINISHED).values_list("pk", flat=True):
        lifecycle.request_cancel(job_id=pk)


def waits(user: User) -> str:
    running = Job.objects.owned_by(user).filter(state__in=UNFINISHED).count()
    return _("%(n)d jobs have not ended yet.") % {"n": running} if running else ""


def erase(user: User) -> Mapping[str, int]:
    """The rows; a worker's folders of jobs that are no more go with its next chores."""
    count = 0
    while some := list(Job.objects.owned_by(user).values_list("pk", flat=True)[:AT_ONCE]):
        Job.objects.filter(pk__in=some).delete()
        count += len(some)
    return {gettext_noop("jobs"): count}


def _rows(user: User) -> Iterator[dict[str, Any]]:
    fields = ("kind", "state", "price", "created_at", "started_at", "finished_at", "error_say", "notices")
    for job in Job.objects.owned_by(user).order_by("pk").iterator():
        yield {"id": job.public_id, "for": job.subject} | {field: getattr(job, field) for field in fields}
