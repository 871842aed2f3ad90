"""The plan is a pure function of the subscriptions: every status by itself, several together, in any order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import plans
from billing.models import Entitlement
from billing.payments.entitling import Entitled, entitled
from billing.payments.showing import told

NOW = datetime(2026, 11, 20, tzinfo=UTC)
BEGAN, ENDS = NOW - timedelta(days=10), NOW + timedelta(days=20)
STATUSES = ("incomplete", "incomplete_expired", "trialing", "active", "past_due", "unpaid", "paused", "canceled")
COUNT = ("trialing", "active", "past_due")


def subscription(status: str, *, plan: str = "starter", name: str = "sub_1", **more: Any) -> dict[str, Any]:
    """As Stripe lists it, with what is looked at."""
    price = {"id": f"price_{plan}", "lookup_key": None, "metadata": {"offer": f"plan_{plan}_month"}}
    begins = {"current_period_start": int(BEGAN.timestamp()), "current_period_end": int(ENDS.timestamp())}
    item = {"id": f"si_{name}", "price": price} | begins
    facts = {"cancel_at_period_end": False, "cancel_at": None, "ended_at": None}
    return {"id": name, "status": status, "items": {"data": [item]}} | facts | more


@pytest.mark.parametrize("status", COUNT)
def test_it_counts_while_it_runs_and_renews(status: str) -> None:
    found = entitled([subscription(status)], NOW)
    assert (found.plan, found.status, found.renews_at, found.ends_at) == ("starter", status, ENDS, None)


@pytest.mark.parametrize("status", [status for status in STATUSES if status not in COUNT])
def test_it_does_not_count_but_is_told(status: str) -> None:
    found = entitled([subscription(status)], NOW)
    assert (found.plan, found.subscribed, found.status, found.renews_at) == ("free", "starter", status, None)


def test_a_status_that_stripe_invents_later_does_not_count() -> None:
    assert entitled([subscription("hibernating")], NOW).plan == "free"


@pytest.mark.parametrize("status", STATUSES)
def test_only_what_was_tried_and_not_paid_is_overdue(status: str) -> None:
    since = entitled([subscription(status)], NOW).overdue_since
    assert since == (BEGAN if status in ("past_due", "unpaid") else None)


def test_without_subscriptions_it_is_free() -> None:
    assert entitled([], NOW) == Entitled()


def test_cancelled_at_the_end_of_the_period_it_ends_and_does_not_renew() -> None:
    found = entitled([subscription("active", cancel_at_period_end=True)], NOW)
    assert (found.plan, found.renews_at, found.ends_at) == ("starter", None, ENDS)


def test_cancelled_at_a_moment_it_ends_then() -> None:
    moment = NOW + timedelta(days=3)
    found = entitled([subscription("active", cancel_at=int(moment.timestamp()))], NOW)
    assert (found.plan, found.renews_at, found.ends_at) == ("starter", None, moment)


def test_past_its_end_it_is_over_even_if_stripe_has_not_said_so() -> None:
    found = entitled([subscription("active", cancel_at_period_end=True)], ENDS)
    assert (found.plan, found.status) == ("free", "canceled")


def test_a_price_that_is_not_ours_is_no_plan() -> None:
    stranger = subscription("active")
    stranger["items"]["data"][0]["price"] = {"id": "price_x", "lookup_key": "gym", "metadata": {}}
    assert entitled([stranger], NOW).plan == "free"


def test_of_several_the_largest_that_counts_wins() -> None:
    several = [
        subscription("active", plan="starter", name="sub_1"),
        subscription("canceled", plan="enterprise", name="sub_2"),
        subscription("past_due", plan="pro", name="sub_3"),
    ]
    assert entitled(several, NOW).subscription == "sub_3"


def test_an_old_one_that_ended_does_not_hide_the_new_one() -> None:
    old = subscription("canceled", plan="pro", name="sub_1", ended_at=int(BEGAN.timestamp()))
    assert entitled([old, subscription("active", name="sub_2")], NOW).plan == "starter"


some_subscriptions = st.lists(
    st.builds(
        subscription,
        status=st.sampled_from(STATUSES),
        plan=st.sampled_from(["starter", "pro", "enterprise"]),
        name=st.sampled_from([f"sub_{number}" for number in range(50)]),
        cancel_at_period_end=st.booleans(),
    ),
    max_size=6,
    unique_by=lambda one: str(one["id"]),
)


@given(some_subscriptions, st.randoms(use_true_random=False))
def test_the_order_in_which_stripe_lists_them_does_not_matter(several: list[dict[str, Any]], chance: Any) -> None:
    shuffled = chance.sample(several, len(several))
    assert entitled(shuffled, NOW) == entitled(several, NOW)


@given(some_subscriptions)
def test_the_plan_is_the_best_of_those_that_count(several: list[dict[str, Any]]) -> None:
    names = [one["items"]["data"][0]["price"]["id"].removeprefix("price_") for one in several if one["status"] in COUNT]
    best = "free"
    for name in names:
        best = plans.better(best, name)
    assert entitled(several, NOW).plan == best


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_is_told_in_words(status: str) -> None:
    say = told(Entitlement(status=status, subscribed="starter", renews_at=ENDS))
    assert "Starter" in say
    assert "%" not in say
    assert "only Stripe knows" not in say
