"""What the staff's first page begins with: today in a few figures, each the door to its list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from accounts import outbox
from accounts.models import Notification, User
from billing.audit import DRIFT
from billing.models import StripeEvent
from config.pages.figures import people
from config.pages.figures.period import Period
from gpu.models import Job


@dataclass(frozen=True)
class Tile:
    """One figure. `wrong` is one that somebody should look at."""

    name: str
    count: int
    url: str
    wrong: bool


@dataclass(frozen=True)
class _Figure:
    name: str
    may: str  # the permission of the list it leads to: who may not see that sees no figure
    count: Callable[[HttpRequest], int]
    url: Callable[[], str]
    alarms: bool = False  # any at all is one to look at


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Called by unfold for the admin's first page."""
    seen = [figure for figure in _figures(Period.of(1)) if request.user.has_perm(figure.may)]
    return context | {"tiles": [_tile(figure, request) for figure in seen]}


def _tile(figure: _Figure, request: HttpRequest) -> Tile:
    count = figure.count(request)
    return Tile(figure.name, count, figure.url(), wrong=figure.alarms and count > 0)


def _figures(today: Period) -> tuple[_Figure, ...]:
    failed = {"state": Job.State.FAILED, "finished_at__gte": today.start}
    return (
        _Figure(
            "Sign-ups today",
            "accounts.view_user",
            lambda request: sum(count for _day, count in people.sign_ups(today)),
            lambda: _rows("accounts_user", date_joined__gte=today.start),
        ),
        _Figure(
            "Jobs that wait",
            "gpu.view_job",
            lambda request: Job.objects.filter(state=Job.State.QUEUED).count(),
            lambda: _rows("gpu_job", state=Job.State.QUEUED),
        ),
        _Figure(
            "Jobs that failed today",
            "gpu.view_job",
            lambda request: Job.objects.filter(**failed).count(),
            lambda: _rows("gpu_job", **failed),
            alarms=True,
        ),
        _Figure(
            "Unsettled news of Stripe",
            "billing.view_stripeevent",
            lambda request: StripeEvent.objects.filter(settled_at=None).count(),
            lambda: _rows("billing_stripeevent", settled_at__isempty=1),
            alarms=True,
        ),
        _Figure(
            "Mails that were given up",
            "accounts.view_outbox",
            lambda request: outbox.given_up().count(),
            lambda: _rows("accounts_outbox", given_up="yes"),
            alarms=True,
        ),
        # an audit leaves a notice only where it found something: to each of the staff, with what drifted
        _Figure(
            "Audits since yesterday with drift",
            "billing.view_creditaccount",
            _drifts,
            lambda: reverse("notifications:list"),
            alarms=True,
        ),
    )


def _drifts(request: HttpRequest) -> int:
    assert isinstance(request.user, User)
    told = Notification.objects.filter(user=request.user, kind=DRIFT.name)
    return told.filter(created_at__gte=Period.of(2).start).count()


def _rows(model: str, **wanted: object) -> str:
    asked = urlencode({name: str(value) for name, value in wanted.items()})
    return f"{reverse(f'admin:{model}_changelist')}?{asked}"
