"""The staff's figures, each held against rows that were made by hand and can be counted on fingers."""

from __future__ import annotations

import csv
import io
import uuid
from datetime import UTC, date, datetime, timedelta

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts.models import User
from billing import ledger
from billing.models import CreditTransaction, Entitlement
from config.pages.figures import money, people, work
from config.pages.figures.period import Period
from gpu.models import Job, Worker
from tests.builders import make_user, staff_client

pytestmark = pytest.mark.django_db

TODAY = date(2026, 6, 30)
MONTH = Period.of(30, today=TODAY)  # 1 to 30 June


def at(day: int, hour: int = 12, *, month: int = 6) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


def joined(when: datetime, email: str = "") -> User:
    return make_user(email, date_joined=when)


def asked(user: User, when: datetime, *, kind: str = "text_to_image", **fields: object) -> Job:
    job = Job.objects.create(owner=user, kind=kind, subject=uuid.uuid4(), **fields)
    Job.objects.filter(pk=job.pk).update(created_at=when)
    return job


def ended(state: str, when: datetime, *, hours: float = 1, kind: str = "text_to_image", **fields: object) -> Job:
    times = {"started_at": when - timedelta(hours=hours), "finished_at": when}
    return asked(make_user(date_joined=at(1, month=1)), when, kind=kind, state=state, **times, **fields)


def test_a_period_is_whole_days_with_today() -> None:
    assert (MONTH.first, MONTH.last, len(MONTH.days())) == (date(2026, 6, 1), TODAY, 30)
    assert (MONTH.start, MONTH.end) == (at(1, 0), at(1, 0, month=7))


def test_sign_ups_are_counted_on_their_day_and_days_without_any_are_there() -> None:
    for when in (at(1, 0), at(1, 23), at(30, 23), at(31, 23, month=5), at(1, 0, month=7)):
        joined(when)
    counted = people.sign_ups(MONTH)
    assert len(counted) == 30
    assert [(day.day, count) for day, count in counted if count] == [(1, 2), (30, 1)]


def test_who_came_back_asked_for_a_job_on_that_very_day() -> None:
    back, early, late, quiet = (joined(at(10, hour)) for hour in (0, 12, 23, 12))
    asked(back, at(17, 23))
    asked(early, at(16, 23))
    asked(late, at(18, 0))
    asked(quiet, at(17), kind="study")
    assert people.retention(MONTH, 7) == people.Retention(day=7, people=4, back=1)
    assert people.retention(MONTH, 7).share == 0.25


def test_a_day_that_is_not_over_is_not_counted_yet() -> None:
    joined(at(28))  # its first day was the 29th
    joined(at(29))  # its first day is today
    assert people.retention(MONTH, 1).people == 1
    assert people.retention(MONTH, 30).share is None


def test_the_cohort_of_a_long_time_lies_before_the_period() -> None:
    asked(joined(at(2, month=5)), at(1))
    joined(at(1, month=5))
    assert people.retention(MONTH, 30) == people.Retention(day=30, people=1, back=1)


def test_conversion_follows_those_who_signed_up_in_the_period() -> None:
    plain, verified, trained, paying, earlier = (joined(when) for when in (at(3), at(4), at(5), at(6), at(3, month=5)))
    for user in (verified, trained, paying, earlier):
        EmailAddress.objects.create(user=user, email=user.email, verified=True)
    EmailAddress.objects.create(user=plain, email=plain.email, verified=False)
    asked(trained, at(9), kind="train_lora")
    asked(paying, at(9), kind="train_lora")
    asked(plain, at(9))
    ledger.grant(user=paying, amount=300, source_ref="invoice:in_1", say="Starter")
    ledger.grant(user=trained, amount=50, source_ref=f"free:{trained.public_id}", say="Welcome")
    ledger.grant(user=earlier, amount=300, source_ref="invoice:in_2", say="Starter")
    found = people.conversion(MONTH)
    assert found == people.Conversion(signed_up=4, verified=3, trained=2, paying=1)
    assert [share for _name, _count, share in found.steps()] == [1, 0.75, 0.5, 0.25]


def subscribe(plan: str, status: str = "active", **fields: object) -> None:
    Entitlement.objects.create(user=make_user(), subscription="sub_1", subscribed=plan, status=status, **fields)


def test_recurring_revenue_is_paid_subscriptions_at_the_price_of_the_catalogue() -> None:
    subscribe("starter")
    subscribe("starter", "past_due")
    subscribe("pro", ends_at=timezone.now() + timedelta(days=9))
    subscribe("pro", "trialing")
    subscribe("pro", "unpaid")
    subscribe("pro", "canceled", ends_at=at(20))
    subscribe("starter", "canceled", ends_at=at(20, month=5))
    Entitlement.objects.create(user=make_user(), plan="enterprise", given="enterprise")
    found = money.recurring(Period.of(30, today=TODAY))
    assert found.plans == [("Starter", 2, 1998), ("Pro", 1, 2999)]
    assert (found.cents, found.a_month) == (4997, "$49.97")
    assert (found.trials, found.ending) == (1, 1)
    assert (found.churned, found.churned_cents) == (1, 2999)


def test_credits_are_sold_given_spent_and_expired_each_in_its_place(settings: object) -> None:
    settings.BILLING = True  # type: ignore[attr-defined]
    now = timezone.now()
    ines, omar, lea = make_user("ines@example.com"), make_user("omar@example.com"), make_user("lea@example.com")
    ledger.grant(user=ines, amount=300, source_ref="invoice:in_1", say="Starter")
    ledger.grant(user=omar, amount=50, source_ref="session:cs_1", say="Pack")
    for user in (ines, omar, lea):
        ledger.grant(user=user, amount=20, source_ref=f"free:{user.pk}", say="Welcome")
    for user, credits in ((ines, 40), (omar, 7), (lea, 2)):
        hold = ledger.hold(user=user, amount=credits, key=f"job:{user.pk}", say="Picture")
        ledger.capture(hold=hold, amount=credits, say="Picture")
    ledger.release(hold=ledger.hold(user=omar, amount=9, key="job:x", say="Picture"), say="Picture: failed")
    ledger.adjust(user=omar, amount=5, key="a", say="Sorry", actor=None)
    ledger.adjust(user=omar, amount=-2, key="b", say="Too much", actor=None)
    ledger.revoke(source_ref="session:cs_1", amount=30, key="refund:re_1", say="Refunded")
    ledger.grant(user=lea, amount=11, source_ref="staff:1", say="For a while", expires_at=now + timedelta(hours=1))
    ledger.expire(now=now + timedelta(hours=2))

    found = money.credits(Period.of(7))

    assert (found.sold, found.given, found.adjusted) == (350, 71, 3)
    assert (found.taken_back, found.expired, found.spent) == (30, 11, 49)
    assert (found.spenders, found.median) == (3, 7.0)
    assert found.top == [("ines@example.com", 40), ("omar@example.com", 7), ("lea@example.com", 2)]


def test_what_happened_to_credits_before_the_period_is_not_told() -> None:
    ledger.grant(user=make_user(), amount=300, source_ref="invoice:in_1", say="Starter")
    later = Period.of(7, today=timezone.now().date() + timedelta(days=30))
    found = money.credits(later)
    assert (found.sold, found.spent, found.spenders, found.median, found.top) == (0, 0, 0, 0.0, [])
    assert CreditTransaction.objects.count() == 1


def test_success_is_of_what_nobody_cancelled_with_failures_by_code() -> None:
    for state, code in (
        *[("succeeded", "")] * 3,
        *[("failed", "out_of_memory")] * 2,
        ("failed", "lost"),
        ("cancelled", ""),
    ):
        ended(state, at(12), error_code=code)
    ended("succeeded", at(12), kind="train_lora")
    ended("failed", at(12, month=5), error_code="out_of_memory")
    pictures, training = work.jobs(MONTH)
    assert (pictures.kind, pictures.succeeded, pictures.failed, pictures.cancelled) == ("text_to_image", 3, 3, 1)
    assert pictures.share == 0.5
    assert pictures.failures == [("out_of_memory", 2), ("lost", 1)]
    assert (training.kind, training.share, training.failures) == ("train_lora", 1.0, [])


def test_gpu_hours_are_summed_by_worker_and_those_that_are_gone_are_one_line() -> None:
    first = Worker.objects.create(name="gpu #1", seen_at=timezone.now())
    ended("succeeded", at(12), hours=1.5, worker=first)
    ended("failed", at(13), hours=0.25, worker=first)
    ended("succeeded", at(14), hours=2)
    ended("succeeded", at(14, month=5), hours=9, worker=first)
    Job.objects.create(owner=make_user(), kind="x", subject=uuid.uuid4(), state="cancelled", finished_at=at(12))
    assert work.gpu_hours(MONTH) == [
        work.GpuTime(worker="gpu #1", jobs=2, hours=1.75),
        work.GpuTime(worker=work.GONE, jobs=1, hours=2.0),
    ]


# --- the page ---


def test_the_page_tells_the_period_that_was_chosen() -> None:
    client = staff_client()
    make_user(date_joined=timezone.now() - timedelta(days=60))
    assert "1 account<" in client.get("/admin/figures/").content.decode()
    assert "2 accounts<" in client.get("/admin/figures/?days=90").content.decode()
    assert 'href="?days=30" aria-current="page"' in client.get("/admin/figures/?days=1e9").content.decode()


def test_the_csv_holds_the_same_figures_and_no_formula() -> None:
    client = staff_client()
    hostile = make_user("=cmd@example.com")
    ledger.grant(user=hostile, amount=30, source_ref="session:cs_1", say="Pack")
    ledger.capture(hold=ledger.hold(user=hostile, amount=4, key="job:1", say="Picture"), amount=4, say="Picture")
    answer = client.get("/admin/figures/?days=7&format=csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.reader(io.StringIO(answer.content.decode())))
    assert rows[0] == ["section", "what", "figure"]
    assert ["credits", "sold", "30"] in rows
    assert ["credits: most spent", "'=cmd@example.com", "4"] in rows
    assert ["conversion", "Signed up", "2"] in rows
    assert sum(row[0] == "sign-ups" for row in rows) == 7


def test_a_house_without_anybody_has_figures_of_nothing() -> None:
    html = staff_client().get("/admin/figures/").content.decode()
    assert "No job has ended in this period." in html
    assert "$0" in html


def test_staff_who_may_not_see_the_money_see_no_figures() -> None:
    helper = make_user(is_staff=True)
    client = staff_client(helper)
    assert client.get("/admin/figures/").status_code == 403
    helper.user_permissions.add(Permission.objects.get(codename="view_entitlement"))
    assert client.get("/admin/figures/").status_code == 200


@pytest.mark.parametrize("staff", [False, True])
def test_only_staff_with_their_second_step_see_it(client: Client, staff: bool) -> None:
    client.force_login(make_user(is_staff=staff), backend="django.contrib.auth.backends.ModelBackend")
    answer = client.get("/admin/figures/?format=csv")
    assert answer.status_code == 302
    assert "/admin/login/" in answer["Location"]
