"""A subscription's life: changed, cancelled, resumed, not paid, paid after all, over."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from accounts.models import AuditEntry, Notification, User
from billing import ledger
from billing.audit import audit_all
from billing.models import CreditGrant, Entitlement, Purchase
from billing.payments import checkout, subscriptions
from billing.payments.showing import bill_of, overdue
from billing.payments.tasks import sweep
from config.kit.errors import Conflict, Refusal
from tests.fakes.stripe import StripeDouble

pytestmark = pytest.mark.django_db

Buy = Callable[..., Purchase]
PAYS_ONCE = "4000000000000341"


def now_is(user: User) -> Entitlement:
    return Entitlement.objects.get(user=user)


def available(user: User) -> int:
    return ledger.account_of(user).available


def pass_days(shop: StripeDouble, days: float) -> None:
    shop.clock.advance(days=days)
    shop.deliver()
    sweep()


# --- changing -------------------------------------------------------------------------------------------------


def test_a_larger_plan_begins_now_and_the_difference_is_paid_and_had(
    buy: Buy, shop: StripeDouble, artist: User
) -> None:
    buy(artist, "plan_starter_month")
    pass_days(shop, 15)
    subscriptions.change(user=artist, plan="pro")
    assert (now_is(artist).plan, now_is(artist).status) == ("pro", "active")
    change = CreditGrant.objects.filter(account__user=artist).latest("pk")
    assert 430 <= change.amount <= 480  # of 900 for a whole period about the half
    invoice = checkout.stripe_client().v1.invoices.retrieve(change.source_ref.removeprefix("invoice:"))
    assert 950 <= invoice.amount_paid <= 1060  # of $20.00 about the half
    pass_days(shop, 18)
    assert CreditGrant.objects.filter(account__user=artist).latest("pk").amount == 1200
    assert audit_all(mend=False) == []


def test_a_larger_plan_that_cannot_be_paid_changes_nothing(buy: Buy, shop: StripeDouble, artist: User) -> None:
    buy(artist, "plan_starter_month", card=PAYS_ONCE)
    with pytest.raises(Refusal, match="declined"):
        subscriptions.change(user=artist, plan="pro")
    sweep()
    assert (now_is(artist).plan, now_is(artist).status) == ("starter", "active")
    assert available(artist) == 300


def test_a_smaller_plan_begins_when_the_period_is_over(buy: Buy, shop: StripeDouble, artist: User) -> None:
    buy(artist, "plan_pro_month")
    subscriptions.change(user=artist, plan="starter")
    assert now_is(artist).plan == "pro"
    assert available(artist) == 1200
    bill = bill_of(artist)
    assert bill.next_plan is not None
    assert (bill.next_plan.slug, bill.next_payment) == ("starter", "$9.99")
    assert "then Starter begins" in bill.say
    pass_days(shop, 32)
    assert now_is(artist).plan == "starter"
    assert CreditGrant.objects.filter(account__user=artist).latest("pk").amount == 300
    assert bill_of(artist).next_plan is None


def test_a_discount_that_lasts_survives_the_change_to_a_smaller_plan(
    buy: Buy, shop: StripeDouble, artist: User
) -> None:
    client = checkout.stripe_client().v1
    coupon = client.coupons.create({"percent_off": 50, "duration": "forever"})
    client.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "HALF"})
    buy(artist, "plan_pro_month", code="HALF")
    subscriptions.change(user=artist, plan="starter")
    pass_days(shop, 32)
    invoice = client.invoices.list().data[0]
    assert invoice.subtotal == 999
    assert invoice.total in (499, 500)
    assert CreditGrant.objects.latest("pk").amount == 300


def test_a_smaller_plan_that_was_chosen_can_be_taken_back(buy: Buy, shop: StripeDouble, artist: User) -> None:
    buy(artist, "plan_pro_month")
    subscriptions.change(user=artist, plan="starter")
    subscriptions.resume(user=artist)
    assert bill_of(artist).next_plan is None
    pass_days(shop, 32)
    assert now_is(artist).plan == "pro"


def test_a_plan_to_come_can_be_cancelled_with_the_rest(buy: Buy, shop: StripeDouble, artist: User) -> None:
    buy(artist, "plan_pro_month")
    subscriptions.change(user=artist, plan="starter")
    subscriptions.cancel(user=artist)
    pass_days(shop, 32)
    assert (now_is(artist).plan, now_is(artist).status) == ("free", "canceled")


def test_there_is_nothing_to_change_without_a_subscription(shop: StripeDouble, artist: User) -> None:
    for act in (subscriptions.cancel, subscriptions.resume):
        with pytest.raises(Conflict, match="no subscription"):
            act(user=artist)
    with pytest.raises(Refusal, match="no such plan"):
        subscriptions.change(user=artist, plan="free")


# --- ending ---------------------------------------------------------------------------------------------------


def test_a_cancelled_plan_goes_on_to_its_end_and_then_everything_stays_but_the_plan(
    buy: Buy, shop: StripeDouble, artist: User
) -> None:
    buy(artist, "plan_starter_month")
    renews_at = now_is(artist).renews_at
    subscriptions.cancel(user=artist)
    assert (now_is(artist).plan, now_is(artist).renews_at, now_is(artist).ends_at) == ("starter", None, renews_at)
    assert Notification.objects.filter(title__startswith="Starter ends on").count() == 1
    pass_days(shop, 32)
    assert (now_is(artist).plan, now_is(artist).status) == ("free", "canceled")
    assert available(artist) == 300  # until they expire
    assert CreditGrant.objects.count() == 1
    assert Notification.objects.filter(title="Your plan has ended: you are on Free.").count() == 1
    assert bill_of(artist).say == "Starter has ended. Your styles and pictures are all still here."
    assert AuditEntry.objects.filter(verb="plan.cancel", actor=artist).count() == 1


def test_a_cancelled_plan_can_be_resumed(buy: Buy, shop: StripeDouble, artist: User) -> None:
    buy(artist, "plan_starter_month")
    subscriptions.cancel(user=artist)
    subscriptions.resume(user=artist)
    assert now_is(artist).ends_at is None
    pass_days(shop, 32)
    assert (now_is(artist).plan, available(artist)) == ("starter", 600)


def test_each_turn_is_told_and_the_last_thing_told_is_so(buy: Buy, shop: StripeDouble, artist: User) -> None:
    buy(artist, "plan_pro_month")
    seen = Notification.objects.filter(user=artist, kind="billing.plan").latest("pk").pk
    for _time in range(2):
        subscriptions.cancel(user=artist)
        subscriptions.resume(user=artist)
    subscriptions.change(user=artist, plan="starter")
    subscriptions.resume(user=artist)
    sweep()
    told = Notification.objects.filter(user=artist, kind="billing.plan", pk__gt=seen).order_by("pk")
    ends, goes_on, *rest = told.values_list("title", flat=True)
    assert (ends.startswith("Pro ends on "), goes_on) == (True, "Pro goes on.")
    day = ends.removeprefix("Pro ends on ")
    assert rest == [ends, goes_on, f"Starter comes next, on {day}", goes_on]


def test_who_ended_may_begin_again(buy: Buy, shop: StripeDouble, artist: User) -> None:
    buy(artist, "plan_starter_month")
    subscriptions.cancel(user=artist)
    pass_days(shop, 32)
    buy(artist, "plan_pro_month")
    assert now_is(artist).plan == "pro"


def test_closing_an_account_stops_everything_at_once_and_only_once(buy: Buy, shop: StripeDouble, artist: User) -> None:
    buy(artist, "plan_starter_month")
    visit = checkout.begin(user=artist, lookup_key="pack_50")
    for _time in range(2):
        subscriptions.stop_now(user=artist, key="closing-1")
    assert (now_is(artist).plan, now_is(artist).status) == ("free", "canceled")
    visit.refresh_from_db()
    assert visit.state == Purchase.State.EXPIRED
    pass_days(shop, 62)
    assert CreditGrant.objects.count() == 1


def test_closing_an_account_that_never_paid_asks_stripe_nothing(shop: StripeDouble, artist: User) -> None:
    shop.transport.calls.clear()
    subscriptions.stop_now(user=artist, key="closing-1")
    assert shop.transport.calls == []


# --- not paid -------------------------------------------------------------------------------------------------


def test_a_payment_that_fails_is_told_and_the_plan_goes_on_while_it_is_tried_again(
    buy: Buy, shop: StripeDouble, artist: User
) -> None:
    buy(artist, "plan_starter_month", card=PAYS_ONCE)
    pass_days(shop, 31.2)
    assert (now_is(artist).plan, now_is(artist).status) == ("starter", "past_due")
    assert now_is(artist).overdue_since is not None
    assert overdue(artist)
    assert available(artist) == 300  # no credits without the money
    told = Notification.objects.get(kind="billing.failed")
    assert told.body.startswith("$9.99 is to be paid. It is tried again in some days")
    bill = bill_of(artist)
    assert bill.due == "$9.99"
    assert bill.pay_url.startswith(shop.url)
    with pytest.raises(Conflict, match="still open"):
        subscriptions.change(user=artist, plan="pro")


def test_paying_after_all_puts_everything_right(buy: Buy, shop: StripeDouble, artist: User) -> None:
    buy(artist, "plan_starter_month", card=PAYS_ONCE)
    pass_days(shop, 31.2)
    client = checkout.stripe_client().v1
    invoice = client.invoices.list({"status": "open"}).data[0]
    subscription = client.subscriptions.list().data[0]
    method = client.payment_methods.attach("pm_card_visa", {"customer": str(subscription.customer)})
    client.subscriptions.update(subscription.id, {"default_payment_method": method.id})
    client.invoices.pay(invoice.id)
    shop.deliver()
    sweep()
    assert (now_is(artist).status, now_is(artist).overdue_since) == ("active", None)
    assert not overdue(artist)
    assert available(artist) == 600
    assert bill_of(artist).card is not None


def test_after_the_last_try_the_plan_ends_and_nothing_is_lost(buy: Buy, shop: StripeDouble, artist: User) -> None:
    buy(artist, "plan_starter_month", card=PAYS_ONCE)
    pass_days(shop, 60)
    assert (now_is(artist).plan, now_is(artist).status) == ("free", "canceled")
    assert not overdue(artist)
    assert [paper.state for paper in bill_of(artist).papers] == ["not paid", "paid"], "nothing is asked for any more"
    assert CreditGrant.objects.count() == 1
    assert now_is(artist).ends_at is not None
    assert timezone.now() < (now_is(artist).ends_at or timezone.now())  # by the double's clock, which was moved on


def test_unpaid_is_no_plan_but_can_still_be_paid(buy: Buy, shop: StripeDouble, artist: User) -> None:
    shop.settings.after_retries = "unpaid"
    buy(artist, "plan_starter_month", card=PAYS_ONCE)
    pass_days(shop, 60)
    assert (now_is(artist).plan, now_is(artist).status) == ("free", "unpaid")
    assert overdue(artist)
    assert bill_of(artist).is_living
