"""Many at one purse at once, on PostgreSQL with our migrations: no overdraft, no drift, each effect once."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import psycopg
import pytest
from django.db import connection
from django.db.models import Sum
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import User
from billing import ledger
from billing.audit import audit_all
from billing.ledger import InsufficientCredits, KeyReused, LedgerError
from billing.models import CreditAccount, CreditEntry, CreditGrant, CreditHold, CreditTransaction
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


@dataclass(frozen=True)
class Step:
    """One operation of the plan, fixed beforehand, so that two threads may try the very same."""

    number: int
    verb: str
    amount: int
    chance: float
    runs_out: datetime | None


SOURCES = 7  # whose money goes back and comes again
VERBS = {"grant": 14, "renew": 4, "revoke": 4, "reinstate": 3, "adjust": 5, "expire": 5, "time_out": 1, "work": 64}


@pytest.mark.parametrize("table", ["billing_creditentry", "billing_credittransaction"])
@pytest.mark.parametrize("verb", ["update {} set amount = 0", "delete from {}"])
def test_the_database_refuses_a_change_from_any_client(table: str, verb: str) -> None:
    """On a connection of its own, without Django, row by row: what is committed stays as it is."""
    ledger.grant(user=make_user(), amount=50, source_ref="start", say="")
    before = list(CreditEntry.objects.values())
    with psycopg.connect(**connection.get_connection_params()) as client:
        with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
            client.execute(verb.format(table))
        client.rollback()
    assert list(CreditEntry.objects.values()) == before


def _mixed_operations(count: int) -> None:
    """Everything that can happen to one purse, in a random order, from all threads at once, a part of it twice."""
    artist, chance, start = make_user(), random.Random(20261120), timezone.now()
    for number in range(SOURCES):
        ledger.grant(user=artist, amount=80, source_ref=f"start:{number}", say="")
    verbs = chance.choices(list(VERBS), weights=list(VERBS.values()), k=count)
    plan = []
    while len(plan) < count:
        number, amount = len(plan), chance.randint(1, 20)
        # every other gift lasts; the rest runs out while the others work
        runs_out = start + timedelta(milliseconds=number + amount * 200) if number % 2 else None
        step = Step(number, verbs[number], amount, chance.random(), runs_out)
        plan += [step, step] if chance.random() < 0.2 else [step]  # side by side: two threads take it at once
    together(lambda step: _operate(artist, step), plan)
    # what was left open is resolved, so that the sums close
    together(lambda hold: ledger.release(hold=hold, say=""), CreditHold.objects.filter(resolved_at=None))
    _check(artist)
    _each_came_once(plan)


def _operate(artist: User, step: Step) -> None:
    number, amount, month = step.number, step.amount, timezone.now() + timedelta(days=30)
    try:
        match step.verb:
            case "grant":
                ref, most = f"gift:{number}", amount * 3
                ledger.grant(user=artist, amount=most, source_ref=ref, say="", expires_at=step.runs_out)
            case "renew":
                fixed = month.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
                ref = f"invoice:{number}"
                ledger.renew(user=artist, amount=amount, source_ref=ref, say="", expires_at=fixed, rollover=30)
            case "revoke":
                source = f"start:{number % SOURCES}"
                ledger.revoke(source_ref=source, amount=None if number % 3 else amount, key=f"back:{number}", say="")
            case "reinstate":
                source = f"start:{number % SOURCES}"
                ledger.reinstate(source_ref=source, amount=1 + amount // 4, key=f"won:{number}", say="")
            case "adjust":
                ledger.adjust(user=artist, amount=amount - 10 or 1, key=f"adjust:{number}", say="", actor=None)
            case "expire":
                ledger.expire(now=timezone.now())
            case "time_out":
                ledger.time_out_holds(before=timezone.now() - timedelta(seconds=1))
            case "work":
                _work(artist, step)
    except (InsufficientCredits, LedgerError):
        # too little there; a hold that timed out meanwhile; a source that has nothing to reinstate
        pass


def _work(artist: User, step: Step) -> None:
    held = ledger.hold(user=artist, amount=step.amount, key=f"job:{step.number}", say="")
    if step.chance < 0.6:
        ledger.capture(hold=held, amount=step.amount // 2, say="")
    elif step.chance < 0.8:
        ledger.release(hold=held, say="")
    if 0.5 < step.chance < 0.6 and step.amount >= 2:
        ledger.refund(hold=held, amount=step.amount // 2, key=f"refund:{step.number}", say="")


def _each_came_once(plan: list[Step]) -> None:
    """Whatever was tried twice brought its credits once."""
    expected = {f"gift:{step.number}": step.amount * 3 for step in plan if step.verb == "grant"}
    expected |= {f"invoice:{step.number}": step.amount for step in plan if step.verb == "renew"}
    found = CreditGrant.objects.filter(source_ref__in=expected).values_list("source_ref", "amount")
    assert dict(found) == expected
    brought = CreditEntry.objects.filter(bucket="house", amount__lt=0, grant__source_ref__in=expected)
    assert brought.aggregate(sum=Sum("amount"))["sum"] == -sum(expected.values())
    for hold in CreditHold.objects.prefetch_related("transactions"):
        ends = [line.kind for line in hold.transactions.all() if line.kind in ("capture", "release")]
        assert len(ends) == 1
        assert hold.captured + hold.released == hold.amount


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
