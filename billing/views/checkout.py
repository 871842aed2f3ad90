"""To Checkout and back: the button, and the page that waits for the money and never believes a return by itself."""

from __future__ import annotations

import time
import uuid

import structlog
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from accounts.models import User
from billing import plans
from billing.models import Purchase, StripeCustomer
from billing.payments import checkout
from billing.payments.settling import settle
from config.kit.errors import TooMany
from config.kit.limits import limit
from config.kit.rendering import page

log = structlog.get_logger(__name__)

PATIENCE = 300  # seconds; then the page says that it will be told under the bell, and stops asking
ASK_EVERY = 15  # seconds between two questions to Stripe itself, in case its news were lost


@require_POST
@login_required
def begin(request: HttpRequest) -> HttpResponse:
    """Fields: `offer`, the lookup key of a plan or a pack, and `next`, where to go on once it is paid."""
    assert isinstance(request.user, User)
    came_from = path_of_ours(request, request.POST.get("next", ""))
    try:
        visit = checkout.begin(user=request.user, lookup_key=request.POST.get("offer", ""), came_from=came_from)
    except checkout.AlreadySubscribed as already:
        return to(request, reverse("billing:billing") + f"?plan={already.plan.slug}")
    return to(request, visit.session_url)


@require_safe
@login_required
def purchase(request: HttpRequest, purchase_id: uuid.UUID) -> HttpResponse:
    """Shows the row, nothing else. While it is open the page asks again; `since` is when it began to wait."""
    assert isinstance(request.user, User)
    visit = get_object_or_404(Purchase.objects.filter(user=request.user), public_id=purchase_id)
    is_again = "since" in request.GET
    now = int(time.time())
    since = _number(request.GET.get("since", "")) or now
    is_late = now - since > PATIENCE
    if is_again and visit.state == Purchase.State.OPEN:
        _ask_stripe(visit)
        visit.refresh_from_db()
        if visit.state == Purchase.State.OPEN and not is_late:
            return HttpResponse(status=204)  # nothing to tell: nothing is read aloud again
    context = {
        "visit": visit,
        "offer": plans.OFFERS.get(visit.lookup_key),
        "is_plan": visit.kind == Purchase.Kind.PLAN,
        "back": visit.came_from or reverse("studio"),
        "since": since,
        "is_late": is_late,
    }
    return page(request, "billing/purchase.html", context, part="state")


def to(request: HttpRequest, url: str) -> HttpResponse:
    """Lead the browser there, from a form or from HTMX."""
    return HttpResponseClientRedirect(url) if getattr(request, "htmx", False) else HttpResponseRedirect(url)


def path_of_ours(request: HttpRequest, path: str) -> str:
    """A path of this site to go back to; empty for anything else, and for what is no page."""
    fits = path.startswith("/") and len(path) <= 300 and path.isprintable()
    return path if fits and url_has_allowed_host_and_scheme(path, allowed_hosts=None) else ""


def _ask_stripe(visit: Purchase) -> None:
    """In case the news were lost. Whatever goes wrong, the page goes on waiting for the row."""
    row = StripeCustomer.objects.filter(user=visit.user_id).first()
    if row is None:
        return
    try:
        limit("purchase-ask", str(visit.public_id), times=1, seconds=ASK_EVERY, say="")
        settle(row.customer, wait=False)
    except TooMany:
        return
    except Exception as error:  # noqa: BLE001 - the sweep meets it, too, and notes it with the customer
        log.warning("purchase_not_asked", error=f"{type(error).__name__}: {error}")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else 0
