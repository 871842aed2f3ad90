"""Reading requests and what came of them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Prefetch, QuerySet

from accounts.models import User
from billing.ledger import account_of
from styles.models import Adapter, Style
from styles.queries import read_only_ids

if TYPE_CHECKING:
    from generation.models import Output, Request


class RequestQuerySet(QuerySet["Request"]):
    def owned_by(self, user: User) -> RequestQuerySet:
        return self.filter(owner=user, deleted_at__isnull=True)

    def whole(self) -> RequestQuerySet:
        """With all that a batch shows, in as many queries for fifty as for one."""
        from generation.models import Output

        outputs = Output.objects.select_related(
            "job", "artwork__parent", "artwork__owner__entitlement"
        ).prefetch_related("artwork__style_links__style")
        return self.select_related("source").prefetch_related(
            Prefetch("outputs", outputs), "styles__style", "styles__adapter"
        )


class OutputQuerySet(QuerySet["Output"]):
    def owned_by(self, user: User) -> OutputQuerySet:
        return self.filter(request__owner=user, request__deleted_at__isnull=True)

    def whole(self) -> OutputQuerySet:
        return self.select_related("job", "artwork__owner__entitlement", "request")


def output_of(job_subject: uuid.UUID) -> Output:
    """The picture that a job is for, its request's styles at hand."""
    from generation.models import Output

    found = Output.objects.select_related("job", "artwork", "request__owner", "request__source")
    return found.prefetch_related("request__styles__style", "request__styles__adapter").get(public_id=job_subject)


def request_of(output: Output) -> Request:
    """The picture's request with all that its batch shows."""
    from generation.models import Request

    return Request.objects.whole().get(pk=output.request_id)


def state_of(request: Request) -> str:
    """One word for many jobs: what still goes on comes first, then the best that came of it."""
    states = {output.job.state for output in request.outputs.all()}
    if "running" in states or ("queued" in states and states & {"succeeded", "failed"}):
        return "running"
    return next((state for state in ("queued", "succeeded", "failed") if state in states), "cancelled")


def usable_styles(owner: User, base: str) -> QuerySet[Style]:
    """The person's styles that this base can draw in now, the latest first. Read-only ones rest."""
    ready = Style.objects.owned_by(owner).filter(active_adapter__state=Adapter.State.READY, active_adapter__base=base)
    ready = ready.exclude(pk__in=read_only_ids(owner))
    return ready.select_related("active_adapter").order_by("-updated_at", "-id")


def spendable(user: User) -> int | None:
    """Credits there are; None at home, where they never block."""
    return account_of(user).available if settings.BILLING else None
