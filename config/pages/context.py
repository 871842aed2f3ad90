"""What the shell of every page shows: who is here, their credits, and the work that runs now."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts.models import Profile, User
from billing.models import CreditAccount
from billing.plans import plan_of
from gpu import kinds
from gpu.models import Job


def shell(request: HttpRequest) -> dict[str, Any]:
    """Looked up only where a template asks, so that a fragment costs no query for a bar it does not show."""
    user = getattr(request, "user", None)
    if not isinstance(user, User) or not user.is_authenticated:
        return {"billing_on": settings.BILLING, "shell": {"theme": "dark"}}
    person: User = user
    return {"billing_on": settings.BILLING, "shell": SimpleLazyObject(lambda: _shell_of(person))}


def _shell_of(user: User) -> dict[str, Any]:
    profile = Profile.objects.filter(user=user).first()
    return {
        "theme": profile.theme if profile else Profile.Theme.DARK,
        "name": user.display_name,
        "handle": user.handle,
        "plan": plan_of(user).name,
        "avatar_url": "",
        "available": available(user),
        "running": running(user),
        "unread": None,
    }


def available(user: User) -> int | None:
    """Credits to spend; nothing at home, where they never block."""
    if not settings.BILLING:
        return None
    account = CreditAccount.objects.filter(user=user).first()
    return account.available if account else 0


def running_jobs(user: User) -> QuerySet[Job]:
    return Job.objects.filter(owner=user, state__in=(Job.State.RUNNING, Job.State.QUEUED)).order_by("-state", "id")


def running(user: User) -> dict[str, Any] | None:
    """The one piece of work that the bar names: what runs, else what waits."""
    job = running_jobs(user).first()
    if job is None:
        return None
    label, url = kinds.get(job.kind).describe(job)
    return {"label": label, "url": url, "progress": job.progress if job.state == Job.State.RUNNING else None}
