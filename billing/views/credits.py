"""What a person has and where it went."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.models import User
from billing import ledger, payments, plans, queries, statement, usage
from billing.models import Entitlement
from billing.sentences import told_all
from config.kit.rendering import page

LINES = 25  # on one page of the ledger
EXPIRIES = 4  # days on which something runs out, of which the page tells


@require_safe
@login_required
def credits_page(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    user = request.user
    context = {
        "account": ledger.account_of(user),
        "expiries": queries.expiries_of(user)[:EXPIRIES],
        "plan": plans.plan_of(user),
        "entitlement": Entitlement.objects.filter(user=user).first(),
        "spent_in_all": queries.spent(user),
        "payments_on": payments.is_on(),
        **_statement(user, request.GET.get("kind", ""), request.GET.get("month", ""), request.GET.get("cursor", "")),
    }
    return page(request, "billing/credits.html", context, part="statement")


def _statement(user: User, kind: str, month: str, cursor: str) -> dict[str, Any]:
    """The chart of a month, this one unless another is asked for, and the lines: of that month, or of all."""
    asked = usage.read_month(month) if month else None
    shown, months = asked or usage.month_of(timezone.now()), usage.months_of(user)
    lines = queries.page_of(queries.among(queries.lines_of(user), kind=kind, month=asked), cursor=cursor, size=LINES)
    wanted = {name: value for name, value in (("kind", kind), ("month", month)) if value}
    return {
        "usage": usage.usage_of(user, shown),
        "looks": usage.LOOKS,
        "earlier": max((one for one in months if one < shown), default=None),
        "later": min((one for one in months if one > shown), default=None),
        "months": months,
        "month": asked,
        "kinds": [(name, say) for name, (say, _kinds) in queries.FILTERS.items()],
        "kind": kind,
        "query": f"{urlencode(wanted)}&" if wanted else "",
        "lines": told_all(lines.items),
        "next": lines.next,
        "is_first_page": not cursor,
    }


@require_safe
@login_required
def lines_as_csv(request: HttpRequest) -> HttpResponseBase:
    assert isinstance(request.user, User)
    response = StreamingHttpResponse(statement.table(request.user), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="credits-{timezone.now():%Y-%m-%d}.csv"'
    response["Cache-Control"] = "private, no-store"
    return response
