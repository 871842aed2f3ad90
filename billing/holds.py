"""Which holds still wait for a job. The rooms above know the jobs: they register who to ask."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.db.models import QuerySet

from billing.models import CreditHold

Alive = Callable[[set[UUID]], set[UUID]]
_askers: list[Alive] = []


def register(alive: Alive) -> None:
    """`alive` answers which of these jobs are not at their end. Called in an app's `ready()`."""
    if alive not in _askers:
        _askers.append(alive)


def without_job(among: QuerySet[CreditHold]) -> list[CreditHold]:
    """The unresolved ones of these holds whose job ended, is gone, or never was."""
    open_ = list(among.filter(resolved_at=None))
    jobs = {hold.job for hold in open_ if hold.job is not None}
    alive = set[UUID]().union(*(ask(jobs) for ask in _askers)) if jobs else set()
    orphans = [hold.pk for hold in open_ if hold.job not in alive]
    # read once more: a job that ended before it was asked has resolved its hold by now
    return list(CreditHold.objects.filter(pk__in=orphans, resolved_at=None).order_by("pk"))
