"""A settling that is killed between any two of its statements leaves nothing behind, and the next one does it all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import Notification, User
from billing import ledger
from billing.audit import audit_all
from billing.models import CreditTransaction, Entitlement, Purchase, StripeCustomer
from billing.payments import checkout
from billing.payments.settling import settle, settle_or_note
from billing.payments.tasks import sweep
from tests.billing.payments.shop import customer_of
from tests.fakes.stripe import StripeDouble

MANY = 400  # statements: more than a settling has


class Killed(BaseException):
    """Nothing in the house catches it."""


def kill_before(number: int) -> Callable[..., Any]:
    """Lets that many statements pass, then the process is gone."""
    left = number

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1
        return execute(sql, params, many, context)

    return wrapper


def effects(user: User) -> tuple[Any, ...]:
    account = ledger.account_of(user)
    return (
        account.available,
        CreditTransaction.objects.count(),
        Notification.objects.count(),
        list(Entitlement.objects.values_list("plan", "status")),
        list(Purchase.objects.values_list("state", flat=True)),
    )


@pytest.mark.django_db(transaction=True)
def test_killed_before_each_of_its_statements_it_ends_once(shop: StripeDouble, artist: User) -> None:
    shop.pay(checkout.begin(user=artist, lookup_key="plan_starter_month").session_url)
    customer = customer_of(artist)
    before = effects(artist)
    for number in range(MANY):
        try:
            with connection.execute_wrapper(kill_before(number)):
                settle(customer)
        except Killed:
            connection.close()  # as the process's end does
            assert effects(artist) == before
            continue
        break
    else:
        pytest.fail(f"a settling has more than {MANY} statements")
    assert number > 30
    assert effects(artist) == (300, 1, 2, [("starter", "active")], ["paid"])
    settle(customer)
    assert effects(artist) == (300, 1, 2, [("starter", "active")], ["paid"])
    assert audit_all(mend=False) == []


@pytest.mark.django_db
def test_stripe_silent_in_the_middle_leaves_everything_as_it_was_and_is_tried_again(
    shop: StripeDouble, artist: User
) -> None:
    shop.pay(checkout.begin(user=artist, lookup_key="pack_50").session_url)
    shop.deliver()
    before = effects(artist)
    with shop.outage():
        assert sweep() == 1
    assert effects(artist) == before
    row = StripeCustomer.objects.get()
    assert "APIError" in row.error
    assert row.settled_at is None
    assert sweep() == 0  # not at once
    StripeCustomer.objects.update(asked_at=row.asked_at and row.asked_at.replace(year=2020))
    assert sweep() == 1
    assert ledger.account_of(artist).available == 50
    assert StripeCustomer.objects.get().error == ""


@pytest.mark.django_db
def test_a_mirror_that_breaks_does_not_hold_up_the_money(
    shop: StripeDouble, artist: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> None:
        Purchase.objects.create(user=artist, lookup_key="x")
        raise AttributeError("an object in a shape that the library does not know")

    monkeypatch.setattr("billing.payments.mirror.mirror", broken)
    shop.pay(checkout.begin(user=artist, lookup_key="pack_50").session_url)
    settle(customer_of(artist))
    assert ledger.account_of(artist).available == 50
    assert Purchase.objects.count() == 1
    assert StripeCustomer.objects.get().error.startswith("mirror: AttributeError")


@pytest.mark.django_db
def test_a_customer_that_stripe_does_not_know_loses_nothing(shop: StripeDouble, artist: User) -> None:
    shop.pay(checkout.begin(user=artist, lookup_key="plan_starter_month").session_url)
    settle(customer_of(artist))
    StripeCustomer.objects.update(customer="cus_of_another_account")
    assert settle("cus_of_another_account") is False
    assert Entitlement.objects.get().plan == "starter"
    assert "another account" in StripeCustomer.objects.get().error


@pytest.mark.django_db(transaction=True)
def test_whoever_may_not_wait_goes_on_while_somebody_else_settles(shop: StripeDouble, artist: User) -> None:
    from threading import Thread

    shop.pay(checkout.begin(user=artist, lookup_key="pack_50").session_url)
    customer = customer_of(artist)
    answers: list[bool] = []

    def ask() -> None:
        answers.append(settle(customer, wait=False))
        connection.close()

    with transaction.atomic():
        StripeCustomer.objects.select_for_update().get()
        thread = Thread(target=ask)
        thread.start()
        thread.join(timeout=20)
    assert answers == [False]
    assert settle_or_note(customer) is True
