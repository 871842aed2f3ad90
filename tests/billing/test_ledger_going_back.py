"""Months that are carried over, money that goes back and comes again, holds that nobody resolves."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import Notification, User
from billing import holds, ledger, notices
from billing.audit import audit_all
from billing.ledger import InsufficientCredits, KeyReused, LedgerError
from billing.models import CreditAccount, CreditGrant, CreditHold, CreditTransaction
from tests.builders import make_user

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture(autouse=True)
def _with_plans(settings: Settings) -> Iterator[None]:
    settings.BILLING = True
    yield
    assert audit_all(mend=False) == []


@pytest.fixture
def artist() -> User:
    return make_user()


def renew(user: User, month: int, amount: int = 300, rollover: int = 300) -> CreditGrant:
    return ledger.renew(
        user=user,
        amount=amount,
        source_ref=f"invoice:in_{month}",
        say=f"Starter, month {month}",
        expires_at=NOW + timedelta(days=30 * (month + 1)),
        rollover=rollover,
    )


def pack(user: User, amount: int, ref: str = "session:cs_1", expires_at: datetime | None = None) -> CreditGrant:
    return ledger.grant(user=user, amount=amount, source_ref=ref, say="Pack", expires_at=expires_at)


def spend(user: User, amount: int, key: str = "job:1") -> CreditHold:
    return ledger.capture(hold=ledger.hold(user=user, amount=amount, key=key, say="Work"), amount=amount, say="Work")


def purse(user: User) -> tuple[int, int, int]:
    account = CreditAccount.objects.get(user=user)
    return account.available, account.held, account.debt


def left() -> dict[str, int]:
    return dict(CreditGrant.objects.values_list("source_ref", "remaining"))


def lines(user: User) -> list[tuple[str, int]]:
    return list(CreditTransaction.objects.filter(account__user=user).order_by("pk").values_list("say", "amount"))


# --- months ---------------------------------------------------------------------------------------------------


def test_a_month_is_carried_over_up_to_the_cap_and_the_soonest_expire_first(artist: User) -> None:
    renew(artist, 1, amount=100)
    renew(artist, 2, amount=100, rollover=100)
    renew(artist, 3, amount=100, rollover=120)
    assert left() == {"invoice:in_1": 20, "invoice:in_2": 100, "invoice:in_3": 100}
    assert lines(artist)[-2:] == [("Not carried over: Starter, month 1", -80), ("Starter, month 3", 100)]


def test_what_is_not_carried_over_goes_grant_by_grant_each_with_a_line(artist: User) -> None:
    for month in (1, 2):
        renew(artist, month, amount=50, rollover=50)
    renew(artist, 3, amount=50, rollover=0)
    assert left() == {"invoice:in_1": 0, "invoice:in_2": 0, "invoice:in_3": 50}
    assert [amount for say, amount in lines(artist) if say.startswith("Not carried over")] == [-50, -50]


def test_packs_and_gifts_are_no_part_of_the_cap(artist: User) -> None:
    pack(artist, 500)
    renew(artist, 1)
    renew(artist, 2, rollover=100)
    assert left() == {"session:cs_1": 500, "invoice:in_1": 100, "invoice:in_2": 300}


def test_what_is_held_for_running_work_stays_with_it(artist: User) -> None:
    renew(artist, 1)
    held = ledger.hold(user=artist, amount=250, key="job:1", say="Work")
    renew(artist, 2, rollover=100)
    assert left()["invoice:in_1"] == 50
    ledger.capture(hold=held, amount=250, say="Work")
    assert purse(artist) == (350, 0, 0)


def test_the_same_invoice_renews_once_and_trims_once(artist: User) -> None:
    renew(artist, 1)
    first = renew(artist, 2, rollover=100)
    assert renew(artist, 2, rollover=100) == first
    assert purse(artist) == (400, 0, 0)
    with pytest.raises(KeyReused):
        renew(artist, 2, amount=299, rollover=100)


def test_a_month_pays_the_debt_first(artist: User) -> None:
    ledger.adjust(user=artist, amount=-40, key="back", say="", actor=None)
    assert renew(artist, 1).remaining == 260
    assert purse(artist) == (260, 0, 0)


# --- money goes back ------------------------------------------------------------------------------------------


def test_a_refund_of_unspent_credits_takes_them_from_their_grant(artist: User) -> None:
    pack(artist, 100)
    pack(artist, 50, "session:cs_2", expires_at=NOW + timedelta(days=1))
    assert ledger.revoke(source_ref="session:cs_1", amount=None, key="refund:re_1", say="Pack refunded") == 0
    assert left() == {"session:cs_1": 0, "session:cs_2": 50}
    assert purse(artist) == (50, 0, 0)
    assert lines(artist)[-1] == ("Pack refunded", -100)


def test_a_refund_of_spent_credits_takes_others_and_the_rest_is_owed_and_blocks_spending(artist: User) -> None:
    pack(artist, 100)
    spend(artist, 100)
    pack(artist, 30, "session:cs_2")
    assert ledger.revoke(source_ref="session:cs_1", amount=None, key="refund:re_1", say="") == 70
    assert purse(artist) == (0, 0, 70)
    with pytest.raises(InsufficientCredits, match="70 credits of a refunded purchase are still owed"):
        ledger.hold(user=artist, amount=1, key="job:2", say="Work")
    with pytest.raises(InsufficientCredits):
        ledger.hold(user=artist, amount=0, key="job:3", say="Work")  # nothing at all is begun
    pack(artist, 71, "session:cs_3")
    ledger.hold(user=artist, amount=1, key="job:2", say="Work")


def test_history_stays_as_it_was_when_credits_are_taken_back(artist: User) -> None:
    pack(artist, 100)
    spend(artist, 100)
    before = list(CreditTransaction.objects.order_by("pk").values())
    ledger.revoke(source_ref="session:cs_1", amount=None, key="refund:re_1", say="")
    assert list(CreditTransaction.objects.order_by("pk").values())[:-1] == before


def test_the_same_refund_again_answers_the_same_and_changes_nothing(artist: User) -> None:
    pack(artist, 100)
    spend(artist, 80)
    answers = {ledger.revoke(source_ref="session:cs_1", amount=90, key="refund:re_1", say="") for _ in range(3)}
    assert answers == {70}
    assert purse(artist) == (0, 0, 70)
    with pytest.raises(KeyReused):
        ledger.revoke(source_ref="session:cs_1", amount=91, key="refund:re_1", say="")


def test_never_more_is_taken_than_the_grant_brought(artist: User) -> None:
    pack(artist, 100)
    pack(artist, 500, "session:cs_2")
    ledger.revoke(source_ref="session:cs_1", amount=60, key="refund:re_1", say="")
    ledger.revoke(source_ref="session:cs_1", amount=60, key="refund:re_2", say="")
    ledger.revoke(source_ref="session:cs_1", amount=None, key="dispute:dp_1", say="")
    assert purse(artist) == (500, 0, 0)
    assert CreditGrant.objects.get(source_ref="session:cs_1").revoked == 100


def test_what_expired_unused_is_not_taken_a_second_time(artist: User) -> None:
    pack(artist, 100, expires_at=timezone.now() + timedelta(hours=1))
    spend(artist, 30)
    ledger.expire(now=timezone.now() + timedelta(hours=1))
    assert ledger.revoke(source_ref="session:cs_1", amount=None, key="refund:re_1", say="") == 30


def test_credits_held_by_a_job_pay_for_the_refund_when_they_come_back(artist: User) -> None:
    pack(artist, 100)
    held = ledger.hold(user=artist, amount=100, key="job:1", say="Work")
    assert ledger.revoke(source_ref="session:cs_1", amount=None, key="refund:re_1", say="") == 100
    ledger.capture(hold=held, amount=40, say="Work")
    assert purse(artist) == (0, 0, 40)


@pytest.mark.parametrize("amount", [0, -5])
def test_a_refund_of_nothing_is_a_mistake(artist: User, amount: int) -> None:
    pack(artist, 100)
    with pytest.raises(LedgerError):
        ledger.revoke(source_ref="session:cs_1", amount=amount, key="refund:re_1", say="")


def test_a_refund_of_what_never_came_is_a_mistake(artist: User) -> None:
    with pytest.raises(LedgerError, match="nothing ever came in from session:cs_9"):
        ledger.revoke(source_ref="session:cs_9", amount=None, key="refund:re_1", say="")


# --- and comes again ------------------------------------------------------------------------------------------


def test_a_won_dispute_brings_back_what_was_taken_wherever_it_was_taken_from(artist: User) -> None:
    pack(artist, 100)
    held = ledger.hold(user=artist, amount=100, key="job:1", say="Work")
    pack(artist, 60, "session:cs_2")
    assert ledger.revoke(source_ref="session:cs_1", amount=None, key="dispute:dp_1", say="") == 40
    ledger.reinstate(source_ref="session:cs_1", amount=100, key="won:dp_1", say="The dispute was won")
    assert purse(artist) == (60, 100, 0)
    ledger.release(hold=held, say="Work")
    assert purse(artist) == (160, 0, 0)
    assert CreditGrant.objects.get(source_ref="session:cs_1").revoked == 0


def test_what_comes_back_pays_the_debt_first(artist: User) -> None:
    pack(artist, 100)
    spend(artist, 100)
    ledger.revoke(source_ref="session:cs_1", amount=None, key="dispute:dp_1", say="")
    ledger.reinstate(source_ref="session:cs_1", amount=30, key="won:dp_1", say="")
    assert purse(artist) == (0, 0, 70)


def test_what_comes_back_has_the_time_that_it_had_left(artist: User) -> None:
    pack(artist, 100, expires_at=timezone.now() + timedelta(days=10))
    ledger.revoke(source_ref="session:cs_1", amount=None, key="dispute:dp_1", say="")
    ledger.reinstate(source_ref="session:cs_1", amount=100, key="won:dp_1", say="")
    back = CreditGrant.objects.latest("pk")
    assert back.expires_at is not None
    assert abs(back.expires_at - timezone.now() - timedelta(days=10)) < timedelta(minutes=1)


def test_the_same_reinstatement_happens_once_and_never_beyond_what_was_taken(artist: User) -> None:
    pack(artist, 100)
    ledger.revoke(source_ref="session:cs_1", amount=60, key="dispute:dp_1", say="")
    for _ in range(2):
        ledger.reinstate(source_ref="session:cs_1", amount=60, key="won:dp_1", say="")
    assert purse(artist) == (100, 0, 0)
    with pytest.raises(LedgerError, match="0 were revoked"):
        ledger.reinstate(source_ref="session:cs_1", amount=1, key="won:dp_2", say="")


def test_what_came_back_can_be_taken_again(artist: User) -> None:
    pack(artist, 100)
    ledger.revoke(source_ref="session:cs_1", amount=None, key="dispute:dp_1", say="")
    ledger.reinstate(source_ref="session:cs_1", amount=100, key="won:dp_1", say="")
    assert ledger.revoke(source_ref="session:cs_1", amount=None, key="refund:re_1", say="") == 0
    assert purse(artist) == (0, 0, 0)


# --- holds that nobody resolves -------------------------------------------------------------------------------


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> set[uuid.UUID]:
    """The jobs that are said to live."""
    living: set[uuid.UUID] = set()
    monkeypatch.setattr(holds, "_askers", [lambda jobs: jobs & living])
    return living


def test_a_hold_without_a_living_job_is_given_back_after_its_time(artist: User, alive: set[uuid.UUID]) -> None:
    pack(artist, 100)
    living, gone = uuid.uuid4(), uuid.uuid4()
    alive.add(living)
    for number, job in enumerate((living, gone, None)):
        ledger.hold(user=artist, amount=10, key=f"job:{number}", say=f"Work {number}", job=job)
    assert ledger.time_out_holds(before=timezone.now() - timedelta(days=1)) == 0  # they are young
    assert ledger.time_out_holds(before=timezone.now()) == 2
    assert purse(artist) == (90, 10, 0)
    assert lines(artist)[-2:] == [(f"Work {number}: given back, nothing came of it", 0) for number in (1, 2)]
    assert ledger.time_out_holds(before=timezone.now()) == 0


def test_a_job_that_ends_late_finds_its_hold_resolved(artist: User, alive: set[uuid.UUID]) -> None:
    pack(artist, 100)
    held = ledger.hold(user=artist, amount=10, key="job:1", say="Work", job=uuid.uuid4())
    ledger.time_out_holds(before=timezone.now())
    ledger.release(hold=held, say="Work: failed")
    with pytest.raises(KeyReused):
        ledger.capture(hold=held, amount=10, say="Work")
    assert purse(artist) == (100, 0, 0)


# --- running low ----------------------------------------------------------------------------------------------


def test_a_person_is_told_once_for_each_grant_that_credits_run_low(artist: User) -> None:
    pack(artist, notices.LOW + 5)
    spend(artist, 5)
    assert not Notification.objects.filter(user=artist).exists()
    spend(artist, 1, "job:2")
    spend(artist, 1, "job:3")
    told = Notification.objects.get(user=artist, kind="billing.low")
    assert told.title == f"{notices.LOW - 1} credits are left."
    pack(artist, 1, "session:cs_2")
    spend(artist, 1, "job:4")
    assert Notification.objects.filter(user=artist).count() == 2


def test_nothing_runs_low_at_home(artist: User, settings: Settings) -> None:
    settings.BILLING = False
    pack(artist, 10)
    spend(artist, 9)
    assert not Notification.objects.filter(user=artist).exists()


def test_the_database_refuses_credits_to_spend_beside_a_debt(artist: User) -> None:
    pack(artist, 10)
    with pytest.raises(IntegrityError, match="credit_debt_comes_first"), transaction.atomic():
        CreditAccount.objects.filter(user=artist).update(debt=1)
