"""Asking for the end of an account: what stops at once, what is refused from then on, and the page."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from pytest_django.fixtures import Settings

from accounts import closing, outbox
from accounts.closing import rooms
from accounts.models import Closing, User
from accounts.tokens import create_token, token_of
from billing import ledger
from config.kit.errors import Conflict, Refusal
from gallery.models import Artwork
from generation.actions import create_request
from gpu.models import Job
from styles.models import Style
from tests.accounts.closings import asked
from tests.accounts.whole import make_whole_person
from tests.builders import make_style, make_user, make_version
from tests.web.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_disk(tmp_path: Path, settings: Settings) -> None:
    settings.STATE_DIR = tmp_path / "state"
    store = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path / "media")}}
    settings.STORAGES = {**settings.STORAGES, "default": store}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_whole_person(tmp_path)


# --- the ask ------------------------------------------------------------------------------------------------------


def test_at_the_ask_work_is_cancelled_its_credits_come_back_and_public_things_become_private(
    settings: Settings,
) -> None:
    settings.BILLING = True
    user = make_user("ines@example.com")
    ledger.grant(user=user, amount=50, source_ref="welcome", say="Welcome")
    style = make_style(user, works=1)
    make_version(style)
    wish = {"prompt": "a house", "styles": [{"id": str(style.public_id), "weight": 1}]}
    create_request(owner=user, tool="text_to_image", data=wish)
    plain = create_token(user=user, name="x")[1]
    assert ledger.account_of(user).held > 0

    row = asked(user)

    assert set(Job.objects.filter(owner=user).values_list("state", flat=True)) == {"cancelled"}
    assert (ledger.account_of(user).available, ledger.account_of(user).held) == (50, 0)
    assert token_of(plain) is None
    assert row.due_at - row.asked_at == pytest.approx(timedelta(days=14), abs=timedelta(seconds=5))
    assert Closing.objects.get().stopped_at is not None


def test_public_pictures_become_private(world: World) -> None:
    Artwork.objects.filter(owner=world.owner).update(visibility="public")
    asked(world.owner)
    assert set(Artwork.objects.filter(owner=world.owner).values_list("visibility", flat=True)) == {"private"}


def test_nothing_new_begins_until_it_is_taken_back(world: World) -> None:
    asked(world.owner)
    style = Style.objects.filter(owner=world.owner, status="trained").first()
    assert style is not None
    wish = {"prompt": "a house", "styles": [{"id": str(style.public_id), "weight": 1}]}
    with pytest.raises(Conflict, match="closes on"):
        create_request(owner=world.owner, tool="text_to_image", data=wish)
    assert closing.take_back(user=world.owner)
    create_request(owner=world.owner, tool="text_to_image", data=wish)


@pytest.mark.parametrize("typed", ["", "yes", "ines@example.co"])
def test_it_is_not_asked_for_by_mistake(typed: str) -> None:
    user = make_user("ines@example.com")
    with pytest.raises(Refusal, match="Type your email address"):
        closing.ask(user=user, typed=typed)
    assert not Closing.objects.exists()


@pytest.mark.parametrize("typed", ["INES@example.com", " close "])
def test_the_address_or_the_word_will_do(typed: str) -> None:
    assert closing.ask(user=make_user("ines@example.com"), typed=typed).done_at is None


def test_it_is_asked_for_once_at_a_time_and_again_after_it_was_taken_back() -> None:
    user = make_user()
    asked(user)
    with pytest.raises(Conflict):
        asked(user)
    assert closing.take_back(user=user)
    assert not closing.take_back(user=user)
    asked(user)
    assert Closing.objects.count() == 2


def test_staff_gives_back_their_rights_first() -> None:
    with pytest.raises(Refusal, match="rights"):
        asked(make_user(is_staff=True))


def test_the_person_is_told_by_mail_at_the_ask_and_when_it_is_taken_back() -> None:
    user = make_user("ines@example.com")
    asked(user)
    closing.take_back(user=user)
    outbox.work()
    assert [(letter.to, letter.subject[:20]) for letter in mail.outbox] == [
        (["ines@example.com"], "Your account closes "),
        (["ines@example.com"], "Your account stays"),
    ]


def test_what_cannot_be_stopped_now_is_stopped_later(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[User] = []

    def stop(user: User) -> None:
        calls.append(user)
        if len(calls) == 1:
            raise OSError("Stripe is away")

    monkeypatch.setitem(rooms._rooms, "elsewhere", rooms.Room("elsewhere", stop=stop))
    user = make_user()
    row = asked(user)
    assert "Stripe is away" in Closing.objects.get(pk=row.pk).error
    closing.work()
    assert calls == [user, user]
    assert Closing.objects.get(pk=row.pk).stopped_at is not None


# --- the pages ----------------------------------------------------------------------------------------------------

PASSWORD = "correct horse battery"


@pytest.fixture
def artist(client: Client) -> User:
    user = make_user("ines@example.com", password=PASSWORD)
    client.force_login(user)
    return user


def close(client: Client, typed: str) -> Any:
    """Ask on the page, and confirm with the password where that is asked for."""
    answer = client.post("/settings/data/close/", {"typed": typed})
    if answer.status_code == 302 and "/accounts/reauthenticate/" in answer["Location"]:
        assert not Closing.objects.exists()
        answer = client.post(answer["Location"], {"password": PASSWORD}, follow=True)
    return answer


def test_the_page_tells_what_goes_and_offers_the_archive_first(client: Client, world: World) -> None:
    client.force_login(world.owner)
    html = client.get("/settings/data/").content.decode()
    assert html.index("Make a new archive") < html.index("Close my account")
    assert "Your pictures (1) and films (0)" in html
    assert "Your styles (3), their works" in html


def test_it_is_asked_for_after_the_password_and_every_page_says_when(client: Client, artist: User) -> None:
    html = close(client, "close").content.decode()
    row = Closing.objects.get(user=artist)
    day = f"{row.due_at.day} {row.due_at:%B %Y}"
    assert f"Your account closes on {day}" in html
    banner = f"Your account closes on {day}. Until then nothing new can begin."
    for path in ("/studio/", "/settings/", "/gallery/", "/credits/"):
        assert banner in client.get(path).content.decode(), path
    assert "Your account stays" in client.post("/settings/data/keep/", follow=True).content.decode()
    assert banner not in client.get("/studio/").content.decode()


def test_a_slip_of_the_pen_is_told_at_the_field(client: Client, artist: User) -> None:
    answer = close(client, "clse")
    assert answer.status_code == 422
    assert 'id="closing-error"' in answer.content.decode()
    assert not Closing.objects.exists()


def test_no_token_is_made_for_an_account_that_closes(client: Client, artist: User) -> None:
    asked(artist)
    answer = client.post("/settings/tokens/", {"name": "x", "scopes": ["read"]}, headers={"HX-Request": "true"})
    assert answer.status_code == 422
    assert "Your account closes on" in answer.content.decode()
    assert not artist.tokens.exists()
