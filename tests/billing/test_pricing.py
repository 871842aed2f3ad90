"""The page of prices: what there is, what is meant for this person, and a button that leads to it and back."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import User
from billing import plans, showcase
from billing.models import Entitlement
from tests.builders import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _on_sale(settings: Settings) -> None:
    settings.BILLING, settings.STRIPE_SECRET_KEY = True, "sk_test_pricing"


@pytest.fixture
def artist() -> User:
    return make_user()


def page(user: User | None = None, query: str = "") -> str:
    browser = Client()
    if user:
        browser.force_login(user)
    answer = browser.get(f"/credits/pricing/{query}")
    assert answer.status_code == 200
    return html.unescape(" ".join(answer.content.decode().split()))


def column(text: str, slug: str) -> str:
    """What stands under one plan."""
    found = re.search(rf'<li id="plan-{slug}"(.*?)(?=<li id="plan-|<p class="small muted spaced-above)', text)
    assert found, slug
    return found.group(1)


def offers(text: str) -> list[str]:
    """What the forms of the page would buy."""
    return re.findall(r'name="offer" value="([^"]*)"', text)


def test_a_visitor_signs_up_and_comes_back_to_what_they_chose() -> None:
    text = page(query="?offer=plan_pro_month&next=/create/")
    assert offers(text) == []
    assert '/signup/?next=%2Fstudio%2F">Start free' in column(text, "free")
    back = "%2Fcredits%2Fpricing%2F%3Foffer%3Dplan_pro_month%26next%3D%252Fcreate%252F"
    assert f'/signup/?next={back}" autofocus>Choose Pro' in column(text, "pro")
    assert "Your plan" not in text


def test_who_is_on_free_buys_with_one_press(artist: User) -> None:
    text = page(artist)
    assert offers(text) == [*list(plans.OFFERS)]
    assert "Your plan" in column(text, "free")
    assert 'action="/credits/checkout/"' in column(text, "starter")


def test_what_one_came_for_is_marked_and_leads_back(artist: User) -> None:
    text = page(artist, "?offer=plan_starter_month&next=/create/?style=1")
    assert column(text, "starter").startswith(' class="wanted"')
    assert '<button class="button primary wide" autofocus>Choose Starter' in column(text, "starter")
    assert text.count("wanted") == 1
    assert '<input type="hidden" name="next" value="/create/?style=1">' in column(text, "starter")


def test_a_pack_can_be_what_one_came_for(artist: User) -> None:
    text = page(artist, "?offer=pack_100")
    assert '<li id="pack-100" class="wanted">' in text
    assert (text.count("button primary"), text.count(" autofocus")) == (1, 1), "and it is in view at once"


@pytest.mark.parametrize("elsewhere", ["https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)"])
def test_the_way_back_is_never_elsewhere(artist: User, elsewhere: str) -> None:
    assert "elsewhere" not in page(artist, f"?next={elsewhere}")
    assert "alert(1)" not in page(artist, f"?next={elsewhere}")


def test_an_unknown_offer_marks_nothing(artist: User) -> None:
    assert "wanted" not in page(artist, '?offer="><b>')


def test_who_subscribes_changes_the_plan_instead_of_buying_a_second(artist: User) -> None:
    Entitlement.objects.create(user=artist, plan="starter", subscribed="starter", status="active", subscription="sub_1")
    text = page(artist)
    assert offers(text) == ["pack_50", "pack_100", "pack_250"]
    assert "Your plan" in column(text, "starter")
    assert 'href="/credits/billing/?plan=pro">Change to Pro' in column(text, "pro")
    assert 'href="/credits/billing/">Go back to Free' in column(text, "free")


def test_a_cancelled_plan_says_until_when_it_is_theirs(artist: User) -> None:
    ends = datetime(2026, 12, 20, 12, tzinfo=UTC)
    mine = Entitlement.objects.create(
        user=artist, plan="starter", subscribed="starter", status="active", subscription="sub_1", ends_at=ends
    )
    assert "Your plan, until 20 December</span>" in column(page(artist), "starter")
    mine.given = "starter"
    mine.save()
    assert "Your plan</span>" in column(page(artist), "starter"), "staff gave it as well: it stays"


def test_whose_plan_has_ended_may_buy_again(artist: User) -> None:
    Entitlement.objects.create(user=artist, plan="free", subscribed="pro", status="canceled", subscription="sub_1")
    assert "plan_pro_month" in offers(page(artist))


def test_who_was_given_a_plan_is_sold_only_a_larger_one(artist: User) -> None:
    plans.give_plan(user=artist, plan="pro", actor=None, reason="a friend of the house")
    assert offers(page(artist)) == ["plan_enterprise_month", "pack_50", "pack_100", "pack_250"]


def test_without_payments_nothing_is_sold_and_it_is_said_who_sets_plans(artist: User, settings: Settings) -> None:
    settings.STRIPE_SECRET_KEY = ""
    text = page(artist)
    assert offers(text) == []
    assert "Whoever runs this installation sets plans and adds credits." in text
    visitor = page()
    assert "Start free" in visitor
    assert "Choose Starter" not in visitor


def test_at_home_there_is_nothing_to_choose(artist: User, settings: Settings) -> None:
    settings.BILLING = False
    text = page(artist)
    assert 'id="plans"' not in text
    assert 'id="packs"' not in text
    assert "everything is free here, without limits" in text


def test_the_month_that_is_told_comes_to_exactly_its_credits() -> None:
    starter = plans.PLANS["starter"]
    assert sum(credits for _what, credits in showcase.month(starter)) == starter.credits
    assert all(credits > 0 for _what, credits in showcase.month(starter))


def test_the_front_page_shows_the_plans_where_they_decide(settings: Settings) -> None:
    assert "Choose Starter" in Client().get("/").content.decode()
    settings.BILLING = False
    assert "Choose Starter" not in Client().get("/").content.decode()


def test_the_api_names_what_can_be_bought() -> None:
    answer = Client().get("/api/v1/plans").json()
    assert [plan["lookup_key"] for plan in answer["plans"]][1:] == [
        "plan_starter_month",
        "plan_pro_month",
        "plan_enterprise_month",
    ]
    assert [pack["lookup_key"] for pack in answer["packs"]] == ["pack_50", "pack_100", "pack_250"]
    starter = answer["plans"][1]
    assert (starter["rollover"], starter["rates"]["submit"]) == (300, {"minute": 30, "hour": 600})
