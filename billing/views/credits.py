"""What a person has and where it went."""

from __future__ import annotations

from calendar import monthrange

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.models import User
from billing import ledger, plans, queries
from billing.models import Entitlement
from billing.sentences import told
from config.kit.rendering import page

LINES = 25  # on one page of the ledger


@require_safe
@login_required
def credits_page(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    user = request.user
    lines = queries.page_of(queries.lines_of(user), cursor=request.GET.get("cursor", ""), size=LINES)
    month = timezone.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    days = queries.spent_each_day(user, month, monthrange(month.year, month.month)[1])
    context = {
        "account": ledger.account_of(user),
        "plan": plans.plan_of(user),
        "entitlement": Entitlement.objects.filter(user=user).first(),
        "month": month,
        "days": days,
        "looks": {"credits": ""},
        "spent_this_month": queries.spent(user, month),
        "spent_in_all": queries.spent(user),
        "lines": [told(row) for row in lines.items],
        "next": lines.next,
        "is_first_page": "cursor" not in request.GET,
    }
    return page(request, "billing/credits.html", context, part="ledger")
