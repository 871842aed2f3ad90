"""dj-stripe takes every object of the double as it takes Stripe's: by itself, fetching what they refer to."""

from __future__ import annotations

import json
from typing import Any

import pytest
import stripe
from djstripe import models

from tests.fakes.stripe import KEY, StripeDouble

pytestmark = pytest.mark.django_db


@pytest.fixture
def busy(stripe_double: StripeDouble) -> StripeDouble:
    """A subscription that was renewed, a pack, a refund, and a dispute."""
    monthly = stripe.Price.create(
        currency="usd", unit_amount=999, product_data={"name": "Starter"}, recurring={"interval": "month"}
    )
    once = stripe.Price.create(currency="usd", unit_amount=499, product_data={"name": "Pack"})
    customer = stripe.Customer.create(email="ada@example.com", metadata={"user": "1"})
    for mode, price in (("subscription", monthly), ("payment", once), ("payment", once)):
        session = stripe.checkout.Session.create(
            mode=mode,  # type: ignore[arg-type]
            customer=customer.id,
            line_items=[{"price": price.id, "quantity": 1}],
            success_url="https://example.com/",
            metadata={"offer": price.id},
        )
        stripe_double.pay(session)
    packs = [c for c in stripe.Charge.list(customer=customer.id).data if c.amount == 499]
    stripe.Refund.create(charge=packs[0].id, amount=200)
    stripe_double.dispute(packs[1].id)
    stripe_double.clock.advance(days=32)
    return stripe_double


MIRRORED: list[tuple[type[Any], Any]] = [
    (models.Customer, stripe.Customer),
    (models.Product, stripe.Product),
    (models.Price, stripe.Price),
    (models.PaymentMethod, stripe.PaymentMethod),
    (models.Subscription, stripe.Subscription),
    (models.Invoice, stripe.Invoice),
    (models.PaymentIntent, stripe.PaymentIntent),
    (models.Charge, stripe.Charge),
    (models.Refund, stripe.Refund),
    (models.Dispute, stripe.Dispute),
    (models.BalanceTransaction, stripe.BalanceTransaction),
    (models.Session, stripe.checkout.Session),
]


@pytest.mark.parametrize(("model", "resource"), MIRRORED, ids=[model.__name__ for model, _ in MIRRORED])
def test_it_is_mirrored(busy: StripeDouble, model: Any, resource: Any) -> None:
    found = resource.list(limit=100).data
    assert found
    for thing in found:
        mirrored = model.sync_from_stripe_data(thing, api_key=KEY)
        assert mirrored.id == thing.id
        assert mirrored.stripe_data["id"] == thing.id
        again = model.sync_from_stripe_data(resource.retrieve(thing.id), api_key=KEY)
        assert again.pk == mirrored.pk


def test_what_a_subscription_refers_to_comes_along(busy: StripeDouble) -> None:
    subscription = stripe.Subscription.list().data[0]
    mirrored = models.Subscription.sync_from_stripe_data(subscription, api_key=KEY)
    assert mirrored.customer.email == "ada@example.com"
    item = models.SubscriptionItem.objects.get()
    assert item.price.product.name == "Starter"
    assert mirrored.status == "active"


def test_what_an_invoice_refers_to_comes_along(busy: StripeDouble) -> None:
    for invoice in stripe.Invoice.list().data:
        models.Invoice.sync_from_stripe_data(invoice, api_key=KEY)
    assert models.LineItem.objects.count() == 2  # the first month and the renewal
    assert {invoice.stripe_data["billing_reason"] for invoice in models.Invoice.objects.all()} == {
        "subscription_create",
        "subscription_cycle",
    }


def test_news_are_mirrored_as_they_are_sent(busy: StripeDouble) -> None:
    for event in busy.events:
        mirrored = models.Event.sync_from_stripe_data(json.loads(busy.signed(event)[0]), api_key=KEY)
        assert (mirrored.id, mirrored.type) == (event["id"], event["type"])
