"""An account that closes or is shut out: its subscription ends, and of a closed one's payments only what the law wants
is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import TestCase
from django.utils import timezone
from djstripe import models as mirrored

from accounts import actions, closing
from accounts.models import Closing, Notification, User
from billing.models import CreditGrant, Entitlement, Purchase, StripeCustomer, StripeEvent
from billing.payments import checkout
from billing.payments.tasks import reconcile, sweep
from billing.tasks import forget_news
from config.kit.errors import Conflict
from tests.builders import make_user
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


def ban(user: User) -> None:
    with TestCase.captureOnCommitCallbacks(execute=True):
        actions.ban(user=user, actor=make_user(is_staff=True), reason="Sold others' styles")


def test_who_is_banned_pays_no_more_and_cannot_pay_what_was_open(buy: Buy, shop: StripeDouble, artist: User) -> None:
    buy(artist, "plan_starter_month")
    visit = checkout.begin(user=artist, lookup_key="pack_50")
    ban(artist)
    sweep()
    assert Entitlement.objects.get(user=artist).status == "canceled"
    visit.refresh_from_db()
    assert visit.state == Purchase.State.EXPIRED
    shop.clock.advance(days=62)
    shop.deliver()
    sweep()
    assert CreditGrant.objects.count() == 1
    assert not checkout.stripe_client().v1.refunds.list().data, "what was paid is not paid back by itself"


def test_a_ban_while_stripe_is_away_ends_the_subscription_afterwards(
    buy: Buy, shop: StripeDouble, artist: User
) -> None:
    buy(artist, "plan_starter_month")
    with shop.outage():
        ban(artist)
        sweep()
    assert Entitlement.objects.get(user=artist).status == "active"
    StripeCustomer.objects.update(asked_at=timezone.now())  # the minute until the next try
    sweep()
    assert Entitlement.objects.get(user=artist).status == "canceled"


def test_a_bell_that_was_lost_is_made_good_at_night(buy: Buy, shop: StripeDouble, artist: User) -> None:
    buy(artist, "plan_starter_month")
    actions.ban(user=artist, actor=make_user(is_staff=True), reason="Sold others' styles")  # killed after the commit
    assert sweep() == 0
    reconcile()
    sweep()
    assert Entitlement.objects.get(user=artist).status == "canceled"
