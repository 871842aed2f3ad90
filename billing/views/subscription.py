"""Plan and invoices: what is so, and the few things that can be done about it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from billing import plans
from billing.payments import checkout, is_on, subscriptions
from billing.payments.showing import Bill, bill_of
from billing.views.checkout import path_of_ours, to
from config.kit.rendering import page


@require_safe
@login_required
def billing(request: HttpRequest) -> HttpResponse:
    """`?plan=` opens the question whether to change to that plan."""
    assert isinstance(request.user, User)
    bill = bill_of(request.user)
    context = {
        "bill": bill,
        "is_on": is_on(),
        "changes": _changes(bill, request.GET.get("plan", "")) if bill.is_living and not bill.is_overdue else [],
    }
    return page(request, "billing/billing.html", context)


@require_POST
@login_required
def change(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    subscriptions.change(user=request.user, plan=request.POST.get("plan", ""))
    return _done(request, bill_of(request.user).say)


@require_POST
@login_required
def cancel(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    subscriptions.cancel(user=request.user)
    return _done(request, _("Your plan is cancelled. Nothing more will be charged."))


@require_POST
@login_required
def resume(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    subscriptions.resume(user=request.user)
    return _done(request, _("Your plan goes on."))


@require_POST
@login_required
def portal(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    came_from = path_of_ours(request, request.POST.get("next", ""))
    return to(request, checkout.portal(user=request.user, came_from=came_from))


def _done(request: HttpRequest, say: str) -> HttpResponse:
    messages.success(request, say)
    return redirect("billing:billing")


def _changes(bill: Bill, asked: str) -> list[dict[str, Any]]:
    """The other plans, each with what happens when it is chosen."""
    mine = plans.PLANS.get(bill.entitlement.subscribed, plans.FREE)
    found = []
    for plan in plans.PLANS.values():
        if plan.is_free or plan.slug == mine.slug:
            continue
        is_larger = plan.cents_a_month > mine.cents_a_month
        values = {"plan": plan.name, "mine": mine.name, "price": plan.price, "n": f"{plan.credits:,}"}
        if is_larger:
            say = _(
                "%(plan)s begins now. Today you pay the difference for the days that are left of this period, and get "
                "the difference in credits; from then on it is %(price)s a month with %(n)s credits."
            )
        else:
            say = _(
                "%(mine)s stays until its period is over; then %(plan)s begins, for %(price)s a month with %(n)s "
                "credits. Nothing is charged today. Styles beyond what %(plan)s holds become read-only; none is lost."
            )
        is_chosen = bill.next_plan is not None and bill.next_plan.slug == plan.slug
        facts = {"plan": plan, "say": say % values, "is_larger": is_larger, "is_chosen": is_chosen}
        found.append(facts | {"asked": plan.slug == asked})
    return found
