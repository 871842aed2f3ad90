"""The credits page, the price list, and both in the API."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import User
from accounts.tokens import create_token
from billing import ledger, plans, usage
from billing.models import Entitlement
from tests.builders import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _with_plans(settings: Settings) -> None:
    settings.BILLING = True


@pytest.fixture
def artist(client: Client) -> User:
    user = make_user()
    client.force_login(user)
    ledger.grant(user=user, amount=100, source_ref="pack", say="Pack of 100")
    return user


@pytest.fixture
def bearer(artist: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {create_token(user=artist, name='tests')[1]}"}


def page_of(client: Client, **query: str) -> str:
    return " ".join(client.get("/credits/", query).content.decode().split())


def test_the_balance_and_what_is_held_are_shown(client: Client, artist: User) -> None:
    ledger.hold(user=artist, amount=60, key="job:1", say="Training Hedgerow, version 1")
    html = page_of(client)
    assert "<dt>Credits to spend</dt><dd>40</dd>" in html
    assert "<dt>Held for running work</dt><dd>60</dd>" in html
    assert "60 credits are held until it ends" in html


def test_a_finished_run_is_one_line_that_unfolds_into_its_sum(client: Client, artist: User) -> None:
    held = ledger.hold(user=artist, amount=60, key="job:1", say="Training Hedgerow, version 1")
    ledger.capture(hold=held, amount=40, say="Training Hedgerow, version 1")
    html = page_of(client)
    assert html.count("Training Hedgerow, version 1") == 1
    assert "40 of the 60 credits held were paid; the rest is back." in html
    assert "−40" in html
    sums = "<dt>held when it began</dt><dd>60</dd><dt>paid for what was delivered</dt><dd>−40</dd>"
    assert sums + '<dt class="total">back to you</dt><dd class="total">20</dd>' in html


def test_a_failed_run_is_a_line_with_zero(client: Client, artist: User) -> None:
    held = ledger.hold(user=artist, amount=8, key="job:1", say="Picture: a knight")
    ledger.release(hold=held, say="Picture: a knight: failed")
    html = page_of(client)
    assert "Nothing was taken: the 8 credits that were held are back." in html
    assert '<span class="amount none"><span class="visually-hidden">Amount </span>0</span>' in html


def test_what_people_wrote_is_never_html(client: Client, artist: User) -> None:
    ledger.hold(user=artist, amount=1, key="job:1", say="Picture: <script>alert(1)</script>")
    assert "<script>alert(1)" not in page_of(client)


def test_older_lines_come_on_the_next_page_and_none_twice(client: Client, artist: User) -> None:
    for number in range(30):
        ledger.grant(user=artist, amount=1, source_ref=f"gift:{number}", say=f"Gift {number:02d}.")
    first = page_of(client)
    cursor = first.partition("?cursor=")[2].partition("#")[0]
    second = page_of(client, cursor=cursor)
    for number in range(30):
        assert (f"Gift {number:02d}." in first) != (f"Gift {number:02d}." in second)
    assert "Pack of 100" in second
    assert "?cursor=" not in second


@pytest.mark.parametrize("cursor", ["x", "0", "'; drop table", "00000000-0000-4000-8000-000000000000"])
def test_a_page_that_cannot_be_is_refused_with_a_sentence(client: Client, artist: User, cursor: str) -> None:
    answer = client.get("/credits/", {"cursor": cursor})
    assert answer.status_code == 422
    assert "Start again from the first one" in answer.content.decode()


# --- months, tools, filters -----------------------------------------------------------------------------------


def spend(user: User, amount: int, tool: str, at: datetime) -> None:
    """As if it were then."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.utils.timezone.now", lambda: at)
        held = ledger.hold(user=user, amount=amount, key=f"{tool}:{at}", say=f"Work of {at:%B}", tool=tool)
        ledger.capture(hold=held, amount=amount, say=f"Work of {at:%B}")


@pytest.fixture
def long_here(artist: User) -> User:
    """Here since September, with work in October and this month."""
    now = timezone.now()
    artist.date_joined = datetime(2026, 9, 12, tzinfo=UTC)
    artist.save()
    spend(artist, 20, "train_lora", datetime(2026, 10, 5, 12, tzinfo=UTC))
    spend(artist, 3, "text_to_image", datetime(2026, 10, 5, 13, tzinfo=UTC))
    spend(artist, 5, "image_to_video", datetime(2026, 10, 31, 23, 59, tzinfo=UTC))
    spend(artist, 2, "a withdrawn tool", now)
    return artist


def test_a_month_is_told_by_day_and_by_tool(client: Client, long_here: User) -> None:
    october = usage.usage_of(long_here, datetime(2026, 10, 1, tzinfo=UTC))
    assert october.days[4] == {"training": 20, "pictures": 3}
    assert october.days[30] == {"films": 5}
    assert len(october.days) == 31
    assert [(one.say, one.credits, one.times) for one in october.tools] == [
        ("Training", 20, 1),
        ("Animate", 5, 1),
        ("Picture", 3, 1),
    ]
    html = page_of(client, month="2026-10")
    assert '<h2 id="usage-title">October 2026</h2>' in html
    assert "28 credits used" in html
    assert "<li>pictures 3</li>" in html
    assert "Work of October" in html


def test_what_was_refunded_is_not_counted_as_used(artist: User) -> None:
    held = ledger.hold(user=artist, amount=10, key="job:1", say="Work", tool="text_to_image")
    ledger.refund(hold=ledger.capture(hold=held, amount=10, say=""), amount=4, key="refund:1", say="")
    now = usage.usage_of(artist, usage.month_of(timezone.now()))
    assert (now.total, [one.credits for one in now.tools]) == (6, [6])


def test_the_months_lead_back_to_the_sign_up_and_no_further(client: Client, long_here: User) -> None:
    assert [month.month for month in usage.months_of(long_here)][-3:] == [11, 10, 9]
    html = page_of(client, month="2026-09")
    assert 'rel="prev"' not in html
    assert 'rel="next" href="?month=2026-10#usage"' in html
    assert "Nothing used" in html
    assert "other work 2" in page_of(client)  # this month, with a tool that nobody knows any more


def test_lines_are_filtered_by_kind_and_by_month(client: Client, long_here: User) -> None:
    came_in = page_of(client, kind="in")
    assert "Pack of 100" in came_in
    assert "Work of October" not in came_in
    assert "Pack of 100" not in page_of(client, kind="paid", month="2026-10")
    assert "No such lines." in page_of(client, kind="gone")


def test_a_filter_stays_on_the_next_page(client: Client, artist: User) -> None:
    for number in range(30):
        ledger.grant(user=artist, amount=1, source_ref=f"gift:{number}", say="Gift")
    assert 'href="?kind=in&amp;cursor=' in page_of(client, kind="in")


@pytest.mark.parametrize(
    "query", [{"kind": "x"}, {"month": "2026-13"}, {"month": "x"}, {"month": "99999-1"}, {"month": "9999-12"}]
)
def test_a_filter_that_there_is_not_is_refused_with_a_sentence(
    client: Client, artist: User, query: dict[str, str]
) -> None:
    answer = client.get("/credits/", query)
    assert answer.status_code == 422
    assert "There is no such filter" in answer.content.decode() or "like 2026-11" in answer.content.decode()


def test_the_filter_alone_is_answered_with_its_part(client: Client, artist: User) -> None:
    html = client.get("/credits/", {"kind": "in"}, headers={"HX-Request": "true"}).content.decode()
    assert html.lstrip().startswith('<div id="statement">')


# --- what runs out, what is owed ------------------------------------------------------------------------------


def test_what_expires_is_told_with_its_day(client: Client, artist: User) -> None:
    for ref, amount, day in (("a", 100, 3), ("b", 20, 3), ("c", 1, 4)):
        at = datetime(2099, 1, day, 12, tzinfo=UTC)
        ledger.grant(user=artist, amount=amount, source_ref=ref, say="", expires_at=at)
    assert "120 expire on 3 January 2099, 1 expires on 4 January 2099." in page_of(client)


def test_a_debt_is_told_with_its_way_out(client: Client, artist: User) -> None:
    ledger.adjust(user=artist, amount=-130, key="back:1", say="", actor=None)
    html = page_of(client)
    assert "<dt>Owed from a refunded purchase</dt><dd>30</dd>" in html
    assert "The next credits that come in pay for them first" in html


def test_a_plan_that_is_cancelled_says_when_it_ends(client: Client, artist: User) -> None:
    ends = datetime(2099, 1, 3, tzinfo=UTC)
    Entitlement.objects.create(user=artist, plan="starter", ends_at=ends, renews_at=ends)
    html = page_of(client)
    assert "<dt>Starter ends</dt><dd>3 January</dd>" in html
    assert "Starter adds" not in html


def test_no_credits_are_promised_while_a_payment_is_open(client: Client, artist: User) -> None:
    nxt = datetime(2099, 1, 3, tzinfo=UTC)
    Entitlement.objects.create(user=artist, plan="starter", status="past_due", renews_at=nxt, overdue_since=nxt)
    assert "Starter adds" not in page_of(client)


def test_buying_is_offered_where_payments_are_on(client: Client, artist: User, settings: Settings) -> None:
    assert "Buy credits" not in page_of(client)
    settings.STRIPE_SECRET_KEY = "sk_test_1"
    html = page_of(client)
    assert 'href="/credits/pricing/#packs">Buy credits' in html
    assert 'href="/credits/billing/">Plan and invoices' in html


def test_nobody_sees_the_lines_of_others(client: Client, artist: User) -> None:
    ledger.grant(user=make_user(), amount=5, source_ref="theirs", say="Their gift")
    assert "Their gift" not in page_of(client)


def test_the_first_visit_has_no_lines_and_says_what_will_come(client: Client) -> None:
    client.force_login(make_user())
    assert "No lines yet" in page_of(client)


def test_at_home_everything_is_free_and_counted(client: Client, artist: User, settings: Settings) -> None:
    settings.BILLING = False
    held = ledger.hold(user=artist, amount=120, key="job:1", say="Training")
    ledger.capture(hold=held, amount=120, say="Training")
    html = page_of(client)
    assert "everything is free here" in html
    assert "<dt>Credits used</dt><dd>120</dd>" in html
    assert "everything is free here" in client.get("/credits/pricing/").content.decode()


def test_the_price_list_says_only_what_is_built(client: Client) -> None:
    html = " ".join(client.get("/credits/pricing/").content.decode().split())
    for plan in plans.PLANS.values():
        assert f"<h3>{plan.name}</h3>" in html
    assert "$29.99" in html
    assert "1,200 credits a month" in html
    assert (
        '<th scope="row">Training, Fine</th><td class="muted drop">6 checkpoints × 10</td><td class="n">60</td>' in html
    )
    assert '<th scope="row">Camera move</th>' in html
    assert (html.count("<li>pictures</li>"), html.count("<li>pictures and films</li>")) == (1, 3)
    assert "3D" not in html


def test_the_own_plan_is_marked(client: Client, artist: User) -> None:
    Entitlement.objects.create(user=artist, plan="pro")
    html = client.get("/credits/pricing/").content.decode()
    assert '<h3>Pro <span class="badge boxed">Your plan</span></h3>' in html


def test_the_plan_that_decides(artist: User, settings: Settings) -> None:
    assert plans.plan_of(artist).slug == "free"
    entitlement = Entitlement.objects.create(user=artist, plan="starter")
    assert (plans.plan_of(artist).slug, plans.plan_of(artist).tier) == ("starter", 1)
    entitlement.plan = "withdrawn"
    entitlement.save()
    assert plans.plan_of(artist).slug == "free"
    settings.BILLING = False
    assert (plans.plan_of(artist).slug, plans.plan_of(artist).max_styles) == ("home", None)


def test_the_free_credits_train_one_style_and_make_ten_pictures() -> None:
    assert (
        plans.CHECKPOINTS["standard"] * plans.PRICES["checkpoint"] + 10 * plans.PRICES["picture"] == plans.FREE_CREDITS
    )


def test_the_price_list_and_the_prices_charged_are_the_same() -> None:
    listed = {tool.slug: tool.credits for tool in plans.TOOLS}
    assert listed["picture"] == plans.PRICES["picture"]
    for quality, checkpoints in plans.CHECKPOINTS.items():
        assert listed[f"training-{quality}"] == checkpoints * plans.PRICES["checkpoint"]


# --- the API --------------------------------------------------------------------------------------------------


def test_credits_are_told_in_figures(client: Client, artist: User, bearer: dict[str, str]) -> None:
    ledger.hold(user=artist, amount=30, key="job:1", say="")
    answer = client.get("/api/v1/credits", headers=bearer).json()
    expected = {"available": 70, "held": 30, "spent": 0, "plan": "free", "renews_at": None, "unlimited": False}
    assert expected.items() <= answer.items()


def test_entries_are_told_one_by_one_and_add_up(client: Client, artist: User, bearer: dict[str, str]) -> None:
    job = uuid.uuid4()
    held = ledger.hold(user=artist, amount=60, key="job:1", say="Training", job=job)
    ledger.capture(hold=held, amount=40, say="Training")
    items: list[dict[str, Any]] = client.get("/api/v1/credits/entries", headers=bearer).json()["items"]
    assert [(item["kind"], item["amount"], item["balance"], item["held"]) for item in items] == [
        ("capture", -40, 60, 0),
        ("hold", 0, 100, 60),
        ("grant", 100, 100, 0),
    ]
    assert [item["job"] for item in items] == [str(job), str(job), None]
    assert sum(item["amount"] for item in items) == 60


def test_what_expires_is_told_by_day(client: Client, artist: User, bearer: dict[str, str]) -> None:
    at = datetime(2099, 1, 3, 12, tzinfo=UTC)
    ledger.grant(user=artist, amount=20, source_ref="month", say="", expires_at=at)
    assert client.get("/api/v1/credits", headers=bearer).json()["expires"] == [{"on": "2099-01-03", "amount": 20}]


def test_a_delivery_is_told_piece_by_piece(client: Client, artist: User, bearer: dict[str, str]) -> None:
    held = ledger.hold(user=artist, amount=20, key="job:1", say="Training")
    ledger.capture(hold=held, amount=20, say="Training", parts=[("checkpoint 1 of 2", 10), ("checkpoint 2 of 2", 10)])
    items = client.get("/api/v1/credits/entries", {"kind": "paid"}, headers=bearer).json()["items"]
    assert [item["parts"][0] for item in items] == [{"say": "checkpoint 1 of 2", "credits": 10}]
    assert client.get("/api/v1/credits/entries", {"month": "2020-01"}, headers=bearer).json()["items"] == []


def test_entries_come_in_pages(client: Client, artist: User, bearer: dict[str, str]) -> None:
    for number in range(4):
        ledger.grant(user=artist, amount=1, source_ref=f"gift:{number}", say=f"Gift {number}")
    seen, cursor = [], ""
    for _ in range(3):
        answer = client.get("/api/v1/credits/entries", {"limit": 2, "cursor": cursor}, headers=bearer).json()
        seen += [item["say"] for item in answer["items"]]
        cursor = answer["next"]
    assert seen == ["Gift 3", "Gift 2", "Gift 1", "Gift 0", "Pack of 100"]
    assert cursor is None


@pytest.mark.parametrize("query", [{"limit": "many"}, {"cursor": "x"}, {"kind": "x"}, {"month": "May"}])
def test_a_page_that_cannot_be_is_a_problem(client: Client, bearer: dict[str, str], query: dict[str, str]) -> None:
    answer = client.get("/api/v1/credits/entries", query, headers=bearer)
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")


def test_plans_are_told_to_everybody(client: Client, settings: Settings) -> None:
    answer = client.get("/api/v1/plans").json()
    assert [plan["slug"] for plan in answer["plans"]] == ["free", "starter", "pro", "enterprise"]
    assert answer["plans"][2] | {"max_styles": None, "credits": 1200, "cents_a_month": 2999} == answer["plans"][2]
    assert {"slug": "picture", "credits": 1}.items() <= answer["prices"][0].items()
    settings.BILLING = False
    home = client.get("/api/v1/plans").json()
    assert (home["billing"], home["plans"][0]["slug"], home["plans"][0]["max_styles"]) == (False, "home", None)
