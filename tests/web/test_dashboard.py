"""The staff's first page: today's figures, each the door to the rows it counts, for who may see those."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts import outbox
from accounts.models import Notification, Outbox, User
from billing import audit
from billing.models import CreditAccount, StripeEvent
from gpu.models import Job
from tests.builders import make_user, staff_client

pytestmark = pytest.mark.django_db

A_WHILE = timedelta(days=3)
TILE = re.compile(r'<li class="flex">\s*<a href="([^"]+)".*?<span[^>]*>(\d+)</span> <span[^>]*>([^<]+)</span>', re.S)


def tiles(client: Client) -> dict[str, tuple[int, str]]:
    html = client.get("/admin/").content.decode()
    return {name: (int(count), unescape(url)) for url, count, name in TILE.findall(html)}


def job(owner: User, state: str, *, ago: timedelta = timedelta()) -> Job:
    finished = None if state == "queued" else timezone.now() - ago
    return Job.objects.create(
        owner=owner, kind="text_to_image", subject=uuid.uuid4(), state=state, finished_at=finished
    )


def news(event: str, *, settled: bool) -> None:
    now = timezone.now()
    StripeEvent.objects.create(
        event=event, kind="invoice.paid", livemode=False, body="{}", created_at=now, settled_at=now if settled else None
    )


def a_day(staff: User) -> None:
    """Of everything that is counted: some that belong to it, and some that do not."""
    old = make_user(date_joined=timezone.now() - A_WHILE)
    for state, ago in (("queued", A_WHILE), ("failed", A_WHILE), ("succeeded", timedelta())):
        job(old, state, ago=ago)
    for _ in range(2):
        job(old, "failed")
    news("evt_1", settled=True)
    for number in (2, 3, 4):
        news(f"evt_{number}", settled=False)
    Outbox.objects.create(kind="mail", key="1", attempts=outbox.MAX_ATTEMPTS)
    Outbox.objects.create(kind="mail", key="2", attempts=1)
    CreditAccount.objects.create(user=old, available=7)  # out of nothing
    audit.tell_staff(audit.audit(mend=False), key="today")
    audit.tell_staff(audit.audit(mend=False), key="then")
    then = Notification.objects.filter(user=staff, key="drift:then")
    assert then.update(created_at=timezone.now() - A_WHILE) == 1


def test_each_figure_counts_what_it_says_and_leads_to_those_rows(client: Client) -> None:
    staff = make_user(is_staff=True, is_superuser=True)
    a_day(staff)
    shown = tiles(staff_client(staff, client=client))
    assert {name: count for name, (count, _url) in shown.items()} == {
        "Sign-ups today": 1,
        "Jobs that wait": 1,
        "Jobs that failed today": 2,
        "Unsettled news of Stripe": 3,
        "Mails that were given up": 1,
        "Audits since yesterday with drift": 1,
    }
    for name, (count, url) in shown.items():
        answer = client.get(url)
        assert answer.status_code == 200, name
        if url.startswith("/admin/"):
            assert answer.context["cl"].result_count == count, name


def test_the_list_of_all_rooms_follows_and_zeros_are_calm(client: Client) -> None:
    html = staff_client(client=client).get("/admin/").content.decode()
    assert html.index("Jobs that failed today") < html.index("app-accounts module")
    assert "text-red-600" not in html[html.index("today-title") : html.index("app-accounts module")]
    job(make_user(), "failed")
    html = client.get("/admin/").content.decode()
    assert html[html.index("today-title") : html.index("app-accounts module")].count("text-red-600") == 1


def test_who_may_see_one_list_sees_its_figures_alone(client: Client) -> None:
    helper = make_user(is_staff=True)
    staff_client(helper, client=client)
    assert tiles(client) == {}
    helper.user_permissions.add(Permission.objects.get(codename="view_job"))
    assert set(tiles(client)) == {"Jobs that wait", "Jobs that failed today"}
