"""dj-stripe's tables, kept as a mirror: pages and staff look into it, nothing is decided by it.

Two habits of dj-stripe are kept out. To find out whose an object is, it would write our secret key into a table and ask
Stripe for our account; there is one account here, so it need not know. And whatever an object refers to it would fetch
one by one (balance transactions, discounts, each attempt's payment intent); such references are left out, and the
object itself is stored whole. What was not changed since the last time is not written again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import stripe
from django.conf import settings
from djstripe.models import Charge, Customer, Dispute, Invoice, PaymentMethod, Price, Refund, Session, Subscription
from djstripe.models.base import StripeModel

from accounts.models import User
from billing.models import StripeCustomer
from billing.payments.client import Found
from billing.payments.fetching import Affairs

StripeModel._find_owner_account = classmethod(lambda cls, data, api_key=None, livemode=None: None)

# What dj-stripe would fetch, or trips over in this version of the API.
_LEFT_OUT: dict[Any, frozenset[str]] = {
    Customer: frozenset({"default_source", "sources", "discount", "invoice_settings"}),
    Subscription: frozenset({"schedule", "default_payment_method", "latest_invoice", "discounts"}),
    Invoice: frozenset({"lines", "discounts", "payments", "default_payment_method"}),
    Session: frozenset({"payment_intent", "setup_intent", "subscription", "line_items"}),
    Charge: frozenset({"balance_transaction", "payment_intent", "payment_method", "source", "refunds"}),
    Refund: frozenset({"balance_transaction", "failure_balance_transaction", "payment_intent"}),
    Dispute: frozenset({"balance_transaction", "balance_transactions", "payment_intent"}),
    PaymentMethod: frozenset(),
    Price: frozenset(),
}
_EMPTY: dict[Any, Found] = {Dispute: {"balance_transactions": []}}  # it goes through them without asking


def mirror(affairs: Affairs, owner: StripeCustomer) -> None:
    """Write down what was fetched: what others refer to comes first. Of a closed account no more than there is."""
    if owner.user.state == User.State.CLOSED:
        return
    _keep(Customer, [affairs.customer])
    Customer.objects.filter(id=affairs.customer["id"]).update(subscriber=owner.user_id)
    _keep(PaymentMethod, _cards(affairs))
    _keep(Price, affairs.prices.values())
    _keep(Subscription, affairs.subscriptions)
    _keep(Invoice, [one for one in affairs.invoices if one["status"] != "draft"])
    _keep(Session, affairs.sessions)
    _keep(Charge, affairs.charges)
    _keep(Refund, [refund for charge in affairs.charges for refund in charge["refunds"]["data"]])
    _keep(Dispute, affairs.disputes)


def _keep(model: Any, found: Iterable[Found]) -> None:
    wanted = {one["id"]: one for one in found}
    known = dict(model.objects.filter(id__in=wanted).values_list("id", "stripe_data"))
    for name, one in wanted.items():
        if known.get(name) != one:
            seen = {field: value for field, value in one.items() if field not in _LEFT_OUT[model]}
            seen |= _EMPTY.get(model, {})
            model.sync_from_stripe_data(stripe.convert_to_stripe_object(seen), api_key=settings.STRIPE_SECRET_KEY)
            model.objects.filter(id=name).update(stripe_data=one)


def _cards(affairs: Affairs) -> list[Found]:
    default = (affairs.customer.get("invoice_settings") or {}).get("default_payment_method")
    cards = [default, *(one.get("default_payment_method") for one in affairs.subscriptions)]
    return [card for card in cards if isinstance(card, dict)]
