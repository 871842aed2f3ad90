"""In whatever order news come, doubled, late, at once or never: one purchase ends in one state."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, combinations
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import Notification, User
from billing import ledger
from billing.audit import audit_all
from billing.models import (
    CreditGrant,
    CreditTransaction,
    Entitlement,
    Purchase,
    StripeEvent,
)
from billing.payments import checkout, subscriptions
from billing.payments.settling import settle
from billing.payments.tasks import reconcile, sweep
from billing.payments.webhook import keep
from tests.billing.payments.shop import customer_of
from tests.fakes.stripe import StripeDouble

KINDS = (
    "customer.subscription.created",
    "invoice.finalized",
    "invoice.paid",
    "invoice.payment_succeeded",
    "charge.succeeded",
    "checkout.session.completed",
)
Event = dict[str, Any]


def state(user: User) -> dict[str, Any]:
    """Everything that a person would notice."""
    account = ledger.account_of(user)
    plan = Entitlement.objects.filter(user=user)
    return {
        "purse": (account.available, account.held, account.debt),
        "grants": sorted(CreditGrant.objects.values_list("source_ref", "amount", "remaining")),
        "lines": sorted(CreditTransaction.objects.values_list("key", "amount")),
        "plan": list(plan.values_list("plan", "subscription", "status", "renews_at", "ends_at", "overdue_since")),
        "purchases": sorted(Purchase.objects.values_list("lookup_key", "state")),
        "receipts": sorted(Notification.objects.filter(kind="billing.receipt").values_list("key", flat=True)),
    }


def deliver(shop: StripeDouble, event: Event) -> None:
    """What the webhook does with it once it is verified (`test_webhook`), and the sweep that it rings for."""
    keep(event, shop.signed(event)[0].decode())
    sweep()


@pytest.fixture
def six(shop: StripeDouble, artist: User) -> list[Event]:
    """Six news of a plan that was bought, none of them delivered."""
    shop.pay(checkout.begin(user=artist, lookup_key="plan_starter_month").session_url)
    newest = {event["type"]: event for event in shop.events}
    return [newest[kind] for kind in KINDS]


@pytest.fixture
def wanted(shop: StripeDouble, six: list[Event], artist: User) -> dict[str, Any]:
    """How it ends when everything comes once and in order."""
    with transaction.atomic():
        for event in six:
            deliver(shop, event)
        found = state(artist)
        transaction.set_rollback(True)
    assert found["purse"] == (300, 0, 0)
    return found


@pytest.mark.django_db
@pytest.mark.parametrize(
    "looks", [{1, 3, 6}, pytest.param({1, 2, 3, 4, 5, 6}, marks=pytest.mark.long)], ids=["now and then", "at each"]
)
def test_all_720_orders_of_six_news_end_in_one_state(
    shop: StripeDouble, six: list[Event], artist: User, wanted: dict[str, Any], looks: set[int]
) -> None:
    """`looks`: after how many of the six the sweep comes by, which must not matter either."""
    bodies = {event["id"]: shop.signed(event)[0].decode() for event in six}
    ends = 0

    def go_on(rest: list[Event]) -> None:
        nonlocal ends
        if not rest:
            ends += 1
            assert not StripeEvent.objects.filter(settled_at=None).exists()
        for event in rest:
            with transaction.atomic():  # beginnings that orders have in common are gone through once
                keep(event, bodies[event["id"]])
                if 7 - len(rest) in looks:
                    sweep()
                    assert state(artist) == wanted
                go_on([other for other in rest if other is not event])
                transaction.set_rollback(True)

    go_on(six)
    assert ends == 720


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(20))
def test_doubled_and_mixed_up_they_end_in_one_state(
    shop: StripeDouble, six: list[Event], artist: User, wanted: dict[str, Any], seed: int
) -> None:
    chance = random.Random(seed)
    news = six * 3
    chance.shuffle(news)
    for event in news:
        deliver(shop, event)
    assert state(artist) == wanted
    assert set(StripeEvent.objects.values_list("times", flat=True)) == {3}
    assert audit_all(mend=False) == []


def subsets(of: Sequence[int]) -> list[tuple[int, ...]]:
    return list(chain.from_iterable(combinations(of, size) for size in range(len(of) + 1)))


def a_life(shop: StripeDouble, user: User) -> list[Callable[[], object]]:
    """Six things that happen to a subscription, one after the other, at Stripe alone."""
    client = checkout.stripe_client().v1

    def first(kind: str) -> str:
        return str(next(iter(shop.double.world.store.all(kind)))["id"])

    def pay_a_pack() -> None:
        shop.pay(checkout.begin(user=user, lookup_key="pack_100").session_url)

    def take_back_the_pack() -> None:
        pack = next(iter(shop.double.world.store.all("charge", amount=899)))
        client.refunds.create({"charge": pack["id"], "amount": 300})

    return [
        lambda: shop.pay(checkout.begin(user=user, lookup_key="plan_starter_month").session_url),
        pay_a_pack,
        lambda: shop.clock.advance(days=32),
        take_back_the_pack,
        lambda: client.subscriptions.update(first("subscription"), {"cancel_at_period_end": True}),
        lambda: shop.clock.advance(days=31),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("looks", subsets(range(5)), ids=lambda looks: "".join(map(str, looks)) or "none")
def test_it_ends_the_same_at_whichever_moments_of_a_life_we_looked(
    shop: StripeDouble, artist: User, looks: tuple[int, ...]
) -> None:
    for number, happens in enumerate(a_life(shop, artist)):
        happens()
        if number in looks:
            settle(customer_of(artist))
    settle(customer_of(artist))
    found = state(artist)
    assert found["purse"] == (300 + 300 + 100 - 34, 0, 0)
    assert [amount for _key, amount in found["lines"]] == [300, 300, 100, -34]
    assert [(plan, status) for plan, _name, status, *_moments in found["plan"]] == [("free", "canceled")]
    assert {state for _key, state in found["purchases"]} == {"paid"}
    assert len(found["receipts"]) == 4  # two months, the pack, and what went back of it
    assert audit_all(mend=False) == []


@pytest.mark.django_db
def test_a_day_without_any_news_is_healed_by_the_reconcile(shop: StripeDouble, artist: User) -> None:
    for happens in a_life(shop, artist)[:4]:
        happens()
    shop.deliver(lose=["*"])
    assert sweep() == 0
    assert ledger.account_of(artist).available == 0
    assert reconcile() == 1
    assert sweep() == 1
    assert ledger.account_of(artist).available == 666
    assert Entitlement.objects.get(user=artist).plan == "starter"


# --- at once --------------------------------------------------------------------------------------------------


def together(acts: Sequence[Callable[[], object]]) -> None:
    """Each in a thread and on a connection of its own."""

    def run(act: Callable[[], object]) -> None:
        try:
            act()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        list(pool.map(run, acts))


@pytest.mark.django_db(transaction=True)
def test_all_six_at_once_and_thrice_end_in_one_state(shop: StripeDouble, artist: User) -> None:
    shop.pay(checkout.begin(user=artist, lookup_key="plan_starter_month").session_url)
    newest = {event["type"]: event for event in shop.events}
    together([lambda event=newest[kind]: deliver(shop, event) for kind in KINDS for _time in range(3)])  # type: ignore[misc]
    sweep()
    found = state(artist)
    assert found["purse"] == (300, 0, 0)
    assert len(found["grants"]) == len(found["receipts"]) == 1
    assert found["purchases"] == [("plan_starter_month", "paid")]
    assert StripeEvent.objects.count() == len(KINDS)
    assert set(StripeEvent.objects.values_list("times", flat=True)) == {3}
    assert audit_all(mend=False) == []


@pytest.mark.django_db(transaction=True)
def test_eight_settlings_at_once_grant_once(shop: StripeDouble, artist: User) -> None:
    shop.pay(checkout.begin(user=artist, lookup_key="pack_250").session_url)
    customer = customer_of(artist)
    together([lambda: settle(customer)] * 8)
    assert ledger.account_of(artist).available == 250
    assert CreditTransaction.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_eight_clicks_at_once_open_one_visit_of_one_customer(shop: StripeDouble, artist: User) -> None:
    together([lambda: checkout.begin(user=artist, lookup_key="plan_pro_month")] * 8)
    assert Purchase.objects.count() == 1
    assert len(list(shop.double.world.store.all("customer"))) == 1
    assert len(list(shop.double.world.store.all("checkout.session"))) == 1


@pytest.mark.django_db(transaction=True)
def test_a_change_that_is_sent_four_times_at_once_is_paid_once(shop: StripeDouble, artist: User) -> None:
    shop.pay(checkout.begin(user=artist, lookup_key="plan_starter_month").session_url)
    together([lambda: subscriptions.change(user=artist, plan="pro")] * 4)
    invoices = list(shop.double.world.store.all("invoice"))
    assert [one["billing_reason"] for one in invoices] == ["subscription_create", "subscription_update"]
    assert ledger.account_of(artist).available == 1200
    assert Entitlement.objects.get(user=artist).plan == "pro"


@pytest.mark.django_db(transaction=True)
def test_a_cancel_and_its_news_at_once_agree(shop: StripeDouble, artist: User) -> None:
    shop.pay(checkout.begin(user=artist, lookup_key="plan_starter_month").session_url)
    customer = customer_of(artist)
    together([lambda: subscriptions.cancel(user=artist), lambda: settle(customer), lambda: settle(customer)])
    assert Entitlement.objects.get(user=artist).ends_at is not None
    assert ledger.account_of(artist).available == 300
