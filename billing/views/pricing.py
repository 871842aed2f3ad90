"""What there is to buy, and what things cost."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from accounts.models import User
from billing import plans


@require_safe
def pricing(request: HttpRequest) -> HttpResponse:
    mine = plans.plan_of(request.user).slug if isinstance(request.user, User) else ""
    context = {
        "plans": [_offer(plan, mine) for plan in plans.PLANS.values()],
        "packs": plans.PACKS,
        "tools": plans.TOOLS,
    }
    return render(request, "billing/pricing.html", context)


def _offer(plan: plans.Plan, mine: str) -> dict[str, Any]:
    """A plan as its column says it; only what is built is promised."""
    credits = {"n": f"{plan.credits:,}"}
    facts = [
        _("%(n)s credits to begin with") % credits if plan.is_free else _("%(n)s credits a month") % credits,
        ngettext("%(n)d style", "%(n)d styles", plan.max_styles) % {"n": plan.max_styles}
        if plan.max_styles
        else _("as many styles as you like"),
        _("pictures and films") if plan.video else _("pictures"),
        _("up to %(n)d steps") % {"n": plan.max_steps},
        _("a visible mark on pictures") if plan.visible_mark else _("no mark"),
    ]
    if plan.queue != "standard":
        facts.append(_("first in the queue") if plan.queue == "first" else _("priority in the queue"))
    return {
        "key": plan.slug,
        "name": plan.name,
        "say": plan.pitch,
        "price": plan.price,
        "facts": facts,
        "mine": plan.slug == mine,
        "url": reverse("account_signup") if plan.is_free and not mine else "",
        "action": _("Start free"),
    }
