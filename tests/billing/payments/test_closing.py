"""An account that closes: its subscription ends first, and of its payments only what the law wants is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from djstripe import models as mirrored

from accounts import closing
from accounts.models import Closing, Notification, User
from billing.models import CreditGrant, Entitlement, Purchase, StripeCustomer, StripeEvent
from billing.payments import checkout
from billing.payments.tasks import reconcile, sweep
from billing.tasks import forget_news
from config.kit.errors import Conflict
from tests.fakes.stripe import StripeDouble

pytestmark = pytest.mark.django_db
Buy = Callable[..., Purchase]


def close(user: User) -> None:
    closing.ask(user=user, typed=user.email)
    Closing.objects.filter(user=user).update(due_at=timezone.now() - timedelta(minutes=1))
    assert closing.work() == 1


def test_at_the_ask_the_subscription_ends_and_nothing_can_be_bought(buy: Buy, shop: StripeDouble, artist: User) -> None:
    buy(artist, "plan_starter_month")
    closing.ask(user=artist, typed=artist.email)
    assert Entitlement.objects.get(user=artist).status == "canceled"
    with pytest.raises(Conflict, match="closes on"):
        checkout.begin(user=artist, lookup_key="pack_50")
    shop.clock.advance(days=62)
    shop.deliver()
    assert CreditGrant.objects.count() == 1


def test_stripe_being_away_holds_the_ask_back_from_nothing_else(buy: Buy, shop: StripeDouble, artist: User) -> None:
    buy(artist, "plan_starter_month")
    with shop.outage():
        row = closing.ask(user=artist, typed=artist.email)
        assert Closing.objects.get(pk=row.pk).error.startswith("credits: ")
    closing.work()
    assert Closing.objects.get(pk=row.pk).stopped_at is not None
    assert Entitlement.objects.get(user=artist).status == "canceled"


def test_payment_methods_addresses_and_raw_news_go_and_do_not_come_back(
    buy: Buy, shop: StripeDouble, artist: User
) -> None:
    buy(artist, "plan_starter_month")
    email = artist.email
    assert mirrored.Customer.objects.get().email == email
    close(artist)
    reconcile()
    shop.deliver()
    sweep()
    forget_news()
    customer = mirrored.Customer.objects.get()
    assert (customer.subscriber, customer.stripe_data) == (None, {})
    assert not mirrored.PaymentMethod.objects.exists()
    assert not [event for event in StripeEvent.objects.all() if email in event.body]
    assert set(StripeEvent.objects.exclude(customer="").values_list("body", flat=True)) == {""}
    assert mirrored.Invoice.objects.exists(), "the law wants it"
    assert StripeCustomer.objects.get().user.email.startswith("closed-")
    assert set(Entitlement.objects.values_list("plan", "given")) <= {("free", "")}
    assert not Notification.objects.filter(user=artist).exists()
