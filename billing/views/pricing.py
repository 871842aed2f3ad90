"""What there is to buy, and what things cost."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.models import User
from billing import payments, plans, showcase
from billing.views.checkout import path_of_ours

EXAMPLE = plans.PLANS.get("starter")  # a name that the catalogue may drop


@require_safe
def pricing(request: HttpRequest) -> HttpResponse:
    """`?offer=` names what the person came for, `?next=` where they go on once they have it."""
    user = request.user if isinstance(request.user, User) else None
    wanted, back = request.GET.get("offer", ""), path_of_ours(request, request.GET.get("next", ""))
    context = {
        "plans": showcase.columns(user, wanted=wanted, back=back),
        "packs": showcase.lines(user, wanted=wanted, back=back),
        "on_sale": payments.is_on(),
        "back": back,
        "tools": plans.TOOLS,
        "example": EXAMPLE,
        "month": showcase.month(EXAMPLE) if EXAMPLE else [],
    }
    return render(request, "billing/pricing.html", context)
