"""Once a day everybody is settled, whoever we lost included; the sweep shares the work out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import stripe
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import Notification, User
from billing import ledger
from billing.models import Entitlement, Purchase, StripeCustomer, StripeEvent
from billing.payments import checkout, tasks
from billing.payments.tasks import reconcile, sweep
from tests.builders import make_user
from tests.fakes.stripe import StripeDouble

pytestmark = pytest.mark.django_db

Buy = Callable[..., Purchase]


def test_a_person_whose_row_was_lost_gets_what_they_paid_for(shop: StripeDouble, artist: User) -> None:
    shop.pay(checkout.begin(user=artist, lookup_key="plan_starter_month").session_url)
    StripeCustomer.objects.all().delete()
    shop.deliver(lose=["*"])
    reconcile()
    sweep()
    assert Entitlement.objects.get(user=artist).plan == "starter"
    assert ledger.account_of(artist).available == 300


def test_a_pack_whose_row_was_lost_is_found_by_its_session(shop: StripeDouble, artist: User) -> None:
    shop.pay(checkout.begin(user=artist, lookup_key="pack_250").session_url)
    StripeCustomer.objects.all().delete()
    Purchase.objects.all().delete()
    shop.deliver(lose=["*"])
    reconcile()
    sweep()
    assert ledger.account_of(artist).available == 250


def test_stripe_being_away_for_a_moment_of_the_night_keeps_nobody_from_being_settled(
    buy: Buy, shop: StripeDouble, artist: User
) -> None:
    buy(artist, "pack_50")
    shop.pay(checkout.begin(user=artist, lookup_key="pack_100").session_url)
    shop.deliver(lose=["*"])
    with shop.outage(), pytest.raises(stripe.StripeError):
        reconcile()
    sweep()
    assert ledger.account_of(artist).available == 150


def test_customers_of_another_business_at_the_same_account_are_left_alone(shop: StripeDouble) -> None:
    client = checkout.stripe_client().v1
    customer = client.customers.create({"email": "reader@example.com"})
    product = client.products.create({"name": "A book"})
    price = client.prices.create({"product": product.id, "currency": "usd", "unit_amount": 1500})
    session = client.checkout.sessions.create(
        {
            "mode": "payment",
            "customer": customer.id,
            "line_items": [{"price": price.id, "quantity": 1}],
            "success_url": "https://example.com/",
        }
    )
    shop.pay(session)
    shop.deliver()
    assert reconcile() == 0
    assert sweep() == 0
    assert not StripeCustomer.objects.exists()
    assert not StripeEvent.objects.filter(settled_at=None).exists()


def test_rows_of_the_other_mode_are_not_asked_for(buy: Buy, artist: User) -> None:
    buy(artist, "plan_starter_month")
    StripeCustomer.objects.update(livemode=True)
    assert reconcile() == 0
    assert sweep() == 0
    assert Entitlement.objects.get(user=artist).plan == "starter"


def test_of_who_has_left_nothing_is_fetched_or_told_any_more(buy: Buy, shop: StripeDouble, artist: User) -> None:
    buy(artist, "plan_starter_month")
    Entitlement.objects.all().delete()
    Notification.objects.all().delete()
    User.objects.update(state=User.State.CLOSED, is_active=False)
    shop.clock.advance(days=32)
    shop.deliver()
    shop.transport.calls.clear()
    assert sweep() == 1
    assert shop.transport.calls == []
    assert not StripeEvent.objects.filter(settled_at=None).exists()
    assert not Entitlement.objects.exists()
    assert not Notification.objects.exists()


def test_many_are_settled_in_turns(shop: StripeDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    rings: list[bool] = []
    monkeypatch.setattr(tasks, "AT_ONCE", 2)
    monkeypatch.setattr(tasks, "ring", lambda: rings.append(True))
    for _person in range(3):
        shop.pay(checkout.begin(user=make_user(), lookup_key="pack_50").session_url)
    shop.deliver()
    assert (sweep(), sweep(), sweep()) == (2, 1, 0)
    assert rings == [True]


def test_old_messages_are_forgotten_in_the_end(buy: Buy, artist: User) -> None:
    buy(artist, "pack_50")
    oldest = StripeEvent.objects.order_by("pk")[0]
    StripeEvent.objects.filter(pk=oldest.pk).update(settled_at=timezone.now() - tasks.KEPT - timedelta(days=1))
    before = StripeEvent.objects.count()
    reconcile()
    assert StripeEvent.objects.count() == before - 1


def test_without_a_key_there_is_nothing_to_do(settings: Settings) -> None:
    settings.STRIPE_SECRET_KEY = ""
    assert (sweep(), reconcile()) == (0, 0)
