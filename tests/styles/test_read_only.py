"""A smaller plan deletes nothing: the styles beyond it rest, told by name, and come back with a larger plan."""

from __future__ import annotations

import datetime

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import User
from accounts.tokens import create_token
from billing import allowance, ledger
from billing.allowance import PlanLimit
from billing.models import Entitlement
from config.kit.errors import TooMany
from generation import actions as generation_actions
from generation.queries import usable_styles
from styles import actions, queries
from styles.models import Style
from tests.builders import make_style, make_user, make_version
from tests.styles.pictures import jpeg, upload
from training import actions as training_actions

pytestmark = pytest.mark.django_db


@pytest.fixture
def artist(settings: Settings) -> User:
    """Three styles made under Pro, one after another, and Pro has ended: Free keeps one."""
    settings.BILLING = True
    user = make_user()
    Entitlement.objects.create(user=user, plan="pro", subscribed="pro", status="active")
    for name in ("Oldest", "Middle", "Newest"):
        make_version(make_style(user, name=name, works=1))
    ended = datetime.datetime(2026, 5, 3, tzinfo=datetime.UTC)
    Entitlement.objects.update(plan="free", status="canceled", ends_at=ended)
    return user


def named(user: User, name: str) -> Style:
    return Style.objects.owned_by(user).get(name=name)


def resting(user: User) -> set[str]:
    ids = queries.read_only_ids(user)
    return set(Style.objects.filter(pk__in=ids).values_list("name", flat=True))


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


# --- which --------------------------------------------------------------------------------------------------------


def test_those_used_last_stay_in_use(artist: User) -> None:
    assert resting(artist) == {"Oldest", "Middle"}
    Entitlement.objects.update(plan="starter")
    assert resting(artist) == set()


def test_asking_for_pictures_counts_as_use(artist: User) -> None:
    Entitlement.objects.update(plan="pro")
    ledger.grant(user=artist, amount=5, source_ref="gift", say="A gift")
    oldest = named(artist, "Oldest")
    mix = [{"id": str(oldest.public_id)}]
    generation_actions.create_request(
        owner=artist, tool="text_to_image", data={"prompt": "a fox", "styles": mix, "count": 1}
    )
    Entitlement.objects.update(plan="free")
    assert resting(artist) == {"Middle", "Newest"}


def test_a_training_counts_as_use(artist: User) -> None:
    make_version(named(artist, "Middle"))
    assert resting(artist) == {"Oldest", "Newest"}


def test_the_sample_is_never_read_only_and_takes_nobodys_place(artist: User) -> None:
    Style.objects.filter(name="Newest").update(is_sample=True)
    assert resting(artist) == {"Oldest"}
    Style.objects.filter(name="Middle").update(is_sample=True)
    assert resting(artist) == set()


def test_deleting_the_one_in_use_lets_the_next_work_again(artist: User) -> None:
    actions.delete_style(style=named(artist, "Newest"))
    assert resting(artist) == {"Oldest"}


def test_at_home_nothing_is_read_only(artist: User, settings: Settings) -> None:
    settings.BILLING = False
    assert resting(artist) == set()
    assert allowance.standing(artist) is None


# --- what it means ------------------------------------------------------------------------------------------------


def test_a_read_only_style_cannot_be_changed_trained_or_drawn_in(artist: User) -> None:
    style = named(artist, "Oldest")
    reference, adapter = style.references.get(), style.adapters.get()
    mix = {"prompt": "a fox", "styles": [{"id": str(style.public_id)}]}
    attempts = [
        lambda: actions.rename(style=style, name="Other"),
        lambda: actions.describe(style=style, description="Other"),
        lambda: actions.add_references(style=style, files=[upload(jpeg(3), "a.jpg")]),
        lambda: actions.set_caption(reference=reference, caption="Other"),
        lambda: actions.keep_in_set(reference=reference),
        lambda: training_actions.start_run(owner=artist, style=style, purpose="style", quality="quick"),
        lambda: training_actions.activate_version(style=style, number=1),
        lambda: training_actions.rename_version(adapter=adapter, name="Other"),
        lambda: generation_actions.create_request(owner=artist, tool="text_to_image", data=mix),
    ]
    for attempt in attempts:
        with pytest.raises(PlanLimit, match="“Oldest” is read-only") as met:
            attempt()
        assert (met.value.status, met.value.code) == (402, "plan_read_only")
        assert met.value.way_up is not None
        assert met.value.way_up.plan == "starter"  # the smallest that holds all three
    assert list(usable_styles(artist, "starter")) == [named(artist, "Newest")]


def test_it_can_be_looked_at_exported_and_deleted(artist: User) -> None:
    style, browser = named(artist, "Oldest"), browser_of(artist)
    for name in ("styles:detail", "training:run", "training:versions"):
        html = browser.get(reverse(name, args=[style.public_id])).content.decode()
        assert "“Oldest” is read-only" in html, name
        assert "Use this one instead of Newest" in html
    assert browser.get(reverse("training:weights", args=[style.public_id, 1])).status_code == 302
    actions.delete_reference(reference=style.references.get())
    assert browser.post(f"/styles/{style.public_id}/delete/").status_code == 302
    assert not Style.objects.filter(pk=style.pk).exists()


def test_nothing_is_deleted_and_a_larger_plan_brings_everything_back(artist: User) -> None:
    assert Style.objects.owned_by(artist).count() == 3
    Entitlement.objects.update(plan="starter")
    assert actions.rename(style=named(artist, "Oldest"), name="Harbour").name == "Harbour"


def test_the_cards_and_the_api_mark_them(artist: User) -> None:
    for page in ("/styles/", "/studio/"):
        html = browser_of(artist).get(page).content.decode()
        assert html.count("read-only</span>") == 2, page
    assert "3, 1 in use" in browser_of(artist).get("/studio/").content.decode()
    api = Client(headers={"Authorization": f"Bearer {create_token(user=artist, name='tests')[1]}"})
    listed = {one["name"]: one["read_only"] for one in api.get("/api/v1/styles").json()["items"]}
    assert listed == {"Oldest": True, "Middle": True, "Newest": False}


def test_it_is_told_when_the_plan_ended_and_what_holds_them_again(artist: User) -> None:
    standing = allowance.standing(artist)
    assert standing is not None
    assert standing.say.startswith("Pro ended on 3 May 2026. 2 styles are read-only until your plan holds them.")
    assert standing.way_up is not None
    assert standing.way_up.plan == "starter"
    html = browser_of(artist).get("/credits/").content.decode()
    assert "Pro ended on 3 May 2026." in html
    assert "?offer=plan_starter_month" in html


def test_a_new_style_is_refused_before_anything_is_brought(artist: User) -> None:
    html = browser_of(artist).get("/styles/new/").content.decode()
    assert "holds 1 style" in html
    assert "Choose Pro, $29.99 a month" not in html  # Starter holds four
    assert "Choose Starter, $9.99 a month" in html


def test_with_a_script_the_refusal_of_a_new_style_brings_its_way_up(artist: User) -> None:
    headers = {"accept": "application/json", "referer": "http://testserver/styles/new/"}
    answer = browser_of(artist).post("/styles/new/", {"name": "Fourth"}, headers=headers)
    assert answer.status_code == 402
    assert answer.json()["way"]["url"] == "/credits/pricing/?offer=plan_starter_month&next=%2Fstyles%2Fnew%2F"


# --- choosing which -----------------------------------------------------------------------------------------------


def test_the_artist_chooses_which_one_stays(artist: User) -> None:
    style = named(artist, "Oldest")
    answer = browser_of(artist).post(f"/styles/{style.public_id}/use/", follow=True)
    assert "Oldest is in use now. Newest is read-only instead." in answer.content.decode()
    assert resting(artist) == {"Middle", "Newest"}


def test_a_plan_of_one_style_is_not_a_plan_of_all_by_turns(artist: User) -> None:
    for name in ("Oldest", "Middle", "Newest"):
        actions.use_instead(style=named(artist, name))
    with pytest.raises(TooMany, match="Tomorrow you can choose anew"):
        actions.use_instead(style=named(artist, "Oldest"))
    assert resting(artist) == {"Oldest", "Middle"}


def test_a_style_in_use_needs_no_choosing(artist: User) -> None:
    before = named(artist, "Newest").used_at
    assert actions.use_instead(style=named(artist, "Newest")) is None
    assert named(artist, "Newest").used_at == before <= timezone.now()
