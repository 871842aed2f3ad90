"""What a plan lets a person do, and the way up where it says no."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import User
from accounts.tokens import create_token
from billing import allowance, ledger, plans
from billing.allowance import PlanLimit
from billing.ledger import InsufficientCredits
from billing.models import Entitlement
from config.kit.errors import Refusal, TooMany
from generation.tools import shared
from tests.builders import make_style, make_user, make_version, slow_down

pytestmark = pytest.mark.django_db


@pytest.fixture
def artist(settings: Settings) -> User:
    settings.BILLING = True
    return make_user()


def on(user: User, plan: str) -> User:
    Entitlement.objects.update_or_create(user=user, defaults={"plan": plan})
    return User.objects.get(pk=user.pk)


def test_the_plan_decides_what_is_allowed(artist: User, settings: Settings) -> None:
    free = allowance.allowance_of(artist)
    assert (free.plan, free.max_styles, free.max_steps, free.visible_mark, free.video) == ("free", 1, 20, True, False)
    pro = allowance.allowance_of(on(artist, "pro"))
    assert (pro.plan, pro.max_styles, pro.max_steps, pro.visible_mark, pro.video) == ("pro", None, 50, False, True)
    settings.BILLING = False
    assert allowance.allowance_of(artist).name == "Home"


@pytest.mark.parametrize(("plan", "tier"), [("free", 2), ("starter", 1), ("pro", 0), ("enterprise", 0)])
def test_a_larger_plan_waits_less(artist: User, plan: str, tier: int) -> None:
    assert allowance.tier_of(on(artist, plan)) == tier


@pytest.mark.parametrize(
    ("plan", "owned", "lifted_by"),
    [("free", 1, "starter"), ("free", 5, "pro"), ("starter", 5, "pro")],
)
def test_the_way_up_from_the_styles_is_the_smallest_plan_that_holds_them(
    artist: User, plan: str, owned: int, lifted_by: str
) -> None:
    with pytest.raises(PlanLimit) as met:
        allowance.allow_another_style(on(artist, plan), owned=owned)
    way = met.value.way_up
    assert way is not None
    assert (met.value.status, met.value.code, way.plan) == (402, "plan_styles", lifted_by)
    assert way.url == f"/credits/pricing/?offer=plan_{lifted_by}_month"
    assert plans.PLANS[lifted_by].price in way.label


def test_within_the_plan_nothing_is_said(artist: User) -> None:
    allowance.allow_another_style(artist, owned=0)
    allowance.allow_another_style(on(artist, "pro"), owned=500)
    allowance.allow_steps(artist, 20)
    allowance.allow_film(on(artist, "starter"))
    assert allowance.told_before(lambda: allowance.allow_film(artist)) is None


def test_films_and_steps_lead_to_starter(artist: User) -> None:
    with pytest.raises(PlanLimit, match="Films come with larger plans") as film:
        allowance.allow_film(artist)
    with pytest.raises(PlanLimit, match="up to 20 steps") as steps:
        allowance.allow_steps(artist, 21)
    assert [met.value.way_up.plan for met in (film, steps) if met.value.way_up] == ["starter", "starter"]
    assert steps.value.field == "steps"


def test_where_no_plan_goes_further_no_way_up_is_shown(artist: User) -> None:
    with pytest.raises(PlanLimit) as met:
        allowance.allow_steps(on(artist, "enterprise"), 51)
    assert met.value.way_up is None


@pytest.mark.parametrize(
    ("missing", "pack", "plan"),
    [
        (1, "pack_50", "plan_starter_month"),
        (51, "pack_100", "plan_starter_month"),
        (250, "pack_250", "plan_starter_month"),
        (301, "", "plan_pro_month"),
        (9000, "", ""),
    ],
)
def test_who_runs_out_is_offered_the_smallest_pack_and_plan_that_reach(missing: int, pack: str, plan: str) -> None:
    offers = {way.offer for way in allowance.ways_to_credits(missing)}
    assert offers == {one for one in (pack, plan) if one}


def test_the_offer_counts_what_is_there_and_what_is_owed(artist: User) -> None:
    ledger.grant(user=artist, amount=10, source_ref="gift", say="A gift")
    with pytest.raises(InsufficientCredits) as refused:
        ledger.hold(user=artist, amount=60, key="job:1", say="A picture")
    assert refused.value.way_up is not None
    assert refused.value.way_up.offer == "pack_50"
    ledger.adjust(user=artist, amount=-11, key="back", say="Taken back", actor=None)
    with pytest.raises(InsufficientCredits) as refused:
        ledger.hold(user=artist, amount=50, key="job:2", say="A picture")
    assert refused.value.way_up is not None
    assert refused.value.way_up.offer == "pack_100"


# --- rates ----------------------------------------------------------------------------------------------------


def test_each_plan_has_rates_of_its_own(artist: User, monkeypatch: pytest.MonkeyPatch) -> None:
    slow_down(monkeypatch, submit=2, plan=plans.FREE)
    starter = on(make_user(), "starter")
    for _time in range(2):
        allowance.rate(artist, "submit")
    with pytest.raises(TooMany, match="Free takes 2 requests a minute") as refused:
        allowance.rate(artist, "submit")
    assert 0 < refused.value.retry_after <= 60
    for _time in range(3):
        allowance.rate(starter, "submit")


def test_many_files_at_once_count_as_many(artist: User, monkeypatch: pytest.MonkeyPatch) -> None:
    slow_down(monkeypatch, upload=3, plan=plans.FREE)
    with pytest.raises(TooMany, match="3 files a minute"):
        allowance.rate(artist, "upload", times=4)


def test_too_many_requests_hear_when_to_come_again(artist: User, monkeypatch: pytest.MonkeyPatch) -> None:
    slow_down(monkeypatch, submit=0, plan=plans.FREE)
    browser = Client()
    browser.force_login(artist)
    answer = browser.post("/create/", {"prompt": "a fox"})
    assert answer.status_code == 429
    assert "Free takes 0 requests a minute" in answer.content.decode()
    told = api_of(artist).post("/api/v1/generate", {"prompt": "a fox"}, content_type="application/json")
    assert told.status_code == 429
    assert 0 < int(told["Retry-After"]) <= 60


# --- told on pages and in the API -----------------------------------------------------------------------------


def api_of(user: User) -> Client:
    return Client(headers={"Authorization": f"Bearer {create_token(user=user, name='tests')[1]}"})


def test_the_api_says_which_plan_lifts_a_limit(artist: User) -> None:
    make_style(artist)
    answer = api_of(artist).post("/api/v1/styles", {"name": "Second"}, content_type="application/json")
    assert answer.status_code == 402
    assert answer["Content-Type"] == "application/problem+json"
    upgrade = answer.json()["upgrade"]
    assert upgrade["plan"] == "starter"
    assert upgrade["url"] == "http://testserver/credits/pricing/?offer=plan_starter_month"


def test_the_api_offers_credits_to_who_runs_out(artist: User) -> None:
    answer = api_of(artist).post("/api/v1/generate", {"prompt": "a fox"}, content_type="application/json")
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (402, "about:blank#insufficient_credits")
    assert [one["offer"] for one in problem["upgrade"]["offers"]] == ["pack_50", "plan_starter_month"]


def test_a_refusal_without_a_way_up_offers_none(artist: User) -> None:
    answer = api_of(artist).post("/api/v1/styles", {"name": ""}, content_type="application/json")
    assert "upgrade" not in answer.json()


def test_a_page_shows_the_way_up_and_leads_back(artist: User) -> None:
    browser = Client()
    browser.force_login(artist)
    answer = browser.post("/create/", {"prompt": "a fox"}, headers={"referer": "http://testserver/create/?style=1"})
    html = answer.content.decode()
    assert answer.status_code == 402
    assert 'href="/credits/pricing/?offer=pack_50&amp;next=%2Fcreate%2F%3Fstyle%3D1"' in html
    assert "50 credits for $4.99" in html


def test_a_fragment_leads_back_to_the_page_it_stands_on(artist: User) -> None:
    browser = Client()
    browser.force_login(artist)
    headers = {"hx-request": "true", "hx-current-url": "http://testserver/create/"}
    answer = browser.post("/create/", {"prompt": "a fox"}, headers=headers)
    assert "?offer=pack_50&amp;next=%2Fcreate%2F" in answer.content.decode()


def test_the_way_back_never_leads_elsewhere(artist: User) -> None:
    browser = Client()
    browser.force_login(artist)
    answer = browser.post("/create/", {"prompt": "a fox"}, headers={"referer": "https://elsewhere.example/create/"})
    html = answer.content.decode()
    assert 'href="/credits/pricing/?offer=pack_50"' in html
    assert "elsewhere" not in html


def test_a_toast_carries_the_way_up(artist: User) -> None:
    style = make_style(artist)
    ahead = make_style(on(artist, "pro"), name="Harbour")
    on(artist, "free")
    browser = Client()
    browser.force_login(artist)
    headers = {"hx-request": "true", "hx-current-url": f"http://testserver/styles/{style.public_id}/"}
    answer = browser.post(f"/styles/{style.public_id}/change/", {"name": "New"}, headers=headers)
    assert ahead.used_at > style.used_at
    assert answer.status_code == 402
    assert f"offer=plan_starter_month&next=%2Fstyles%2F{style.public_id}%2F" in answer["HX-Trigger"]


# --- who asks -------------------------------------------------------------------------------------------------


def test_the_form_offers_what_the_plan_allows(artist: User) -> None:
    base = shared.base_here()
    assert shared.bounds(artist).max_steps == min(base.max_steps, 20)
    assert shared.bounds(on(artist, "starter")).max_steps == min(base.max_steps, 50)


def test_a_smaller_plan_also_holds_when_something_is_tried_again(artist: User) -> None:
    """What was asked for under a larger plan is refused under the smaller one, in the same words."""
    from generation import actions
    from gpu import lifecycle

    ledger.grant(user=artist, amount=10, source_ref="gift", say="A gift")
    style = make_style(on(artist, "starter"))
    make_version(style)
    request = actions.create_request(owner=artist, tool="text_to_image", data={"prompt": "a fox", "steps": 40})
    lifecycle.request_cancel(job_id=request.outputs.get().job_id)
    on(artist, "free")
    with pytest.raises(Refusal, match="up to 20 steps"):
        actions.retry_request(request=request)
