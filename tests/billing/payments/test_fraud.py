"""What somebody tries who wants credits for nothing, and what must not happen to who wants none of that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from billing import ledger
from billing.audit import audit_all
from billing.models import CreditGrant, Entitlement, Purchase
from billing.payments import checkout, subscriptions
from billing.payments.settling import settle
from billing.payments.showing import bill_of
from config.kit.errors import Refusal
from tests.billing.payments.shop import customer_of
from tests.fakes.stripe import StripeDouble

pytestmark = pytest.mark.django_db

Buy = Callable[..., Purchase]
PAYS_ONCE = "4000000000000341"


def available(user: User) -> int:
    return ledger.account_of(user).available


def switch_at_stripe(user: User, lookup_key: str) -> None:
    """As the portal does it where the business lets people switch plans there: at once, the difference invoiced."""
    [subscription] = checkout.living(customer_of(user))
    item: Any = {"id": subscription["items"]["data"][0]["id"], "price": checkout.price_of(lookup_key)["id"]}
    rules: Any = {"items": [item], "proration_behavior": "always_invoice"}
    checkout.stripe_client().v1.subscriptions.update(subscription["id"], rules)
    settle(customer_of(user))


def test_up_and_down_and_up_again_brings_the_credits_of_the_money_that_stayed(
    buy: Buy, shop: StripeDouble, artist: User
) -> None:
    buy(artist, "plan_starter_month")
    for _turn in range(3):
        shop.clock.advance(seconds=60)
        switch_at_stripe(artist, "plan_pro_month")
        assert available(artist) in range(1195, 1201)  # once the difference to a month of Pro, however often
        shop.clock.advance(seconds=60)
        switch_at_stripe(artist, "plan_starter_month")
    assert audit_all(mend=False) == []


def test_a_lasting_discount_halves_the_money_of_a_larger_plan_and_not_its_credits(
    buy: Buy, shop: StripeDouble, artist: User
) -> None:
    client = checkout.stripe_client().v1
    coupon = client.coupons.create({"percent_off": 50, "duration": "forever"})
    client.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "HALF"})
    buy(artist, "plan_starter_month", code="HALF")
    subscriptions.change(user=artist, plan="pro")
    assert client.invoices.list().data[0].total in (999, 1000, 1001)
    assert available(artist) == 1200


def test_a_larger_plan_that_cannot_be_paid_leaves_the_smaller_one_that_was_to_come(
    buy: Buy, shop: StripeDouble, artist: User
) -> None:
    buy(artist, "plan_pro_month")
    subscriptions.change(user=artist, plan="starter")
    shop.use_card(customer_of(artist), PAYS_ONCE)
    with pytest.raises(Refusal, match="declined"):
        subscriptions.change(user=artist, plan="enterprise")
    settle(customer_of(artist))
    following = bill_of(artist).next_plan
    assert following is not None
    assert following.slug == "starter"


def test_a_way_back_that_no_database_can_keep_is_none(client: Client, shop: StripeDouble, artist: User) -> None:
    client.force_login(artist)
    for path in ("/studio/\0", "/studio/\r\nLocation: //elsewhere.example"):
        answer = client.post(reverse("billing:checkout"), {"offer": "pack_50", "next": path})
        assert answer.status_code == 302
        assert Purchase.objects.get().came_from == ""


def test_what_stripe_says_in_a_way_nobody_expected_does_not_break_the_page_that_waits(
    client: Client, shop: StripeDouble, artist: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing.payments.granting.money", lambda *_: 1 / 0)
    visit = checkout.begin(user=artist, lookup_key="pack_50")
    client.force_login(artist)
    shop.pay(visit.session_url)
    answer = client.get(reverse("billing:purchase", args=[visit.public_id]), {"since": "1"})
    assert (answer.status_code, Purchase.objects.get().state) == (200, Purchase.State.OPEN)


def test_a_month_that_is_paid_long_after_it_was_over_brings_credits_that_can_be_used(
    buy: Buy, shop: StripeDouble, artist: User
) -> None:
    buy(artist, "plan_starter_month", card=PAYS_ONCE)
    shop.clock.advance(days=120)
    [invoice] = [one for one in checkout.stripe_client().v1.invoices.list().data if one.status != "paid"]
    shop.use_card(customer_of(artist), "4242424242424242")  # pays what is open
    settle(customer_of(artist))
    late = CreditGrant.objects.get(source_ref=f"invoice:{invoice.id}")
    assert late.expires_at is not None
    assert late.expires_at > datetime.fromtimestamp(shop.clock.now(), UTC) + timedelta(days=27)


def test_the_credits_of_a_month_that_began_on_the_31st_last_to_the_end_of_the_following_one(
    buy: Buy, shop: StripeDouble, artist: User
) -> None:
    today = datetime.fromtimestamp(shop.clock.now(), UTC)
    begins = datetime(today.year + 1, 1, 31, 12, tzinfo=UTC)
    shop.clock.advance(seconds=(begins - today).total_seconds())
    buy(artist, "plan_starter_month")
    expire = [CreditGrant.objects.get().expires_at]
    ends = []
    for _month in range(5):
        shop.clock.advance(days=30.8)
        settle(customer_of(artist))
        expire.append(CreditGrant.objects.latest("pk").expires_at)
        ends.append(Entitlement.objects.get().renews_at)
    assert expire[:5] == ends


def test_an_old_month_that_is_paid_after_all_takes_nothing_of_the_newer_ones(
    buy: Buy, shop: StripeDouble, artist: User
) -> None:
    buy(artist, "plan_starter_month", card=PAYS_ONCE)
    shop.clock.advance(days=120)
    buy(artist, "plan_starter_month")
    shop.clock.advance(days=31.2)
    settle(customer_of(artist))
    before = available(artist)
    shop.use_card(customer_of(artist), "4242424242424242")  # pays what is open
    settle(customer_of(artist))
    assert available(artist) == before + 300
