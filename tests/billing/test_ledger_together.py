"""Many at one purse at once, on PostgreSQL with our migrations: no overdraft, no drift, each effect once."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

import pytest
from django.db import connection
from django.db.models import Sum
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import User
from billing import ledger
from billing.audit import audit_all
from billing.ledger import InsufficientCredits, KeyReused
from billing.models import CreditAccount, CreditEntry, CreditHold, CreditTransaction
from tests.builders import make_user

pytestmark = pytest.mark.django_db(transaction=True)
THREADS = 32
Item = TypeVar("Item")
Result = TypeVar("Result")


@pytest.fixture(autouse=True)
def _with_plans(settings: Settings) -> None:
    settings.BILLING = True


def together(act: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Each item in one of the threads, each thread on a connection of its own."""

    def run(item: Item) -> Result:
        try:
            return act(item)
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, items))


def test_no_more_is_held_than_there_is() -> None:
    artist = make_user()
    ledger.grant(user=artist, amount=100, source_ref="start", say="")

    def try_to_hold(number: int) -> bool:
        try:
            ledger.hold(user=artist, amount=7, key=f"job:{number}", say="")
        except InsufficientCredits:
            return False
        return True

    assert sum(together(try_to_hold, range(THREADS))) == 14
    account = CreditAccount.objects.get()
    assert (account.available, account.held) == (2, 98)
    assert audit_all(mend=False) == []


def test_the_same_grant_from_everywhere_arrives_once() -> None:
    artist = make_user()

    def give(_: int) -> int:
        return ledger.grant(user=artist, amount=50, source_ref="invoice:1", say="").pk

    assert len(set(together(give, range(THREADS)))) == 1
    assert CreditAccount.objects.get().available == 50


def test_of_capture_and_release_at_once_exactly_one_wins() -> None:
    artist = make_user()
    ledger.grant(user=artist, amount=50, source_ref="start", say="")
    held = ledger.hold(user=artist, amount=40, key="job:1", say="")

    def resolve(number: int) -> bool:
        try:
            if number % 2:
                ledger.capture(hold=held, amount=40, say="")
            else:
                ledger.release(hold=held, say="")
        except KeyReused:
            return False
        return True

    together(resolve, range(THREADS))
    held.refresh_from_db()
    assert {held.captured, held.released} == {0, 40}
    assert CreditAccount.objects.get().available == 50 - held.captured
    assert CreditTransaction.objects.exclude(kind__in=["grant", "hold"]).count() == 1


def _mixed_operations(count: int) -> None:
    """Everything that can happen to one purse, in a random order, from all threads at once."""
    artist, chance = make_user(), random.Random(20261120)
    ledger.grant(user=artist, amount=500, source_ref="start", say="")
    plan = [(number, chance.random(), chance.randint(1, 20)) for number in range(count)]
    together(lambda step: _operate(artist, *step), plan)
    # what was left open is resolved, so that the sums close
    together(lambda hold: ledger.release(hold=hold, say=""), CreditHold.objects.filter(resolved_at=None))
    _check(artist)


def _operate(artist: User, number: int, chance: float, amount: int) -> None:
    # every other gift lasts; the rest runs out while the others work
    soon = timezone.now() + timedelta(milliseconds=amount * 200) if number % 2 else None
    try:
        if chance < 0.15:
            ledger.grant(user=artist, amount=amount * 3, source_ref=f"gift:{number}", say="", expires_at=soon)
        elif chance < 0.2:
            ledger.adjust(user=artist, amount=amount - 10 or 1, key=f"adjust:{number}", say="", actor=None)
        elif chance < 0.25:
            ledger.expire(now=timezone.now())
        else:
            held = ledger.hold(user=artist, amount=amount, key=f"job:{number}", say="")
            if chance < 0.6:
                ledger.capture(hold=held, amount=amount // 2, say="")
            elif chance < 0.8:
                ledger.release(hold=held, say="")
            if 0.5 < chance < 0.6 and amount >= 2:
                ledger.refund(hold=held, amount=amount // 2, key=f"refund:{number}", say="")
    except InsufficientCredits:
        pass


def _check(artist: User) -> None:
    account = CreditAccount.objects.get(user=artist)
    assert account.held == 0
    assert account.available >= 0
    assert account.debt == 0 or account.available == 0
    assert CreditEntry.objects.aggregate(sum=Sum("amount"))["sum"] == 0
    assert not CreditTransaction.objects.annotate(sum=Sum("entries__amount")).exclude(sum=0).exclude(sum=None).exists()
    newest = CreditTransaction.objects.latest("pk")
    assert newest.balance == account.balance
    assert audit_all(mend=False) == []


def test_mixed_operations_from_32_threads_leave_no_drift() -> None:
    _mixed_operations(400)


@pytest.mark.long
def test_ten_thousand_mixed_operations_from_32_threads_leave_no_drift() -> None:
    _mixed_operations(10_000)
