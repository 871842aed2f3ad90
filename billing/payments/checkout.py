"""The way to Stripe's own pages: Checkout for what is bought, the Billing Portal for cards, invoices and addresses."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import stripe
import structlog
from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.closing import refuse_while_closing
from accounts.models import User
from billing import plans
from billing.catalogue import Pack, Plan
from billing.models import Purchase, StripeCustomer
from billing.payments.client import Found, PaymentsOff, asking, is_gone, is_on, plain, stripe_client
from billing.payments.customers import OWNER, customer_of
from billing.payments.entitling import OFFER, OVER
from billing.payments.granting import CREDITS
from config.kit.errors import Conflict, Refusal
from config.kit.limits import limit

log = structlog.get_logger(__name__)

SAME_VISIT = timedelta(minutes=20)  # a second click, a reloaded page: the same visit to Checkout
OPEN_FOR = timedelta(minutes=60)  # then Stripe closes the session; it allows no less than 30
TIMES, WINDOW = 12, 600  # visits a person may begin in ten minutes
# on the lines of a change of plan, too, discounts stand beside the amounts: credits follow from the amounts
_DISCOUNTS_ASIDE = {"type": "flexible", "flexible": {"proration_discounts": "itemized"}}


class AlreadySubscribed(Conflict):
    """There is a subscription already: it is changed, not bought a second time."""

    def __init__(self, plan: Plan) -> None:
        say = _("You have a plan already. Change it to %(plan)s under Plan and invoices.") % {"plan": plan.name}
        super().__init__(say, code="already_subscribed", field="offer")
        self.plan = plan


def begin(*, user: User, lookup_key: str, came_from: str = "") -> Purchase:
    """Open a visit to Checkout, or find the one just opened: lead the person to its `session_url`. Raises `Refusal`.

    `came_from` is a path of ours to go on to once it is paid. A person has one visit for a plan at a time, so that
    two open pages cannot become two subscriptions.
    """
    if not (is_on() and plans.billing_is_on()):
        raise PaymentsOff
    refuse_while_closing(user)
    offer = plans.offer(lookup_key)
    say = _("That were many visits to the checkout. Please wait some minutes; nothing was charged.")
    limit("checkout", str(user.pk), times=TIMES, seconds=WINDOW, say=say)
    with asking():
        made = customer_of(user)
    with asking(), transaction.atomic():
        customer = _locked(made)
        if isinstance(offer, Plan) and living(customer.customer):
            raise AlreadySubscribed(offer)
        visit = _same_visit(user, lookup_key)
        if visit is not None:
            return visit
        if isinstance(offer, Plan):
            _close_other_visits(user, offer)
        return _open(user, customer, offer, came_from)


def portal(*, user: User, came_from: str = "") -> str:
    """The address of the person's Billing Portal, good for some minutes."""
    often = _("That was often. Please wait some minutes.")
    limit("portal", str(user.pk), times=TIMES, seconds=WINDOW, say=often)
    with asking():
        customer = customer_of(user)
        params: Any = {"customer": customer.customer, "return_url": absolute(came_from or reverse("billing:billing"))}
        return str(stripe_client().v1.billing_portal.sessions.create(params).url)


def living(customer: str) -> list[Found]:
    """The subscriptions that are not over, newest first. An incomplete one counts: it may be paid any minute."""
    params: Any = {"customer": customer, "status": "all", "limit": 100, "expand": ["data.schedule"]}
    found = [plain(one) for one in stripe_client().v1.subscriptions.list(params).data]
    return [one for one in found if one["status"] not in OVER]


def price_of(lookup_key: str) -> Found:
    """The price at Stripe that is sold under this name."""
    params: Any = {"lookup_keys": [lookup_key], "active": True, "limit": 1}
    found = [plain(one) for one in stripe_client().v1.prices.list(params).data]
    if not found:
        log.error("stripe_price_missing", lookup_key=lookup_key, mend="Run `stripe_sync --apply`.")
        say = _("This is not yet on sale. Whoever runs this site: run `manage.py stripe_sync --apply`.")
        raise Refusal(say, code="price_missing", status=503)
    return found[0]


def absolute(path: str) -> str:
    """The whole address of a path of ours."""
    return f"{settings.PUBLIC_URL}{path}"


def close_visits(*, user: User) -> None:
    """Whoever leaves must not come back to an open Checkout page: close them all."""
    for visit in Purchase.objects.filter(user=user, state=Purchase.State.OPEN):
        _close(visit)


def _locked(customer: StripeCustomer) -> StripeCustomer:
    return StripeCustomer.objects.select_for_update(no_key=True).get(pk=customer.pk)


def _same_visit(user: User, lookup_key: str) -> Purchase | None:
    """The visit for the same thing that was begun a moment ago, if Stripe still has it open."""
    since = timezone.now() - SAME_VISIT
    visit = Purchase.objects.filter(
        user=user, lookup_key=lookup_key, state=Purchase.State.OPEN, created_at__gte=since
    ).last()
    if visit is None or not visit.session:
        return None
    try:
        session = plain(stripe_client().v1.checkout.sessions.retrieve(visit.session))
    except stripe.InvalidRequestError as error:
        if is_gone(error):
            return None
        raise
    return visit if session["status"] == "open" else None


def _close_other_visits(user: User, offer: Plan) -> None:
    for visit in Purchase.objects.filter(user=user, kind=Purchase.Kind.PLAN, state=Purchase.State.OPEN):
        if not _close(visit):
            say = _("A payment of yours is just going through. Look at Plan and invoices in a minute.")
            raise Conflict(say, code="payment_going_through")


def _close(visit: Purchase) -> bool:
    """Whether nothing can be paid there any more. The row is closed by the settling."""
    if not visit.session:
        return True
    try:
        stripe_client().v1.checkout.sessions.expire(visit.session)
    except stripe.InvalidRequestError as error:
        if is_gone(error):
            return True
        return stripe_client().v1.checkout.sessions.retrieve(visit.session).status != "complete"
    return True


def _open(user: User, customer: StripeCustomer, offer: Plan | Pack, came_from: str) -> Purchase:
    price = price_of(offer.lookup_key)
    is_plan = isinstance(offer, Plan)
    visit = Purchase(
        user=user,
        kind=Purchase.Kind.PLAN if is_plan else Purchase.Kind.PACK,
        lookup_key=offer.lookup_key,
        came_from=came_from,
    )
    about = {OWNER: str(user.public_id), OFFER: offer.lookup_key}
    params: dict[str, Any] = {
        "mode": "subscription" if is_plan else "payment",
        "customer": customer.customer,
        "client_reference_id": str(visit.public_id),
        "line_items": [{"price": price["id"], "quantity": 1}],
        "allow_promotion_codes": True,
        "success_url": absolute(reverse("billing:purchase", args=[visit.public_id])),
        "cancel_url": absolute(came_from or reverse("billing:pricing")),
        "expires_at": int((timezone.now() + OPEN_FOR).timestamp()),
        # what was offered is what is granted, whatever the catalogue says by then
        "metadata": about if is_plan else about | {CREDITS: str(offer.credits)},
    }
    if settings.STRIPE_TAX:
        params |= {"automatic_tax": {"enabled": True}, "customer_update": {"address": "auto", "name": "auto"}}
        params |= {"tax_id_collection": {"enabled": True}}
    params["subscription_data" if is_plan else "payment_intent_data"] = {"metadata": about}
    if is_plan:
        params["subscription_data"]["billing_mode"] = _DISCOUNTS_ASIDE
    key = {"idempotency_key": f"checkout:{visit.public_id}"}
    session = stripe_client().v1.checkout.sessions.create(params, key)  # type: ignore[arg-type]
    visit.session, visit.session_url = session.id, session.url or ""
    visit.save()
    log.info("checkout_begun", purchase=str(visit.public_id), offer=offer.lookup_key)
    return visit
