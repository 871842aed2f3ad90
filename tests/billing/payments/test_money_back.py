"""Refunds and disputes: the credits go with the money, and come back with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import Notification, User
from billing import ledger
from billing.audit import audit_all
from billing.models import CreditTransaction, Purchase
from billing.payments import checkout
from billing.payments.settling import settle
from billing.payments.tasks import sweep
from tests.billing.payments.shop import customer_of
from tests.builders import make_user
from tests.fakes.stripe import StripeDouble

pytestmark = pytest.mark.django_db

Buy = Callable[..., Purchase]


def purse(user: User) -> tuple[int, int]:
    account = ledger.account_of(user)
    return account.available, account.debt


def charge_of(shop: StripeDouble) -> str:
    return str(next(iter(shop.double.world.store.all("charge", status="succeeded")))["id"])


def refund(charge: str, amount: int | None = None) -> None:
    params: Any = {"charge": charge} | ({"amount": amount} if amount else {})
    checkout.stripe_client().v1.refunds.create(params)


def news(shop: StripeDouble) -> None:
    shop.deliver()
    sweep()


@pytest.mark.parametrize("offer", ["pack_100", "plan_starter_month"])
def test_all_money_back_takes_all_credits(buy: Buy, shop: StripeDouble, artist: User, offer: str) -> None:
    buy(artist, offer)
    refund(charge_of(shop))
    news(shop)
    assert purse(artist) == (0, 0)
    settle(customer_of(artist))
    assert purse(artist) == (0, 0)
    assert audit_all(mend=False) == []


def test_a_part_of_the_money_takes_that_part_rounded_up(buy: Buy, shop: StripeDouble, artist: User) -> None:
    buy(artist, "pack_100")  # $8.99
    refund(charge_of(shop), 300)
    news(shop)
    assert purse(artist) == (66, 0)  # 33.37 of 100
    refund(charge_of(shop), 300)
    refund(charge_of(shop), 299)
    news(shop)
    assert purse(artist) == (0, 0)


def test_what_was_spent_before_the_refund_is_owed(buy: Buy, shop: StripeDouble, artist: User) -> None:
    buy(artist, "pack_100")
    ledger.capture(hold=ledger.hold(user=artist, amount=70, key="job:1", say="Work"), amount=70, say="Work")
    refund(charge_of(shop))
    news(shop)
    assert purse(artist) == (0, 70)
    told = Notification.objects.get(title__startswith="Refunded")
    assert (told.user, told.body) == (artist, "100 credits are taken back with it.")
    buy(artist, "pack_250")
    assert purse(artist) == (180, 0)
    assert audit_all(mend=False) == []


def test_a_disputed_payment_withholds_its_credits(buy: Buy, shop: StripeDouble, artist: User) -> None:
    staff = make_user(is_staff=True)
    buy(artist, "pack_100")
    shop.dispute(charge_of(shop))
    news(shop)
    assert purse(artist) == (0, 0)
    assert Notification.objects.get(user=staff).title == "A payment of $8.99 is disputed."


def test_a_dispute_that_is_won_gives_them_back(buy: Buy, shop: StripeDouble, artist: User) -> None:
    buy(artist, "pack_100")
    ledger.capture(hold=ledger.hold(user=artist, amount=70, key="job:1", say="Work"), amount=70, say="Work")
    dispute = shop.dispute(charge_of(shop))["id"]
    news(shop)
    assert purse(artist) == (0, 70)
    shop.decide(dispute, won=True)
    news(shop)
    assert purse(artist) == (30, 0)
    settle(customer_of(artist))
    assert purse(artist) == (30, 0)
    assert audit_all(mend=False) == []


def test_a_dispute_that_is_lost_keeps_them(buy: Buy, shop: StripeDouble, artist: User) -> None:
    buy(artist, "pack_100")
    dispute = shop.dispute(charge_of(shop))["id"]
    news(shop)
    shop.decide(dispute, won=False)
    news(shop)
    assert purse(artist) == (0, 0)
    assert CreditTransaction.objects.filter(key=f"dispute:{dispute}").count() == 1


def test_a_dispute_that_was_over_before_we_looked_changes_nothing(buy: Buy, shop: StripeDouble, artist: User) -> None:
    buy(artist, "pack_100")
    shop.decide(shop.dispute(charge_of(shop))["id"], won=True)
    news(shop)
    assert purse(artist) == (100, 0)


def test_a_refund_that_did_not_go_through_is_undone(buy: Buy, shop: StripeDouble, artist: User) -> None:
    buy(artist, "pack_100")
    refund(charge_of(shop))
    news(shop)
    with shop.double.changing() as world:
        next(iter(world.store.all("refund")))["status"] = "failed"
    settle(customer_of(artist))
    assert purse(artist) == (100, 0)
    settle(customer_of(artist))
    assert purse(artist) == (100, 0)


def test_a_dispute_about_nothing_is_no_trouble(buy: Buy, shop: StripeDouble, artist: User) -> None:
    """Of a payment that had gone back whole before; nothing that comes after it may be held up."""
    buy(artist, "pack_100")
    refund(charge_of(shop))
    shop.dispute(charge_of(shop))
    settle(customer_of(artist))
    assert purse(artist) == (0, 0)
    buy(artist, "pack_50")
    assert purse(artist) == (50, 0)


@pytest.mark.parametrize("spent", [0, 100])
def test_a_refund_that_fails_during_a_dispute_leaves_the_credits_withheld(
    buy: Buy, shop: StripeDouble, artist: User, spent: int
) -> None:
    """The dispute found nothing left to take when it was opened; what the refund gives back is the dispute's."""
    buy(artist, "pack_100")
    if spent:
        held = ledger.hold(user=artist, amount=spent, key="work", say="Work")
        ledger.capture(hold=held, amount=spent, say="Work")
    refund(charge_of(shop))
    news(shop)
    dispute = shop.dispute(charge_of(shop), amount=899)["id"]
    news(shop)
    with shop.double.changing() as world:
        next(iter(world.store.all("refund")))["status"] = "failed"
    for _ in range(2):
        settle(customer_of(artist))
        assert purse(artist) == (0, spent)
    shop.decide(dispute, won=True)
    for _ in range(2):
        settle(customer_of(artist))
        assert purse(artist) == (100 - spent, 0)


def test_a_refund_that_came_before_the_first_look_ends_the_same(shop: StripeDouble, artist: User) -> None:
    shop.pay(checkout.begin(user=artist, lookup_key="pack_100").session_url)
    refund(charge_of(shop))
    news(shop)
    assert purse(artist) == (0, 0)


def test_credits_are_counted_by_what_was_granted_though_the_catalogue_changed(
    buy: Buy, shop: StripeDouble, artist: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    buy(artist, "plan_starter_month")
    from billing import plans

    richer = plans.PLANS["starter"].model_copy(update={"credits": 900})
    monkeypatch.setitem(plans.OFFERS, "plan_starter_month", richer)
    refund(charge_of(shop))
    news(shop)
    assert purse(artist) == (0, 0)


def test_the_news_of_a_dispute_names_no_customer_and_finds_them_anyway(
    buy: Buy, shop: StripeDouble, artist: User
) -> None:
    buy(artist, "pack_100")
    shop.dispute(charge_of(shop))
    shop.deliver(order=["charge.dispute.created"])
    sweep()
    assert purse(artist) == (0, 0)
