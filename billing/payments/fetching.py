"""Everything that Stripe knows of one customer, fetched anew, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import stripe
from djstripe.models import Price

from billing.payments.client import PAGE, Found, all_of, id_of, is_gone, plain, stripe_client


class UnknownCustomer(Exception):
    """Nothing follows from it: a customer that was deleted is still known, as deleted."""


@dataclass(frozen=True)
class Affairs:
    """One customer's affairs at Stripe. `prices` are those on the lines of paid invoices, by id."""

    customer: Found
    subscriptions: list[Found] = field(default_factory=list)
    invoices: list[Found] = field(default_factory=list)
    sessions: list[Found] = field(default_factory=list)
    charges: list[Found] = field(default_factory=list)  # each with its refunds
    disputes: list[Found] = field(default_factory=list)
    prices: dict[str, Found] = field(default_factory=dict)


def fetch(customer: str) -> Affairs:
    """Ask for everything. A handful of calls; one more for each charge in dispute and each price not seen before."""
    ask = stripe_client().v1
    found = _customer(customer)
    if found.get("deleted"):
        return Affairs(customer=found)

    def mine(*expand: str, **more: str) -> Any:
        return {"customer": customer, "limit": PAGE, "expand": [f"data.{one}" for one in expand], **more}

    subscriptions = all_of(ask.subscriptions.list(mine("default_payment_method", "schedule", status="all")))
    invoices = all_of(ask.invoices.list(mine("payments", "discounts")))
    charges = all_of(ask.charges.list(mine("refunds")))
    for invoice in invoices:
        if invoice["lines"].get("has_more"):
            invoice["lines"]["data"] = all_of(ask.invoices.line_items.list(invoice["id"], {"limit": PAGE}))
    for charge in charges:
        if charge["refunds"].get("has_more"):
            charge["refunds"]["data"] = all_of(ask.refunds.list({"charge": charge["id"], "limit": PAGE}))
    return Affairs(
        customer=found,
        subscriptions=subscriptions,
        invoices=invoices,
        sessions=all_of(ask.checkout.sessions.list(mine())),
        charges=charges,
        disputes=[
            dispute
            for charge in charges
            if charge.get("disputed")
            for dispute in all_of(ask.disputes.list({"charge": charge["id"], "limit": PAGE}))
        ],
        prices=_prices(subscriptions, invoices),
    )


def customer_behind(thing: Found) -> str:
    """Whose an event's object is; "" where Stripe says so only elsewhere (`trace`), or it is nobody's."""
    if thing.get("object") == "customer":
        return str(thing["id"])
    return id_of(thing.get("customer"))


def trace(thing: Found) -> str:
    """Whose a refund or a dispute is: their charge knows it."""
    charge = id_of(thing.get("charge"))
    if not charge:
        return ""
    try:
        return id_of(plain(stripe_client().v1.charges.retrieve(charge)).get("customer"))
    except stripe.InvalidRequestError as error:
        if is_gone(error):
            return ""
        raise


def price_of_line(line: Found) -> str:
    """The id of the price that an invoice's line is for."""
    details = (line.get("pricing") or {}).get("price_details") or {}
    return id_of(details.get("price"))


def _customer(customer: str) -> Found:
    """With the card that pays."""
    expand: Any = {"expand": ["invoice_settings.default_payment_method"]}
    try:
        return plain(stripe_client().v1.customers.retrieve(customer, expand))
    except stripe.InvalidRequestError as error:
        if is_gone(error):
            raise UnknownCustomer(f"Stripe does not know {customer}: another account, or another mode?") from error
        raise


def _prices(subscriptions: list[Found], invoices: list[Found]) -> dict[str, Found]:
    """A price never changes what it costs, so one that was seen before is not asked for again."""
    known: dict[str, Found] = {
        item["price"]["id"]: item["price"] for one in subscriptions for item in one["items"]["data"]
    }
    paid = [one for one in invoices if one["status"] == "paid"]
    wanted = {price_of_line(line) for one in paid for line in one["lines"]["data"]}
    plans_to_come = [one["schedule"] for one in subscriptions if isinstance(one.get("schedule"), dict)]
    wanted |= {id_of(item["price"]) for one in plans_to_come for phase in one["phases"] for item in phase["items"]}
    wanted -= {"", *known}
    known |= dict(Price.objects.filter(id__in=wanted).values_list("id", "stripe_data"))
    for price in wanted - set(known):
        known[price] = plain(stripe_client().v1.prices.retrieve(price))
    return known
