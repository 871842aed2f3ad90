"""Reading jobs: whose they are, and which of them still matter."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import models

from accounts.models import User
from gpu import kinds

if TYPE_CHECKING:
    from gpu.models import Job  # noqa: F401 - named in a string below

UNFINISHED = ("queued", "running")


class JobQuerySet(models.QuerySet["Job"]):
    def owned_by(self, user: User) -> JobQuerySet:
        return self.filter(owner=user)

    def unfinished(self) -> JobQuerySet:
        """Work that waits or runs, as people are told of it: what is done quietly is left out."""
        return self.filter(state__in=UNFINISHED).exclude(kind__in=kinds.quiet_kinds())


def jobs_since(user: User, since: datetime | None) -> int:
    """How many jobs this person made since a moment, or in all."""
    from gpu.models import Job

    made = Job.objects.owned_by(user).exclude(kind__in=kinds.quiet_kinds())
    return (made.filter(created_at__gte=since) if since else made).count()


def alive(jobs: set[UUID]) -> set[UUID]:
    """Which of these jobs have not ended, for whoever holds credits for them."""
    from gpu.models import Job

    return set(Job.objects.filter(public_id__in=jobs, state__in=UNFINISHED).values_list("public_id", flat=True))
