"""What was done to an account and by whom, as its person and as staff read it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from accounts import actions, audit
from accounts.models import User
from accounts.tokens import create_token, revoke_token
from styles.actions import delete_style
from tests.builders import make_style, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def artist() -> User:
    return make_user("ines@example.com")


def read_by(user: User) -> list[tuple[str, str]]:
    return [(deed.say, deed.who) for deed in (audit.in_words(entry, seen_by=user) for entry in audit.trail_of(user))]


def test_it_tells_what_the_person_staff_and_the_house_did_newest_first(artist: User) -> None:
    staff = make_user(is_staff=True)
    token = create_token(user=artist, name="x")[0]
    revoke_token(token=token, actor=staff)
    actions.ban(user=artist, actor=staff, reason="a mistake")
    actions.unban(user=artist, actor=staff)
    actions.create_sign_in_link(user=artist)
    assert read_by(artist) == [
        ("One-time sign-in link made", "the house"),
        ("Account let in again", "staff"),
        ("Account shut out", "staff"),
        ("API token revoked", "staff"),
        ("API token made", "you"),
    ]


def test_what_was_done_to_their_styles_and_pictures_belongs_to_it(artist: User) -> None:
    delete_style(style=make_style(artist), actor=make_user(is_staff=True))
    assert read_by(artist)[0] == ("Style deleted", "staff")


def test_it_tells_nothing_of_others(artist: User) -> None:
    other, staff = make_user(), make_user(is_staff=True)
    create_token(user=other, name="theirs")
    make_style(other)
    actions.ban(user=other, actor=staff, reason="x")
    assert read_by(artist) == []
    assert read_by(staff) == [], "what staff did to others is not what was done to their own account"


def test_the_page_shows_a_page_of_it_and_the_way_to_the_rest(client: Client, artist: User) -> None:
    client.force_login(artist)
    for _number in range(25):
        audit.record(actor=artist, verb="profile.save", target_kind="user", target=artist.public_id)
    first = client.get("/settings/data/").content.decode()
    assert first.count("Profile changed") == 20
    assert 'href="?page=2' in first
    assert client.get("/settings/data/?page=2").content.decode().count("Profile changed") == 5


def test_no_colleague_is_named_and_no_reason_is_told(client: Client, artist: User) -> None:
    staff = make_user("karl@house.example", name="Karl Keel", is_staff=True)
    audit.record(
        actor=staff,
        verb="account.unban",
        target_kind="user",
        target=artist.public_id,
        detail={"reason": "he wrote to us"},
    )
    client.force_login(artist)
    html = client.get("/settings/data/").content.decode()
    assert "Account let in again" in html
    for secret in ("karl@house.example", "Karl Keel", "he wrote to us"):
        assert secret not in html


def verbs_in(path: Path) -> Iterator[str]:
    """Every verb that is written down where a line of the trail is made."""
    for call in ast.walk(ast.parse(path.read_text())):
        if isinstance(call, ast.Call):
            for keyword in call.keywords:
                if keyword.arg == "verb":
                    yield from (
                        node.value
                        for node in ast.walk(keyword.value)
                        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value
                    )


def test_every_verb_of_the_code_has_words() -> None:
    rooms = ("accounts", "billing", "gpu", "styles", "gallery", "training", "generation", "config")
    written = {verb for room in rooms for path in (settings.BASE_DIR / room).rglob("*.py") for verb in verbs_in(path)}
    assert len(written) > 20
    assert written - set(audit.words()) == set()
