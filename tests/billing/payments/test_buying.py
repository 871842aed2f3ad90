"""Buying a pack and a plan, through Checkout to the credits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from djstripe.models import APIKey, Customer, Invoice, Session, Subscription
from pytest_django.fixtures import Settings

from accounts.models import Notification, User
from billing import ledger
from billing.audit import audit_all
from billing.models import CreditGrant, Entitlement, Purchase, StripeCustomer, StripeEvent
from billing.payments import checkout
from billing.payments.checkout import AlreadySubscribed
from billing.payments.client import PaymentsOff, PaymentsSilent
from billing.payments.settling import settle
from billing.payments.tasks import sweep
from config.kit.errors import Refusal, TooMany
from tests.billing.payments.shop import customer_of
from tests.builders import make_user
from tests.fakes.stripe import Declined, StripeDouble

pytestmark = pytest.mark.django_db

Buy = Callable[..., Purchase]


def available(user: User) -> int:
    return ledger.account_of(user).available


def test_a_pack_brings_its_credits_once_it_is_paid(shop: StripeDouble, artist: User) -> None:
    visit = checkout.begin(user=artist, lookup_key="pack_100", came_from="/create/")
    assert available(artist) == 0
    shop.pay(visit.session_url)
    assert available(artist) == 0
    shop.deliver()
    sweep()
    visit.refresh_from_db()
    assert visit.state == Purchase.State.PAID
    assert available(artist) == 100
    grant = CreditGrant.objects.get(account__user=artist)
    assert (grant.source_ref, grant.expires_at) == (f"session:{visit.session}", None)
    assert Notification.objects.get(user=artist, kind="billing.receipt").title == "Pack of 100 credits"
    assert not StripeEvent.objects.filter(settled_at=None).exists()
    assert audit_all(mend=False) == []


def test_a_plan_begins_with_its_first_invoice_and_lasts_two_periods(buy: Buy, artist: User) -> None:
    visit = buy(artist, "plan_starter_month")
    assert visit.state == Purchase.State.PAID
    entitlement = Entitlement.objects.get(user=artist)
    assert (entitlement.plan, entitlement.status) == ("starter", "active")
    assert entitlement.renews_at is not None
    assert abs(entitlement.renews_at - timezone.now() - timedelta(days=30)) < timedelta(days=2)
    grant = CreditGrant.objects.get(account__user=artist)
    assert grant.amount == 300
    assert grant.source_ref.startswith("invoice:in_")
    assert grant.expires_at is not None
    assert timedelta(days=27) < grant.expires_at - entitlement.renews_at < timedelta(days=32)
    assert list(Notification.objects.order_by("kind").values_list("kind", "title")) == [
        ("billing.plan", "You are on the plan Starter."),
        ("billing.receipt", "Starter: 300 credits"),
    ]


def test_what_was_fetched_is_mirrored_without_our_key(buy: Buy, artist: User) -> None:
    buy(artist, "plan_starter_month")
    row = StripeCustomer.objects.get(user=artist)
    assert row.error == ""
    assert Customer.objects.get(id=row.customer).subscriber == artist
    assert Subscription.objects.get().stripe_data["status"] == "active"
    assert Subscription.objects.get().items.get().price.lookup_key == "plan_starter_month"
    assert Invoice.objects.get().stripe_data["status"] == "paid"
    assert Session.objects.get().stripe_data["status"] == "complete"
    assert not APIKey.objects.exists()


def test_a_second_settling_writes_nothing_and_asks_for_little(buy: Buy, shop: StripeDouble, artist: User) -> None:
    buy(artist, "plan_starter_month")
    before = (CreditGrant.objects.count(), Notification.objects.count(), Subscription.objects.get().djstripe_updated)
    shop.transport.calls.clear()
    settle(customer_of(artist))
    after = (CreditGrant.objects.count(), Notification.objects.count(), Subscription.objects.get().djstripe_updated)
    assert after == before
    assert len(shop.transport.calls) == 5


def test_a_month_later_credits_come_again_and_a_month_of_them_rolls_over(
    buy: Buy, shop: StripeDouble, artist: User
) -> None:
    buy(artist, "plan_starter_month")
    for _month in range(3):
        shop.clock.advance(days=31, hours=2)
        shop.deliver()
        sweep()
    assert CreditGrant.objects.filter(account__user=artist).count() == 4
    assert available(artist) == 600  # this month's, and of those before as many as the catalogue lets stay
    assert audit_all(mend=False) == []


def test_a_discount_lowers_what_is_paid_and_not_what_is_had(buy: Buy, shop: StripeDouble, artist: User) -> None:
    client = checkout.stripe_client().v1
    coupon = client.coupons.create({"percent_off": 50, "duration": "once"})
    client.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "HALF"})
    visit = buy(artist, "plan_starter_month", code="HALF")
    assert visit.state == Purchase.State.PAID
    assert available(artist) == 300
    assert StripeCustomer.objects.get().error == ""


def test_tax_is_counted_where_it_is_turned_on(shop: StripeDouble, buy: Buy, artist: User, settings: Settings) -> None:
    settings.STRIPE_TAX = True
    shop.settings.tax_percent = 20.0
    buy(artist, "pack_100")
    assert Session.objects.get().stripe_data["amount_total"] == 1079
    assert available(artist) == 100


def test_a_declined_card_leaves_the_visit_open_and_brings_nothing(shop: StripeDouble, artist: User) -> None:
    visit = checkout.begin(user=artist, lookup_key="pack_50")
    with pytest.raises(Declined):
        shop.pay(visit.session_url, card="4000000000000002")
    shop.deliver()
    sweep()
    visit.refresh_from_db()
    assert (visit.state, available(artist)) == (Purchase.State.OPEN, 0)


def test_a_bank_that_takes_days_brings_the_credits_when_the_money_came(shop: StripeDouble, artist: User) -> None:
    visit = checkout.begin(user=artist, lookup_key="pack_50")
    shop.pay(visit.session_url, card="DE89370400440532013000")
    shop.deliver()
    sweep()
    visit.refresh_from_db()
    assert (visit.state, available(artist)) == (Purchase.State.OPEN, 0)
    shop.clock.advance(days=4)
    shop.deliver()
    sweep()
    visit.refresh_from_db()
    assert (visit.state, available(artist)) == (Purchase.State.PAID, 50)


def test_a_bank_that_says_no_after_days_ends_the_visit_without_credits(shop: StripeDouble, artist: User) -> None:
    visit = checkout.begin(user=artist, lookup_key="pack_50")
    shop.pay(visit.session_url, card="DE62370400440532013001")
    shop.clock.advance(days=4)
    shop.deliver()
    sweep()
    visit.refresh_from_db()
    assert (visit.state, available(artist)) == (Purchase.State.EXPIRED, 0)


def test_a_plan_whose_bank_says_no_after_days_ends_the_visit_and_can_be_bought_again(
    shop: StripeDouble, artist: User
) -> None:
    visit = checkout.begin(user=artist, lookup_key="plan_starter_month")
    shop.pay(visit.session_url)
    with shop.double.changing() as world:  # the double takes bank debits for packs alone
        next(iter(world.store.all("checkout.session"))).update(payment_status="unpaid")
        next(iter(world.store.all("invoice"))).update(status="void")
        next(iter(world.store.all("subscription"))).update(status="incomplete_expired")
    settle(customer_of(artist))
    visit.refresh_from_db()
    assert (visit.state, available(artist)) == (Purchase.State.EXPIRED, 0)
    assert checkout.begin(user=artist, lookup_key="plan_pro_month").session_url


def test_a_visit_that_nobody_pays_expires(shop: StripeDouble, artist: User) -> None:
    visit = checkout.begin(user=artist, lookup_key="pack_50")
    shop.clock.advance(hours=2)
    shop.deliver()
    sweep()
    visit.refresh_from_db()
    assert visit.state == Purchase.State.EXPIRED


# --- beginning ------------------------------------------------------------------------------------------------


def test_a_double_click_opens_one_visit(shop: StripeDouble, artist: User) -> None:
    first = checkout.begin(user=artist, lookup_key="pack_50")
    assert checkout.begin(user=artist, lookup_key="pack_50") == first
    assert Purchase.objects.count() == 1


def test_after_a_pack_is_paid_the_same_button_opens_a_new_visit(buy: Buy, artist: User) -> None:
    first, second = buy(artist, "pack_50"), buy(artist, "pack_50")
    assert first != second
    assert available(artist) == 100


def test_two_open_pages_cannot_become_two_subscriptions(shop: StripeDouble, artist: User) -> None:
    first = checkout.begin(user=artist, lookup_key="plan_starter_month")
    second = checkout.begin(user=artist, lookup_key="plan_pro_month")
    with pytest.raises(Declined):
        shop.pay(first.session_url)
    shop.pay(second.session_url)
    shop.deliver()
    sweep()
    assert Entitlement.objects.get(user=artist).plan == "pro"
    first.refresh_from_db()
    assert first.state == Purchase.State.EXPIRED


def test_a_plan_that_was_paid_a_moment_ago_stops_the_next_even_before_its_news(
    shop: StripeDouble, artist: User
) -> None:
    first = checkout.begin(user=artist, lookup_key="plan_starter_month")
    shop.pay(first.session_url)
    with pytest.raises(AlreadySubscribed):
        checkout.begin(user=artist, lookup_key="plan_pro_month")


def test_who_is_subscribed_still_buys_packs(buy: Buy, artist: User) -> None:
    buy(artist, "plan_starter_month")
    buy(artist, "pack_50")
    assert available(artist) == 350


def test_prices_that_stripe_does_not_have_yet_are_told_with_the_command(
    stripe_double: StripeDouble, artist: User
) -> None:
    with pytest.raises(Refusal, match="stripe_sync --apply"):
        checkout.begin(user=artist, lookup_key="pack_50")
    assert not Purchase.objects.exists()


def test_without_a_key_nothing_can_be_bought(settings: Settings, artist: User) -> None:
    settings.BILLING = True
    settings.STRIPE_SECRET_KEY = ""
    with pytest.raises(PaymentsOff):
        checkout.begin(user=artist, lookup_key="pack_50")


def test_an_unknown_offer_is_refused_before_stripe_is_asked(shop: StripeDouble, artist: User) -> None:
    shop.transport.calls.clear()
    with pytest.raises(Refusal, match="not on offer"):
        checkout.begin(user=artist, lookup_key="pack_1000000")
    assert shop.transport.calls == []


def test_an_outage_of_stripe_is_a_sentence_and_leaves_no_visit(shop: StripeDouble, artist: User) -> None:
    with shop.outage(), pytest.raises(PaymentsSilent):
        checkout.begin(user=artist, lookup_key="pack_50")
    assert not Purchase.objects.exists()
    assert checkout.begin(user=artist, lookup_key="pack_50").session_url


def test_many_visits_at_once_are_too_many(shop: StripeDouble, artist: User) -> None:
    for _visit in range(checkout.TIMES):
        checkout.begin(user=artist, lookup_key="pack_50")
    with pytest.raises(TooMany):
        checkout.begin(user=artist, lookup_key="pack_50")


def test_a_person_is_one_customer_even_if_our_row_was_lost(shop: StripeDouble, artist: User) -> None:
    checkout.begin(user=artist, lookup_key="pack_50")
    before = customer_of(artist)
    StripeCustomer.objects.all().delete()
    checkout.begin(user=artist, lookup_key="pack_100")
    assert customer_of(artist) == before


def test_a_customer_deleted_at_stripe_is_followed_by_another(buy: Buy, shop: StripeDouble, artist: User) -> None:
    buy(artist, "pack_50")
    before = customer_of(artist)
    checkout.stripe_client().v1.customers.delete(before)
    buy(artist, "pack_50")
    assert customer_of(artist) != before
    assert available(artist) == 100


def test_the_credits_are_those_that_were_offered_whatever_the_catalogue_says_later(
    shop: StripeDouble, artist: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit = checkout.begin(user=artist, lookup_key="pack_50")
    from billing import plans

    monkeypatch.delitem(plans.OFFERS, "pack_50")
    shop.pay(visit.session_url)
    shop.deliver()
    sweep()
    assert available(artist) == 50


def test_what_somebody_else_pays_is_not_mine(buy: Buy, artist: User) -> None:
    buy(make_user(), "pack_250")
    assert available(artist) == 0
