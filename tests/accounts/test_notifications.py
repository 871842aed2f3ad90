"""Telling a person something: once, under the bell, by mail where it is wanted, and only them."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from accounts import notifications
from accounts.models import Notification, Outbox, Profile, User
from accounts.notifications import Kind, choose, notify
from accounts.tasks import tidy
from tests.builders import make_user

pytestmark = pytest.mark.django_db

TALK = Kind("test.talk", "Talk", mail=True)
QUIET = Kind("test.quiet", "Quiet")
MONEY = Kind("test.money", "Money", mail=True, binding=True)


@pytest.fixture(autouse=True)
def _kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "_kinds", dict(notifications._kinds))
    notifications.register(TALK, QUIET, MONEY)


@pytest.fixture
def artist() -> User:
    return make_user("ines@example.com")


@pytest.fixture
def signed_in(client: Client, artist: User) -> Client:
    client.force_login(artist, backend="django.contrib.auth.backends.ModelBackend")
    return client


def tell(user: User, key: str = "1", kind: str = TALK.name, **fields: str) -> Notification:
    made = notify(user=user, kind=kind, key=key, title=fields.pop("title", f"News {key}"), **fields)
    assert made is not None
    return made


def test_the_same_effect_is_told_once(artist: User) -> None:
    tell(artist, "job:1")
    assert notify(user=artist, kind=TALK.name, key="job:1", title="Again") is None
    assert Notification.objects.get().title == "News job:1"
    assert Outbox.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_who_tell_the_same_at_once_tell_it_once(artist: User) -> None:
    together = threading.Barrier(4)
    told: list[Notification | None] = []

    def run() -> None:
        together.wait(10)
        told.append(notify(user=artist, kind=TALK.name, key="job:1", title="News"))
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(told), sum(one is not None for one in told)) == (4, 1)
    assert Outbox.objects.count() == 1


def test_what_is_rolled_back_is_not_told(artist: User) -> None:
    with transaction.atomic():
        tell(artist)
        transaction.set_rollback(True)
    assert not Notification.objects.exists()
    assert not Outbox.objects.exists()


def test_a_kind_that_nobody_registered_is_an_error(artist: User) -> None:
    with pytest.raises(KeyError):
        notify(user=artist, kind="test.unknown", key="1", title="?")


@pytest.mark.parametrize(
    ("kind", "said", "mailed"),
    [
        (TALK, {}, True),
        (QUIET, {}, False),
        (TALK, {TALK.name: False}, False),
        (QUIET, {QUIET.name: True}, True),
        (MONEY, {MONEY.name: False}, True),
    ],
)
def test_it_is_mailed_where_it_is_wanted_and_always_where_it_binds(
    artist: User, kind: Kind, said: dict[str, bool], mailed: bool
) -> None:
    Profile.objects.create(user=artist, mails=said)
    tell(artist, kind=kind.name)
    assert Outbox.objects.exists() is mailed


def test_what_shall_not_ring_is_filed_as_read(artist: User) -> None:
    choose(user=artist, kind=QUIET.name, bell=False)
    assert tell(artist, kind=QUIET.name).read_at is not None


def test_what_binds_cannot_be_turned_off(artist: User) -> None:
    choose(user=artist, kind=MONEY.name, bell=False, mail=False)
    assert tell(artist, kind=MONEY.name).read_at is None
    assert Outbox.objects.exists()


def test_tabs_hear_of_it_after_the_commit_and_not_before(
    artist: User, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: object
) -> None:
    heard: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr(notifications, "publish", lambda group, message: heard.append((group, message)))
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        tell(artist)
        assert heard == []
    assert heard == [(f"user-{artist.public_id}", {"type": "notification.changed", "is_new": True})]


# --- pages ---


def test_the_bell_counts_what_is_unread_and_says_nine_plus(signed_in: Client, artist: User) -> None:
    for number in range(9):
        tell(artist, str(number))
    assert ">9</span>" in signed_in.get("/settings/").content.decode()
    tell(artist, "10")
    html = signed_in.get("/settings/").content.decode()
    assert ">9+</span>" in html
    assert "Notifications, 10 unread" in html


def test_the_panel_shows_the_newest_ten_lines(signed_in: Client, artist: User) -> None:
    for number in range(12):
        tell(artist, f"{number:02}")
    html = signed_in.get("/notifications/bell/").content.decode()
    assert html.index("News 11") < html.index("News 02")
    assert "News 01" not in html


def test_opening_leads_there_and_marks_as_read(signed_in: Client, artist: User) -> None:
    line = tell(artist, url="/styles/")
    answer = signed_in.get(f"/notifications/{line.public_id}/")
    line.refresh_from_db()
    assert (answer.status_code, answer["Location"]) == (302, "/styles/")
    assert line.read_at is not None


@pytest.mark.parametrize("url", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""])
def test_a_notification_never_leads_out_of_the_house(signed_in: Client, artist: User, url: str) -> None:
    line = tell(artist, url=url)
    assert signed_in.get(f"/notifications/{line.public_id}/")["Location"] == "/notifications/"


def test_one_and_all_can_be_marked_as_read(signed_in: Client, artist: User) -> None:
    first = tell(artist, "1")
    tell(artist, "2")
    tell(make_user(), "3")
    signed_in.post(f"/notifications/{first.public_id}/read/")
    assert Notification.objects.filter(user=artist, read_at=None).count() == 1
    signed_in.post("/notifications/read/")
    assert not Notification.objects.filter(user=artist, read_at=None).exists()
    assert Notification.objects.filter(read_at=None).count() == 1, "those of others stay as they are"


def test_marking_in_the_panel_answers_with_its_parts(signed_in: Client, artist: User) -> None:
    line = tell(artist)
    html = signed_in.post(f"/notifications/{line.public_id}/read/", headers={"HX-Request": "true"}).content.decode()
    assert 'id="bell-lines"' in html
    assert 'id="bell-count"' in html
    assert "unread" not in html


def test_somebody_else_s_line_does_not_exist(signed_in: Client) -> None:
    line = tell(make_user())
    assert signed_in.get(f"/notifications/{line.public_id}/").status_code == 404
    assert signed_in.post(f"/notifications/{line.public_id}/read/").status_code == 404


def test_the_list_is_paged_and_can_show_what_is_unread_alone(signed_in: Client, artist: User) -> None:
    for number in range(31):
        tell(artist, f"{number:02}")
    notifications.read(notification=tell(artist, "read", title="Old news"))
    whole = signed_in.get("/notifications/").content.decode()
    assert whole.count("<li") - whole.split("<main")[0].count("<li") >= 30
    assert "Old news" in whole
    assert "News 00" in signed_in.get("/notifications/?page=2").content.decode()
    unread = signed_in.get("/notifications/?show=unread").content.decode().split("<main")[1]
    assert "Old news" not in unread
    assert "?show=unread&amp;page=2" in unread


def test_nothing_yet_says_what_will_come(signed_in: Client) -> None:
    assert "Nothing yet" in signed_in.get("/notifications/").content.decode().split("<main")[1]
    assert "You have read everything" in signed_in.get("/notifications/?show=unread").content.decode()


def test_the_settings_show_what_holds_and_keep_what_is_said(signed_in: Client, artist: User) -> None:
    html = signed_in.get("/settings/notifications/").content.decode()
    assert f'name="mail:{TALK.name}" checked' in html
    assert f'name="mail:{MONEY.name}"' not in html
    assert "Money" in html, "what is always told is named"
    signed_in.post("/settings/notifications/save/", {f"bell:{QUIET.name}": "on", f"mail:{QUIET.name}": "on"})
    profile = Profile.objects.get(user=artist)
    assert (profile.mails[TALK.name], profile.mails[QUIET.name]) == (False, True)
    assert (profile.bells[TALK.name], profile.bells[QUIET.name]) == (False, True)
    assert MONEY.name not in profile.mails


def test_what_was_read_long_ago_is_tidied_away_and_nothing_else(artist: User) -> None:
    old = timezone.now() - notifications.READ_LASTS - timedelta(days=1)
    tell(artist, "unread")
    notifications.read(notification=tell(artist, "read"))
    tell(artist, "old")
    Notification.objects.filter(key="old").update(read_at=old)
    Notification.objects.filter(key="unread").update(created_at=old)
    tidy()
    assert set(Notification.objects.values_list("key", flat=True)) == {"unread", "read"}
