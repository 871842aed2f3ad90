"""The audit: what it sees, what it mends, how it says so to people and to machines."""

from __future__ import annotations

import io
import json
import uuid
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import Notification, User
from billing import ledger, tasks
from billing.audit import audit, audit_all
from billing.models import CreditAccount, CreditEntry, CreditGrant, CreditHold, CreditTransaction
from tests.builders import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _with_plans(settings: Settings) -> None:
    settings.BILLING = True


@pytest.fixture
def artist() -> User:
    user = make_user("ines@example.com")
    ledger.grant(user=user, amount=50, source_ref="session:cs_1", say="Pack")
    return user


def run(*arguments: str) -> tuple[list[str], int]:
    """The lines that the command wrote, and its exit status."""
    out = io.StringIO()
    try:
        call_command("credits", "audit", *arguments, stdout=out)
    except SystemExit as end:
        return out.getvalue().splitlines(), int(end.code or 0)
    return out.getvalue().splitlines(), 0


def test_its_last_line_is_json_and_says_that_all_is_well(artist: User) -> None:
    lines, status = run()
    assert json.loads(lines[-1]) == {"accounts": 1, "entries": 2, "drift": 0, "unresolved_holds_without_job": 0}
    assert (len(lines), status) == (1, 0)


def test_of_an_empty_ledger_it_says_the_same() -> None:
    lines, status = run()
    assert json.loads(lines[-1]) == {"accounts": 0, "entries": 0, "drift": 0, "unresolved_holds_without_job": 0}
    assert status == 0


def test_it_names_each_figure_that_drifted_and_ends_with_1(artist: User) -> None:
    CreditAccount.objects.update(available=77)
    lines, status = run()
    assert lines[0] == "ines@example.com: available is 77, its entries say 50"
    assert (json.loads(lines[-1])["drift"], status) == (1, 1)
    assert CreditAccount.objects.get().available == 77  # it only looked


def test_it_mends_what_is_cached_when_asked_to(artist: User) -> None:
    CreditAccount.objects.update(available=77, held=3)
    CreditGrant.objects.update(remaining=1, revoked=9)
    assert (json.loads(run("--mend")[0][-1])["drift"], run()[1]) == (4, 0)
    grant = CreditGrant.objects.get()
    assert (CreditAccount.objects.get().balance, grant.remaining, grant.revoked) == (50, 50, 0)


def test_it_finds_a_grant_whose_revoked_credits_are_not_what_was_revoked(artist: User) -> None:
    ledger.revoke(source_ref="session:cs_1", amount=30, key="refund:re_1", say="")
    ledger.reinstate(source_ref="session:cs_1", amount=10, key="won:1", say="")
    assert audit_all(mend=False) == []
    CreditGrant.objects.filter(source_ref="session:cs_1").update(revoked=30)
    assert [str(drift) for drift in audit_all(mend=False)] == [
        "ines@example.com: revoked of session:cs_1 is 30, its entries say 20"
    ]


def test_it_finds_a_grant_that_says_more_than_it_brought(artist: User) -> None:
    CreditGrant.objects.update(amount=60)
    assert [drift.what for drift in audit_all(mend=False)] == ["amount of session:cs_1"]


def test_it_finds_a_hold_that_was_resolved_without_an_entry(artist: User) -> None:
    held = ledger.hold(user=artist, amount=20, key="job:1", say="Work")
    CreditHold.objects.filter(pk=held.pk).update(captured=20, resolved_at=timezone.now())
    assert [drift.what for drift in audit_all(mend=True)] == ["what job:1 still holds"]
    assert [drift.what for drift in audit_all(mend=True)] == ["what job:1 still holds"]  # that is for people to judge


def test_it_finds_entries_that_do_not_add_up_in_a_database_without_our_triggers(artist: User) -> None:
    written = CreditTransaction.objects.get()
    trigger = "trigger credit_transaction_sums_to_zero"
    with connection.cursor() as cursor:
        connection.check_constraints()  # those that wait for a commit come first
        cursor.execute(f"alter table billing_creditentry disable {trigger}")
        CreditEntry.objects.create(transaction=written, account=written.account, bucket="spent", amount=5)
        connection.check_constraints()
        cursor.execute(f"alter table billing_creditentry enable {trigger}")
    whats = [str(drift) for drift in audit_all(mend=False)]
    assert "ines@example.com: the sum of grant:session:cs_1 is 5, its entries say 0" in whats
    assert "everybody: the sum of all entries is 5, its entries say 0" in whats


def test_a_hold_that_no_job_will_resolve_is_counted_but_is_no_drift(artist: User) -> None:
    ledger.hold(user=artist, amount=20, key="job:1", say="Work", job=uuid.uuid4())
    lines, status = run()
    assert (json.loads(lines[-1])["unresolved_holds_without_job"], json.loads(lines[-1])["drift"]) == (1, 0)
    assert (lines[0], status) == ("ines@example.com: 20 for job:1 is unresolved and no job will resolve it", 0)


# --- every hour -----------------------------------------------------------------------------------------------


def test_the_hourly_audit_tells_staff_once_a_day_and_nobody_else(artist: User) -> None:
    staff = make_user(is_staff=True)
    tasks.audit()
    assert not Notification.objects.exists()
    CreditAccount.objects.update(available=77)
    tasks.audit()
    tasks.audit()
    told = Notification.objects.get()
    assert (told.user, told.body) == (staff, "ines@example.com: available is 77, its entries say 50")


def test_the_hourly_chores_are_in_the_schedule(settings: Settings) -> None:
    for chore in ("expire", "time_out_holds", "audit"):
        assert settings.CELERY_BEAT_SCHEDULE[f"billing.{chore}"]["task"] == f"billing.tasks.{chore}"


def test_the_hourly_time_out_gives_back_what_a_day_old_hold_has_without_a_job(artist: User) -> None:
    old = ledger.hold(user=artist, amount=20, key="job:1", say="Work", job=uuid.uuid4())
    ledger.hold(user=artist, amount=5, key="job:2", say="Work", job=uuid.uuid4())
    CreditHold.objects.filter(pk=old.pk).update(created_at=timezone.now() - tasks.PATIENCE - timedelta(minutes=1))
    tasks.time_out_holds()
    account = CreditAccount.objects.get()
    assert (account.available, account.held) == (45, 5)
    assert len(audit(mend=False).orphans) == 1
