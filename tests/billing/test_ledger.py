"""The ledger: every verb, every rule, one account."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Sum
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import AuditEntry, User
from billing import ledger
from billing.audit import audit_all
from billing.ledger import InsufficientCredits, KeyReused, LedgerError
from billing.models import CreditAccount, CreditEntry, CreditGrant, CreditHold, CreditTransaction
from tests.builders import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _with_plans(settings: Settings) -> None:
    settings.BILLING = True


@pytest.fixture
def artist() -> User:
    user = make_user()
    ledger.grant(user=user, amount=50, source_ref=f"free:{user.public_id}", say="Welcome")
    return user


def purse(user: User) -> tuple[int, int]:
    account = CreditAccount.objects.get(user=user)
    return account.available, account.held


def hold(user: User, amount: int, key: str = "job:1") -> CreditHold:
    return ledger.hold(user=user, amount=amount, key=key, say="Training")


def spent(user: User) -> int:
    entries = CreditEntry.objects.filter(account__user=user, bucket="spent")
    return entries.aggregate(sum=Sum("amount"))["sum"] or 0


def test_a_grant_arrives_and_its_transaction_sums_to_zero(artist: User) -> None:
    assert purse(artist) == (50, 0)
    written = CreditTransaction.objects.get()
    assert (written.amount, written.balance) == (50, 50)
    assert sorted(written.entries.values_list("bucket", "amount")) == [("available", 50), ("house", -50)]


def test_a_hold_moves_credits_aside_without_spending_them(artist: User) -> None:
    hold(artist, 20)
    assert purse(artist) == (30, 20)
    newest = CreditTransaction.objects.latest("pk")
    assert (newest.kind, newest.amount, newest.balance) == ("hold", 0, 50)


def test_holds_made_together_share_the_grants_and_are_resolved_each_by_itself(artist: User) -> None:
    soon = timezone.now() + timedelta(days=1)
    first = ledger.grant(user=artist, amount=5, source_ref="pack", say="A pack", expires_at=soon)
    wanted = [ledger.Wanted(3, "job:1"), ledger.Wanted(0, "job:2"), ledger.Wanted(4, "job:3")]
    holds = ledger.hold_all(user=artist, wanted=wanted, say="Pictures")
    assert [held.amount for held in holds] == [3, 0, 4]
    assert purse(artist) == (48, 7)
    parts = [list(held.slices.order_by("pk").values_list("amount", flat=True)) for held in holds]
    assert parts == [[3], [], [2, 2]]  # what expires first is used first, across all of them
    assert CreditGrant.objects.get(pk=first.pk).remaining == 0
    assert ledger.hold_all(user=artist, wanted=wanted, say="Pictures") == holds
    ledger.release(hold=holds[0], say="")
    ledger.capture(hold=holds[2], amount=4, say="")
    assert purse(artist) == (51, 0)
    assert audit_all(mend=False) == []


def test_holds_made_together_are_refused_together(artist: User) -> None:
    wanted = [ledger.Wanted(30, f"job:{n}") for n in range(2)]
    with pytest.raises(InsufficientCredits, match="costs 60 credits and you have 50"):
        ledger.hold_all(user=artist, wanted=wanted, say="Pictures")
    assert purse(artist) == (50, 0)


def test_a_capture_pays_what_was_delivered_and_releases_the_rest(artist: User) -> None:
    done = ledger.capture(hold=hold(artist, 40), amount=30, say="3 of 4 checkpoints")
    assert (done.captured, done.released) == (30, 10)
    assert done.resolved_at is not None
    assert purse(artist) == (20, 0)
    assert spent(artist) == 30
    newest = CreditTransaction.objects.latest("pk")
    assert (newest.kind, newest.amount, newest.balance) == ("capture", -30, 20)


def test_a_release_gives_everything_back_and_leaves_a_line_of_zero(artist: User) -> None:
    done = ledger.release(hold=hold(artist, 40), say="The training failed")
    assert (done.captured, done.released) == (0, 40)
    assert purse(artist) == (50, 0)
    newest = CreditTransaction.objects.latest("pk")
    assert (newest.kind, newest.amount, newest.balance) == ("release", 0, 50)


def test_a_hold_beyond_the_balance_is_refused_with_both_figures_and_changes_nothing(artist: User) -> None:
    with pytest.raises(InsufficientCredits, match="costs 51 credits and you have 50") as refusal:
        hold(artist, 51)
    assert (refusal.value.status, refusal.value.code) == (402, "insufficient_credits")
    assert purse(artist) == (50, 0)
    assert not CreditHold.objects.exists()


def test_one_credit_is_said_as_one(artist: User) -> None:
    hold(artist, 50)
    with pytest.raises(InsufficientCredits, match="costs 1 credit and you have 0"):
        hold(artist, 1, key="job:2")


def test_a_hold_may_use_the_last_credit(artist: User) -> None:
    hold(artist, 50)
    assert purse(artist) == (0, 50)


def test_what_costs_nothing_holds_and_resolves_too(artist: User) -> None:
    free = hold(artist, 0)
    assert ledger.capture(hold=free, amount=0, say="").resolved_at is not None
    assert purse(artist) == (50, 0)


@pytest.mark.parametrize("amount", [0, -1])
def test_a_grant_of_nothing_or_less_is_a_mistake(amount: int) -> None:
    with pytest.raises(LedgerError):
        ledger.grant(user=make_user(), amount=amount, source_ref="x", say="")


def test_a_hold_below_zero_is_a_mistake(artist: User) -> None:
    with pytest.raises(LedgerError):
        hold(artist, -1)


@pytest.mark.parametrize("amount", [-1, 41])
def test_a_capture_outside_its_hold_is_a_mistake(artist: User, amount: int) -> None:
    held = hold(artist, 40)
    with pytest.raises(LedgerError):
        ledger.capture(hold=held, amount=amount, say="")
    assert purse(artist) == (10, 40)


# --- keys -----------------------------------------------------------------------------------------------------


def test_the_same_grant_again_brings_nothing_more(artist: User) -> None:
    again = ledger.grant(user=artist, amount=50, source_ref=f"free:{artist.public_id}", say="Other words")
    assert again == CreditGrant.objects.get()
    assert purse(artist) == (50, 0)


def test_the_same_source_with_another_amount_is_an_error(artist: User) -> None:
    with pytest.raises(KeyReused):
        ledger.grant(user=artist, amount=60, source_ref=f"free:{artist.public_id}", say="Welcome")


def test_the_same_source_for_another_person_is_an_error(artist: User) -> None:
    with pytest.raises(KeyReused):
        ledger.grant(user=make_user(), amount=50, source_ref=f"free:{artist.public_id}", say="Welcome")


def test_the_same_hold_again_answers_the_first_one(artist: User) -> None:
    assert hold(artist, 20) == hold(artist, 20)
    assert purse(artist) == (30, 20)


def test_the_same_hold_key_with_another_price_is_an_error(artist: User) -> None:
    hold(artist, 20)
    with pytest.raises(KeyReused):
        hold(artist, 21)


def test_the_same_hold_key_for_another_job_is_an_error(artist: User) -> None:
    hold(artist, 20)
    with pytest.raises(KeyReused):
        ledger.hold(user=artist, amount=20, key="job:1", say="Training", job=uuid.uuid4())


def test_a_doubled_capture_is_harmless(artist: User) -> None:
    held = hold(artist, 40)
    ledger.capture(hold=held, amount=30, say="once")
    again = ledger.capture(hold=held, amount=30, say="twice")  # with the caller's stale row
    assert (again.captured, again.released) == (30, 10)
    assert purse(artist) == (20, 0)


def test_a_hold_is_resolved_only_once(artist: User) -> None:
    held = hold(artist, 40)
    ledger.capture(hold=held, amount=30, say="")
    with pytest.raises(KeyReused):
        ledger.capture(hold=held, amount=40, say="")
    with pytest.raises(KeyReused):
        ledger.release(hold=held, say="")
    assert purse(artist) == (20, 0)


def test_a_released_hold_cannot_be_captured(artist: User) -> None:
    held = hold(artist, 40)
    ledger.release(hold=held, say="")
    ledger.release(hold=held, say="again")
    with pytest.raises(KeyReused):
        ledger.capture(hold=held, amount=1, say="")
    assert purse(artist) == (50, 0)


# --- grants and time ------------------------------------------------------------------------------------------


def test_the_grant_that_expires_first_is_spent_first(artist: User) -> None:
    now = timezone.now()
    late = ledger.grant(user=artist, amount=10, source_ref="late", say="", expires_at=now + timedelta(days=30))
    soon = ledger.grant(user=artist, amount=10, source_ref="soon", say="", expires_at=now + timedelta(days=1))
    ledger.capture(hold=hold(artist, 15), amount=12, say="")
    soon.refresh_from_db()
    late.refresh_from_db()
    assert (soon.remaining, late.remaining) == (0, 8)
    assert CreditGrant.objects.get(source_ref=f"free:{artist.public_id}").remaining == 50


def test_expired_credits_go_and_the_rest_stays(artist: User) -> None:
    ledger.grant(user=artist, amount=10, source_ref="old", say="October", expires_at=timezone.now())
    assert ledger.expire(now=timezone.now()) == 1
    assert purse(artist) == (50, 0)
    newest = CreditTransaction.objects.latest("pk")
    assert (newest.kind, newest.amount, newest.say) == ("expire", -10, "Expired: October")
    assert ledger.expire(now=timezone.now()) == 0


def test_expired_credits_cannot_be_held_even_before_the_sweep(artist: User) -> None:
    ledger.grant(user=artist, amount=10, source_ref="old", say="", expires_at=timezone.now())
    with pytest.raises(InsufficientCredits):
        hold(artist, 51)
    hold(artist, 50)
    assert purse(artist) == (0, 50)


def test_what_comes_back_to_an_expired_grant_expires_again(artist: User) -> None:
    soon = timezone.now() + timedelta(hours=1)
    ledger.grant(user=artist, amount=10, source_ref="old", say="", expires_at=soon)
    held = hold(artist, 4)
    assert ledger.expire(now=soon) == 1
    ledger.release(hold=held, say="")
    assert purse(artist) == (54, 0)
    assert ledger.expire(now=soon) == 1
    assert purse(artist) == (50, 0)
    assert audit_all(mend=False) == []


# --- refunds, adjustments, debt -------------------------------------------------------------------------------


def test_a_refund_reverses_what_was_paid_and_no_more(artist: User) -> None:
    held = ledger.capture(hold=hold(artist, 40), amount=30, say="")
    ledger.refund(hold=held, amount=20, key="refund:1", say="Two checkpoints were broken")
    ledger.refund(hold=held, amount=20, key="refund:1", say="Two checkpoints were broken")
    assert purse(artist) == (40, 0)
    assert spent(artist) == 10
    with pytest.raises(LedgerError, match="10 were paid"):
        ledger.refund(hold=held, amount=11, key="refund:2", say="")


def test_a_released_hold_has_nothing_to_refund(artist: User) -> None:
    held = ledger.release(hold=hold(artist, 40), say="")
    with pytest.raises(LedgerError):
        ledger.refund(hold=held, amount=1, key="refund:1", say="")


def test_an_adjustment_up_is_a_gift_with_its_author_in_the_trail(artist: User) -> None:
    staff = make_user(is_staff=True)
    ledger.adjust(user=artist, amount=7, key="adjust:1", say="For the outage", actor=staff)
    ledger.adjust(user=artist, amount=7, key="adjust:1", say="For the outage", actor=staff)
    assert purse(artist) == (57, 0)
    trail = AuditEntry.objects.get(verb="credits.adjust")
    assert (trail.actor, trail.target, trail.detail["amount"]) == (staff, artist.public_id, 7)


def test_what_is_taken_beyond_the_balance_becomes_a_debt_that_blocks_spending(artist: User) -> None:
    ledger.adjust(user=artist, amount=-60, key="back:1", say="Purchase refunded", actor=None)
    account = ledger.account_of(artist)
    assert (account.available, account.debt) == (0, 10)
    with pytest.raises(InsufficientCredits, match="10 credits of a refunded purchase are still owed"):
        hold(artist, 1)


def test_the_next_credits_pay_the_debt_first(artist: User) -> None:
    ledger.adjust(user=artist, amount=-60, key="back:1", say="", actor=None)
    small = ledger.grant(user=artist, amount=4, source_ref="small", say="")
    assert (small.remaining, ledger.account_of(artist).debt) == (0, 6)
    large = ledger.grant(user=artist, amount=20, source_ref="large", say="")
    assert (large.remaining, purse(artist), ledger.account_of(artist).debt) == (14, (14, 0), 0)
    assert audit_all(mend=False) == []


def test_a_release_pays_the_debt_first_as_well(artist: User) -> None:
    held = hold(artist, 20)
    ledger.adjust(user=artist, amount=-35, key="back:1", say="", actor=None)
    ledger.release(hold=held, say="")
    account = ledger.account_of(artist)
    assert (account.available, account.held, account.debt) == (15, 0, 0)
    assert audit_all(mend=False) == []


def test_an_adjustment_of_nothing_is_a_mistake(artist: User) -> None:
    with pytest.raises(LedgerError):
        ledger.adjust(user=artist, amount=0, key="x", say="", actor=None)


# --- home -----------------------------------------------------------------------------------------------------


def test_at_home_credits_are_counted_but_never_block(artist: User, settings: Settings) -> None:
    settings.BILLING = False
    ledger.capture(hold=hold(artist, 80), amount=70, say="")
    assert purse(artist) == (0, 0)  # the 50 are spent first, the house lent 20 and took 10 back
    assert spent(artist) == 70
    hold(artist, 500, key="job:2")
    assert audit_all(mend=False) == []


def test_what_the_house_lent_goes_back_to_it_even_after_plans_were_turned_on(artist: User, settings: Settings) -> None:
    settings.BILLING = False
    held = hold(artist, 80)
    settings.BILLING = True
    ledger.release(hold=held, say="")
    assert purse(artist) == (50, 0)


# --- what the database itself refuses -------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["billing_creditentry", "billing_credittransaction"])
@pytest.mark.parametrize("verb", ["update {} set amount = amount + 1", "delete from {}"])
def test_the_database_refuses_to_change_or_delete_lines(artist: User, table: str, verb: str) -> None:
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(verb.format(table))
    assert CreditEntry.objects.count() == 2


def test_the_database_refuses_a_transaction_that_does_not_sum_to_zero(artist: User) -> None:
    written = CreditTransaction.objects.get()

    def one_leg_only() -> None:
        with transaction.atomic():
            CreditEntry.objects.create(transaction=written, account=written.account, bucket="available", amount=1)
            connection.check_constraints()  # what a commit does by itself

    with pytest.raises(IntegrityError, match="sums to 1"):
        one_leg_only()


@pytest.mark.parametrize("column", ["available", "held", "debt"])
def test_the_database_refuses_a_purse_below_zero(artist: User, column: str) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        CreditAccount.objects.filter(user=artist).update(**{column: -1})


def test_the_database_refuses_a_hold_that_is_resolved_in_part(artist: User) -> None:
    held = hold(artist, 20)
    with pytest.raises(IntegrityError), transaction.atomic():
        CreditHold.objects.filter(pk=held.pk).update(captured=5)


# --- the audit ------------------------------------------------------------------------------------------------


def test_the_audit_finds_and_mends_a_balance_that_drifted(artist: User) -> None:
    CreditAccount.objects.filter(user=artist).update(available=77)
    CreditGrant.objects.update(remaining=3)
    found = audit_all(mend=True)
    assert [(drift.what, drift.cached, drift.entries) for drift in found] == [
        ("available", 77, 50),
        (f"remaining of free:{artist.public_id}", 3, 50),
    ]
    assert purse(artist) == (50, 0)
    assert audit_all(mend=False) == []
