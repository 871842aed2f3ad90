"""What time and people do to a subscription at the double: renewals, failures, changes, ends, refunds, disputes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import stripe

from tests.fakes.stripe import Declined, StripeDouble

FAILS_LATER, DECLINED, ASKS = "4000000000000341", "4000000000009995", "4000002500003155"


class Shop:
    """One customer and what can be bought."""

    def __init__(self, double: StripeDouble) -> None:
        self.double = double
        self.starter = self._price("Starter", 1000)
        self.pro = self._price("Pro", 3000)
        self.pack = stripe.Price.create(currency="usd", unit_amount=500, product_data={"name": "Pack"})
        self.customer = stripe.Customer.create(email="ada@example.com")

    def _price(self, name: str, cents: int) -> Any:
        return stripe.Price.create(
            currency="usd", unit_amount=cents, product_data={"name": name}, recurring={"interval": "month"}
        )

    def visit(self, price: Any, mode: str = "subscription", **more: Any) -> Any:
        asked = {"mode": mode, "customer": self.customer.id, "success_url": "https://example.com/", **more}
        return stripe.checkout.Session.create(line_items=[{"price": price.id, "quantity": 1}], **asked)

    def subscribe(self, card: str = "4242424242424242", **more: Any) -> Any:
        paid = self.double.pay(self.visit(self.starter, **more), card)
        return stripe.Subscription.retrieve(paid["subscription"])

    def kinds(self, since: int) -> list[str]:
        return [event["type"] for event in self.double.events[since:]]

    def status(self, subscription: Any) -> str:
        return str(stripe.Subscription.retrieve(subscription.id).status)

    def change(self, subscription: Any, price: Any, **more: Any) -> Any:
        item = subscription["items"].data[0].id
        return stripe.Subscription.modify(subscription.id, items=[{"id": item, "price": price.id}], **more)


@pytest.fixture
def shop(stripe_double: StripeDouble) -> Shop:
    return Shop(stripe_double)


def _period(subscription: Any) -> tuple[int, int]:
    item = subscription["items"].data[0]
    return item.current_period_start, item.current_period_end


def _invoices(shop: Shop, **filters: Any) -> list[Any]:
    return list(stripe.Invoice.list(customer=shop.customer.id, limit=100, **filters).data)


# --- buying ---------------------------------------------------------------------------------------------------


def test_a_pack_is_paid_once(shop: Shop) -> None:
    visit = shop.visit(shop.pack, "payment", client_reference_id="purchase-1", metadata={"offer": "pack"})
    paid = shop.double.pay(visit)
    assert (paid["status"], paid["payment_status"], paid["url"]) == ("complete", "paid", None)
    assert (paid["client_reference_id"], paid["metadata"]) == ("purchase-1", {"offer": "pack"})
    assert stripe.PaymentIntent.retrieve(paid["payment_intent"]).status == "succeeded"
    with pytest.raises(Declined, match="complete"):
        shop.double.pay(visit)
    assert len(stripe.Charge.list().data) == 1


def test_a_declined_card_leaves_the_session_open(shop: Shop) -> None:
    visit = shop.visit(shop.pack, "payment")
    with pytest.raises(Declined, match="insufficient funds"):
        shop.double.pay(visit, DECLINED)
    assert stripe.checkout.Session.retrieve(visit.id).status == "open"
    shop.double.pay(visit)
    assert [charge.status for charge in stripe.Charge.list().data] == ["succeeded", "failed"]
    assert len(stripe.PaymentIntent.list().data) == 1


def test_a_declined_card_subscribes_to_nothing(shop: Shop) -> None:
    with pytest.raises(Declined):
        shop.subscribe(DECLINED)
    assert stripe.Subscription.list(status="all").data == []


def test_a_bank_may_ask_the_person(shop: Shop) -> None:
    visit = shop.visit(shop.starter)
    with pytest.raises(Declined, match="requires authentication"):
        shop.double.pay(visit, ASKS, confirm=False)
    shop.double.pay(visit, ASKS)
    assert stripe.checkout.Session.retrieve(visit.id).status == "complete"


def test_the_news_of_a_first_payment_come_in_stripes_order(shop: Shop) -> None:
    since = len(shop.double.events)
    shop.subscribe()
    assert shop.kinds(since) == [
        "payment_method.attached",
        "customer.subscription.created",
        "invoice.created",
        "payment_intent.created",
        "invoice.finalized",
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice_payment.paid",
        "invoice.paid",
        "invoice.payment_succeeded",
        "customer.subscription.updated",
        "checkout.session.completed",
    ]
    update = next(event for event in shop.double.events if event["type"] == "customer.subscription.updated")
    assert update["data"]["previous_attributes"] == {"status": "incomplete"}


def test_an_unpaid_session_expires(shop: Shop) -> None:
    visit = shop.visit(shop.pack, "payment")
    shop.double.clock.advance(hours=25)
    assert stripe.checkout.Session.retrieve(visit.id).status == "expired"
    with pytest.raises(Declined):
        shop.double.pay(visit)
    other = shop.visit(shop.pack, "payment")
    stripe.checkout.Session.expire(other.id)
    with pytest.raises(stripe.InvalidRequestError, match="status of"):
        stripe.checkout.Session.expire(other.id)
    assert shop.kinds(0).count("checkout.session.expired") == 2


@pytest.mark.parametrize(
    ("iban", "status", "kind"),
    [
        ("DE89370400440532013000", "paid", "checkout.session.async_payment_succeeded"),
        ("DE62370400440532013001", "unpaid", "checkout.session.async_payment_failed"),
    ],
)
def test_a_bank_debit_is_decided_days_later(shop: Shop, iban: str, status: str, kind: str) -> None:
    visit = shop.visit(shop.pack, "payment")
    assert shop.double.pay(visit, iban)["payment_status"] == "unpaid"
    shop.double.clock.advance(days=2)
    assert stripe.checkout.Session.retrieve(visit.id).payment_status == "unpaid"
    shop.double.clock.advance(days=2)
    assert stripe.checkout.Session.retrieve(visit.id).payment_status == status
    assert kind in shop.kinds(0)


def test_a_code_takes_off_and_tax_is_added(shop: Shop) -> None:
    shop.double.settings.tax_percent = 20.0
    coupon = stripe.Coupon.create(percent_off=10, duration="once")
    stripe.PromotionCode.create(promotion={"type": "coupon", "coupon": coupon.id}, code="TEN", max_redemptions=1)
    visit = shop.visit(shop.starter, allow_promotion_codes=True, automatic_tax={"enabled": True})
    paid = shop.double.pay(visit, code="ten")
    assert (paid["amount_subtotal"], paid["amount_total"]) == (1000, 1080)
    assert paid["total_details"] == {"amount_discount": 100, "amount_shipping": 0, "amount_tax": 180}
    first = _invoices(shop)[0]
    assert (first.subtotal, first.total, first.total_taxes[0].amount) == (1000, 1080, 180)
    shop.double.clock.advance(days=32)
    assert _invoices(shop)[0].total == 1200  # once is once
    with pytest.raises(Declined, match="invalid"):
        shop.double.pay(shop.visit(shop.pack, "payment", allow_promotion_codes=True), code="TEN")


def test_everything_off_needs_no_payment(shop: Shop) -> None:
    coupon = stripe.Coupon.create(percent_off=100, duration="forever")
    paid = shop.double.pay(shop.visit(shop.starter, discounts=[{"coupon": coupon.id}]))
    assert (paid["payment_status"], paid["amount_total"]) == ("no_payment_required", 0)
    assert [invoice.status for invoice in _invoices(shop)] == ["paid"]
    assert stripe.Charge.list().data == []


# --- time -----------------------------------------------------------------------------------------------------


def test_a_month_is_a_month_of_the_calendar(shop: Shop) -> None:
    subscription = shop.subscribe()
    start, end = (datetime.fromtimestamp(moment, UTC) for moment in _period(subscription))
    assert (end.year * 12 + end.month) - (start.year * 12 + start.month) == 1
    assert end.day in (start.day, 28, 29, 30)


def test_a_renewal_is_a_draft_for_an_hour(shop: Shop) -> None:
    subscription = shop.subscribe()
    end = _period(subscription)[1]
    shop.double.clock.advance(seconds=end - shop.double.clock.now() + 60)
    renewed = stripe.Subscription.retrieve(subscription.id)
    assert _period(renewed)[0] == end
    assert (renewed.status, _invoices(shop)[0].status) == ("active", "draft")
    shop.double.clock.advance(hours=1)
    assert (_invoices(shop)[0].status, _invoices(shop)[0].billing_reason) == ("paid", "subscription_cycle")
    assert "invoice.upcoming" in shop.kinds(0)


def test_a_year_is_twelve_renewals_each_at_its_time(shop: Shop) -> None:
    subscription = shop.subscribe()
    shop.double.clock.advance(days=366)
    paid = _invoices(shop, status="paid")
    assert len(paid) == 13
    assert len({invoice.created for invoice in paid}) == 13
    assert shop.status(subscription) == "active"


@pytest.mark.parametrize(
    ("setting", "status"), [("cancel", "canceled"), ("unpaid", "unpaid"), ("past_due", "past_due")]
)
def test_what_is_not_paid_is_tried_on_days_3_5_and_7(shop: Shop, setting: str, status: str) -> None:
    shop.double.settings.after_retries = setting
    subscription = shop.subscribe(FAILS_LATER)
    shop.double.clock.advance(seconds=_period(subscription)[1] - shop.double.clock.now() + 3700)
    assert shop.status(subscription) == "past_due"
    for days, attempts in ((3, 2), (2, 3)):
        shop.double.clock.advance(days=days)
        assert _invoices(shop, status="open")[0].attempt_count == attempts
        assert shop.status(subscription) == "past_due"
    shop.double.clock.advance(days=2)
    assert _invoices(shop, status="open")[0].attempt_count == 4
    assert shop.status(subscription) == status
    assert shop.kinds(0).count("invoice.payment_failed") == 4


def test_another_card_pays_what_is_open(shop: Shop) -> None:
    subscription = shop.subscribe(FAILS_LATER)
    shop.double.clock.advance(days=33)
    assert shop.status(subscription) == "past_due"
    shop.double.use_card(shop.customer.id, "4242424242424242")
    assert (shop.status(subscription), _invoices(shop)[0].status) == ("active", "paid")
    assert "customer.updated" in shop.kinds(0)


def test_an_open_invoice_is_paid_by_the_api_or_refuses(shop: Shop) -> None:
    subscription = shop.subscribe(FAILS_LATER)
    shop.double.clock.advance(days=33)
    invoice = _invoices(shop, status="open")[0]
    with pytest.raises(stripe.CardError, match="declined"):
        stripe.Invoice.pay(invoice.id)
    method = stripe.PaymentMethod.attach("pm_card_visa", customer=shop.customer.id)
    assert stripe.Invoice.pay(invoice.id, payment_method=method.id).status == "paid"
    assert shop.status(subscription) == "active"
    with pytest.raises(stripe.InvalidRequestError, match="already paid"):
        stripe.Invoice.pay(invoice.id)


def test_a_trial_is_told_before_it_ends_and_then_paid(shop: Shop) -> None:
    paid = shop.double.pay(shop.visit(shop.starter, subscription_data={"trial_period_days": 7}))
    subscription = stripe.Subscription.retrieve(paid["subscription"])
    assert (subscription.status, paid["payment_status"]) == ("trialing", "no_payment_required")
    assert _invoices(shop)[0].total == 0
    shop.double.clock.advance(days=5)
    assert "customer.subscription.trial_will_end" in shop.kinds(0)
    shop.double.clock.advance(days=3)
    assert (shop.status(subscription), _invoices(shop)[0].amount_paid) == ("active", 1000)


def test_a_first_payment_that_never_comes_expires(shop: Shop) -> None:
    subscription = stripe.Subscription.create(
        customer=shop.customer.id, items=[{"price": shop.starter.id}], payment_behavior="default_incomplete"
    )
    assert subscription.status == "incomplete"
    shop.double.clock.advance(hours=24)
    assert shop.status(subscription) == "incomplete_expired"
    assert _invoices(shop)[0].status == "void"


def test_a_trial_without_a_card_pauses_and_is_resumed(shop: Shop) -> None:
    subscription = stripe.Subscription.create(
        customer=shop.customer.id,
        items=[{"price": shop.starter.id}],
        trial_period_days=3,
        trial_settings={"end_behavior": {"missing_payment_method": "pause"}},
    )
    shop.double.clock.advance(days=4)
    assert shop.status(subscription) == "paused"
    method = stripe.PaymentMethod.attach("pm_card_visa", customer=shop.customer.id)
    stripe.Customer.modify(shop.customer.id, invoice_settings={"default_payment_method": method.id})
    assert stripe.Subscription.resume(subscription.id).status == "active"
    assert {"customer.subscription.paused", "customer.subscription.resumed"} <= set(shop.kinds(0))


def test_while_collection_is_paused_nothing_is_charged(shop: Shop) -> None:
    subscription = shop.subscribe()
    stripe.Subscription.modify(subscription.id, pause_collection={"behavior": "void"})
    shop.double.clock.advance(days=32)
    assert (shop.status(subscription), _invoices(shop)[0].status) == ("active", "void")
    stripe.Subscription.modify(subscription.id, pause_collection="")
    shop.double.clock.advance(days=31)
    assert _invoices(shop)[0].status == "paid"


# --- changing and ending --------------------------------------------------------------------------------------


def test_an_upgrade_charges_the_rest_of_the_period_at_once(shop: Shop) -> None:
    subscription = shop.subscribe()
    start, end = _period(subscription)
    shop.double.clock.advance(seconds=(end - start) // 2)
    preview = stripe.Invoice.create_preview(
        subscription=subscription.id,
        subscription_details={
            "items": [{"id": subscription["items"].data[0].id, "price": shop.pro.id}],
            "proration_behavior": "always_invoice",
        },
    )
    changed = shop.change(subscription, shop.pro, proration_behavior="always_invoice")
    invoice = stripe.Invoice.retrieve(changed.latest_invoice)
    assert [line.amount for line in invoice.lines.data] == [-500, 1500]
    assert all(line.parent.subscription_item_details.proration for line in invoice.lines.data)  # type: ignore[union-attr]
    assert (invoice.status, invoice.total, invoice.billing_reason) == ("paid", 1000, "subscription_update")
    assert preview.total == invoice.total
    assert _period(changed) == (start, end)


def test_an_upgrade_that_cannot_be_paid_changes_nothing(shop: Shop) -> None:
    subscription = shop.subscribe(FAILS_LATER)
    with pytest.raises(stripe.CardError):
        shop.change(subscription, shop.pro, proration_behavior="always_invoice", payment_behavior="error_if_incomplete")
    assert stripe.Subscription.retrieve(subscription.id)["items"].data[0].price.id == shop.starter.id
    assert len(_invoices(shop)) == 1


def test_prorations_wait_for_the_renewal(shop: Shop) -> None:
    subscription = shop.subscribe()
    start, end = _period(subscription)
    shop.double.clock.advance(seconds=(end - start) // 2)
    shop.change(subscription, shop.pro, proration_behavior="create_prorations")
    assert len(_invoices(shop)) == 1
    shop.double.clock.advance(days=17)
    assert [line.amount for line in _invoices(shop)[0].lines.data] == [-500, 1500, 3000]


def test_a_downgrade_that_is_invoiced_leaves_credit(shop: Shop) -> None:
    paid = shop.double.pay(shop.visit(shop.pro))
    subscription = stripe.Subscription.retrieve(paid["subscription"])
    shop.change(subscription, shop.starter, proration_behavior="always_invoice")
    assert stripe.Customer.retrieve(shop.customer.id).balance == -2000
    shop.double.clock.advance(days=32)
    assert (_invoices(shop)[0].total, _invoices(shop)[0].amount_due) == (1000, 0)
    assert stripe.Customer.retrieve(shop.customer.id).balance == -1000


def test_a_schedule_brings_the_smaller_plan_with_the_next_period(shop: Shop) -> None:
    paid = shop.double.pay(shop.visit(shop.pro))
    subscription = stripe.Subscription.retrieve(paid["subscription"])
    schedule = stripe.SubscriptionSchedule.create(from_subscription=subscription.id)
    start, end = _period(subscription)
    month: Any = {"interval": "month", "interval_count": 1}
    stripe.SubscriptionSchedule.modify(
        schedule.id,
        end_behavior="release",
        phases=[
            {"items": [{"price": shop.pro.id, "quantity": 1}], "start_date": start, "end_date": end},
            {"items": [{"price": shop.starter.id, "quantity": 1}], "start_date": end, "duration": month},
        ],
    )
    with pytest.raises(stripe.InvalidRequestError, match="managed by the subscription schedule"):
        stripe.Subscription.modify(subscription.id, cancel_at_period_end=True)
    shop.double.clock.advance(days=32)
    assert _invoices(shop)[0].total == 1000
    shop.double.clock.advance(days=31)
    assert stripe.Subscription.retrieve(subscription.id).schedule is None
    assert stripe.SubscriptionSchedule.retrieve(schedule.id).status == "released"
    assert (shop.status(subscription), _invoices(shop)[0].total) == ("active", 1000)


def test_a_subscription_ends_with_its_period_unless_it_is_taken_back(shop: Shop) -> None:
    subscription = shop.subscribe()
    end = _period(subscription)[1]
    cancelled = stripe.Subscription.modify(subscription.id, cancel_at_period_end=True)
    assert (cancelled.status, cancelled.cancel_at, cancelled.cancel_at_period_end) == ("active", end, True)
    kept = stripe.Subscription.modify(subscription.id, cancel_at_period_end=False)
    assert (kept.cancel_at, kept.canceled_at) == (None, None)
    stripe.Subscription.modify(subscription.id, cancel_at_period_end=True)
    shop.double.clock.advance(days=32)
    ended = stripe.Subscription.retrieve(subscription.id)
    assert (ended.status, ended.ended_at) == ("canceled", end)
    assert len(_invoices(shop)) == 1
    assert shop.kinds(0)[-1] == "customer.subscription.deleted"
    assert stripe.Subscription.list(customer=shop.customer.id).data == []
    assert len(stripe.Subscription.list(customer=shop.customer.id, status="all").data) == 1


def test_a_subscription_ends_at_once(shop: Shop) -> None:
    subscription = shop.subscribe()
    assert stripe.Subscription.cancel(subscription.id).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe.Subscription.cancel(subscription.id)
    assert refused.value.code == "resource_missing"
    with pytest.raises(stripe.InvalidRequestError, match="canceled subscription"):
        shop.change(subscription, shop.pro)


# --- money that goes back -------------------------------------------------------------------------------------


def test_a_refund_is_made_in_parts_and_no_further(shop: Shop) -> None:
    paid = shop.double.pay(shop.visit(shop.pack, "payment"))
    refund = stripe.Refund.create(payment_intent=paid["payment_intent"], amount=200)
    charge = stripe.Charge.retrieve(str(refund.charge), expand=["refunds"])
    assert (charge.amount_refunded, charge.refunded) == (200, False)
    assert charge.refunds is not None
    assert [one.id for one in charge.refunds.data] == [refund.id]
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        stripe.Refund.create(charge=charge.id, amount=301)
    stripe.Refund.create(charge=charge.id)
    assert stripe.Charge.retrieve(charge.id).refunded
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe.Refund.create(charge=charge.id)
    assert refused.value.code == "charge_already_refunded"
    assert shop.kinds(0).count("charge.refunded") == 2


@pytest.mark.parametrize(("words", "status"), [("winning_evidence", "won"), ("losing_evidence", "lost")])
def test_a_dispute_takes_the_money_until_it_is_decided(shop: Shop, words: str, status: str) -> None:
    shop.double.pay(shop.visit(shop.pack, "payment"), "4000000000000259")
    dispute = stripe.Dispute.list().data[0]
    assert stripe.Charge.retrieve(str(dispute.charge)).disputed
    assert [transaction.amount for transaction in dispute.balance_transactions] == [-500]
    decided = stripe.Dispute.modify(dispute.id, evidence={"uncategorized_text": words})
    assert decided.status == status
    assert sum(transaction.net for transaction in decided.balance_transactions) == (0 if status == "won" else -2000)
    kinds = [kind for kind in shop.kinds(0) if kind.startswith("charge.dispute")]
    back = ["charge.dispute.funds_reinstated"] if status == "won" else []
    assert kinds == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        *back,
        "charge.dispute.closed",
    ]
    with pytest.raises(stripe.InvalidRequestError, match="charged back"):
        stripe.Refund.create(charge=str(dispute.charge))
