"""Every object of the double has the published fields of its kind, with values of the published types."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from config.stack.stripe_double import double
from config.stack.stripe_double.api import router
from config.stack.stripe_double.params import Params
from tests.fakes.published import deviations, parameters
from tests.fakes.stripe import KEY, Declined, StripeDouble


def _price(name: str, cents: int, *, monthly: bool) -> Any:
    more: dict[str, Any] = {"recurring": {"interval": "month"}} if monthly else {}
    return stripe.Price.create(currency="usd", unit_amount=cents, product_data={"name": name}, **more)


@pytest.fixture
def busy(stripe_double: StripeDouble) -> StripeDouble:
    make_busy(stripe_double)
    return stripe_double


def make_busy(stripe_double: StripeDouble) -> None:
    """An account in which nearly everything has happened once."""
    stripe_double.settings.tax_percent = 20.0
    starter, pro, pack = (
        _price("Starter", 999, monthly=True),
        _price("Pro", 2999, monthly=True),
        _price("Pack", 499, monthly=False),
    )
    coupon = stripe.Coupon.create(percent_off=10, duration="once")
    stripe.PromotionCode.create(promotion={"type": "coupon", "coupon": coupon.id}, code="TEN")
    customer = stripe.Customer.create(email="ada@example.com", metadata={"user": "1"})
    for index, (mode, price) in enumerate((("subscription", starter), ("payment", pack))):
        session = stripe.checkout.Session.create(
            mode=mode,
            customer=customer.id,
            line_items=[{"price": price.id, "quantity": 1}],
            success_url="https://example.com/{CHECKOUT_SESSION_ID}",
            automatic_tax={"enabled": True},
            allow_promotion_codes=True,
            **({"invoice_creation": {"enabled": True}} if index else {}),
        )
        with pytest.raises(Declined):
            stripe_double.pay(session, "4000000000009995")
        stripe_double.pay(session, code="TEN")
    subscription = stripe.Subscription.list(customer=customer.id).data[0]
    item = subscription["items"].data[0]
    stripe_double.clock.advance(days=40)
    stripe.Subscription.modify(
        subscription.id, items=[{"id": item.id, "price": pro.id}], proration_behavior="always_invoice"
    )
    schedule = stripe.SubscriptionSchedule.create(from_subscription=subscription.id)
    stripe.SubscriptionSchedule.release(schedule.id)
    stripe.SetupIntent.create(customer=customer.id, payment_method="pm_card_visa", confirm=True)
    charges = stripe.Charge.list(customer=customer.id, limit=100).data
    paid = [charge for charge in charges if charge.paid]
    stripe.Refund.create(charge=paid[0].id, amount=100, reason="requested_by_customer")
    stripe_double.decide(stripe_double.dispute(paid[1].id)["id"], won=True)
    stripe.billing_portal.Session.create(customer=customer.id, return_url="https://example.com/")
    stripe.WebhookEndpoint.create(url="https://example.com/", enabled_events=["*"])
    stripe.test_helpers.TestClock.create(frozen_time=stripe_double.clock.now() + 1)
    debit = stripe.checkout.Session.create(
        mode="payment",
        line_items=[{"price": pack.id, "quantity": 2}],
        success_url="https://example.com/",
        customer_creation="always",
    )
    stripe_double.pay(debit, "DE89370400440532013000")
    stripe_double.clock.advance(days=4)
    stripe.Subscription.modify(subscription.id, cancel_at_period_end=True)


KINDS = (
    "balance_transaction", "billing_portal.configuration", "billing_portal.session", "charge", "checkout.session",
    "coupon", "customer", "discount", "dispute", "event", "invoice", "invoice_payment", "payment_intent",
    "payment_method", "price", "product", "promotion_code", "refund", "setup_intent", "subscription",
    "subscription_schedule", "tax_rate", "test_helpers.test_clock", "webhook_endpoint",
)  # fmt: skip


def test_every_object_is_what_the_library_says(busy: StripeDouble) -> None:
    world = busy.double.world
    for kind in KINDS:
        things = list(world.store.all(kind))
        assert things, f"nothing of kind {kind} was made"
        for thing in things:
            assert deviations(world.shown(thing)) == []
    assert world.store.kinds() == set(KINDS)


def test_what_events_carry_is_what_the_library_says(busy: StripeDouble) -> None:
    for event in busy.events:
        assert deviations(event["data"]["object"]) == [], event["type"]


def test_kinds_of_events_are_published_ones(busy: StripeDouble) -> None:
    import inspect

    import stripe._event

    published = inspect.getsource(stripe._event)
    assert [kind for kind in {event["type"] for event in busy.events} if f'"{kind}"' not in published] == []


def test_what_is_left_out_by_default_comes_by_expanding(busy: StripeDouble) -> None:
    import json

    session = stripe.checkout.Session.list(
        status="complete", expand=["data.line_items", "data.subscription", "data.payment_intent.latest_charge.refunds"]
    )
    invoice = stripe.Invoice.list(expand=["data.payments", "data.discounts", "data.lines.data.discounts"])
    customer = stripe.Customer.list(expand=["data.subscriptions", "data.invoice_settings.default_payment_method"])
    account = stripe.Account.retrieve()
    for thing in (*session.data, *invoice.data, *customer.data, account):
        assert deviations(json.loads(str(thing))) == []


def test_the_comparison_sees_what_is_wrong(busy: StripeDouble) -> None:
    world = busy.double.world
    charge = world.shown(next(world.store.all("charge", paid=True)))
    charge["payment_method_details"]["card"]["colour"] = "red"
    charge["outcome"]["risk_score"] = "high"
    charge["status"] = "paid"
    del charge["currency"]
    assert deviations(charge) == [
        "charge.currency: missing",
        "charge.outcome.risk_score: 'high' is no int",
        "charge.payment_method_details.card.colour: not published",
        "charge.status: 'paid' is none of ['failed', 'pending', 'succeeded']",
    ]
    subscription = world.shown(next(world.store.all("subscription")))
    subscription["items"]["data"][0]["price"]["recurring"]["interval"] = "moon"
    assert len(deviations(subscription)) == 1


def test_every_parameter_that_it_reads_is_a_published_one(
    stripe_double: StripeDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: dict[tuple[str, str], set[str]] = {}
    address: list[tuple[str, str]] = []

    class Recorded(Params):
        def text(self, name: str, default: str | None = None) -> str | None:
            read.setdefault(address[-1], set()).add(name)
            return super().text(name, default)

        def inside(self, name: str) -> Params:
            read.setdefault(address[-1], set()).add(name)
            return super().inside(name)

        def plain(self, name: str) -> Any:
            read.setdefault(address[-1], set()).add(name)
            return super().plain(name)

    def find(method: str, path: str) -> Any:
        handler, ids = router.find(method, path)
        address.append(next((one.method, one.path) for one in router.ROUTES if one.handler is handler))
        return handler, ids

    monkeypatch.setattr(double, "Params", Recorded)
    monkeypatch.setattr(double, "find", find)
    make_busy(stripe_double)
    for one in router.ROUTES:  # every list, and every refusal for want of something: what is read before counts
        path = one.path.format("x", "y")
        stripe_double.double.answer(one.method, path, "", "", {"Authorization": f"Bearer {KEY}"})
    unpublished = {where: names - {"expand"} - (parameters(*where) or set()) for where, names in read.items()}
    assert {where: names for where, names in unpublished.items() if names} == {}
    assert len(read) == len(router.ROUTES)
