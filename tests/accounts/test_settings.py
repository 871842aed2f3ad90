"""The pages of the settings: profile, appearance, tokens."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from accounts.handles import RESERVED
from accounts.models import ApiToken, Profile, User
from accounts.tokens import create_token, token_of
from tests.builders import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def artist(client: Client) -> User:
    user = make_user("ines@example.com")
    client.force_login(user)
    return user


def save(client: Client, **fields: str) -> tuple[int, str]:
    answer = client.post(
        "/settings/profile/", {"name": "", "handle": "", "about": ""} | fields, headers={"HX-Request": "true"}
    )
    return answer.status_code, answer.content.decode()


def test_the_page_shows_what_is_stored(client: Client, artist: User) -> None:
    assert 'id="profile"' in client.get("/settings/").content.decode()
    assert "ines@example.com" in client.get("/settings/security/").content.decode()
    assert 'id="tokens"' in client.get("/settings/tokens/").content.decode()


@pytest.mark.parametrize("path", ["/settings/", "/settings/security/", "/settings/tokens/", "/settings/data/"])
def test_each_page_of_the_settings_leads_to_the_others_and_says_where_it_is(
    client: Client, artist: User, path: str
) -> None:
    html = client.get(path).content.decode()
    nav = html.partition('<nav class="side-nav"')[2].partition("</nav>")[0]
    assert re.findall(r'href="([^"]+)" aria-current="page"', nav) == [path]
    assert {"/settings/", "/settings/security/", "/settings/tokens/", "/settings/data/"} <= set(
        re.findall(r'href="([^"]+)"', nav)
    )


def test_a_profile_is_saved_and_the_group_comes_back_alone(client: Client, artist: User) -> None:
    status, html = save(client, name="  Ines   Moreau ", handle="@Ines-Moreau", about="Printmaker in Nantes.")
    assert status == 200
    assert html.strip().startswith('<form class="settings-group" id="profile"')
    artist.refresh_from_db()
    assert (artist.name, artist.handle) == ("Ines Moreau", "ines-moreau")
    assert Profile.objects.get(user=artist).about == "Printmaker in Nantes."


def test_without_script_saving_leads_back_to_the_group(client: Client, artist: User) -> None:
    answer = client.post("/settings/profile/", {"name": "Ines", "handle": "", "about": ""})
    assert answer["Location"] == "/settings/#profile"
    assert "Your profile is saved." in client.get("/settings/").content.decode()


@pytest.mark.parametrize(
    ("handle", "sentence"),
    [
        ("ab", "3 to 30 letters"),
        ("a" * 31, "3 to 30 letters"),
        ("in es", "3 to 30 letters"),
        ("-ines", "3 to 30 letters"),
        ("<b>ines", "3 to 30 letters"),
        ("inès", "3 to 30 letters"),
        ("Admin", "@admin is kept for the house"),
        ("settings", "@settings is kept for the house"),
        ("taken", "@taken is taken. @taken-art is free."),
        ("TAKEN", "@taken is taken."),
    ],
)
def test_a_handle_that_cannot_be_says_why_at_its_field(
    client: Client, artist: User, handle: str, sentence: str
) -> None:
    make_user(handle="taken")
    status, html = save(client, name="Ines", handle=handle)
    assert status == 422
    assert sentence in html
    assert 'aria-invalid="true"' in html
    artist.refresh_from_db()
    assert (artist.name, artist.handle) == ("", None)


def test_every_address_of_the_site_is_a_reserved_word() -> None:
    from django.urls import get_resolver

    first_parts = {re.match(r"[a-z]*", str(route.pattern)).group() for route in get_resolver().url_patterns}  # type: ignore[union-attr]
    assert first_parts - {"", "healthz", "readyz"} <= RESERVED


def test_a_handle_can_be_kept_and_given_back(client: Client, artist: User) -> None:
    save(client, handle="ines")
    assert save(client, handle="ines")[0] == 200
    assert save(client, handle="")[0] == 200
    artist.refresh_from_db()
    assert artist.handle is None


@pytest.mark.parametrize("fields", [{"name": "x" * 81}, {"about": "x" * 301}, {"name": "a\x00b"}])
def test_text_that_does_not_fit_is_refused_at_its_field(client: Client, artist: User, fields: dict[str, str]) -> None:
    status, html = save(client, **fields)
    assert status == 422
    assert 'class="error"' in html


def test_the_theme_is_remembered_in_the_account(client: Client, artist: User) -> None:
    client.post("/settings/appearance/", {"theme": "light"})
    assert Profile.objects.get(user=artist).theme == "light"


def test_a_theme_that_does_not_exist_is_refused(client: Client, artist: User) -> None:
    answer = client.post("/settings/appearance/", {"theme": "sepia"})
    assert answer.status_code == 422
    assert "dark, light, system" in answer.content.decode()


def test_a_token_is_shown_once_and_works(client: Client, artist: User) -> None:
    answer = client.post(
        "/settings/tokens/", {"name": "Batch script", "scopes": ["read"]}, headers={"HX-Request": "true"}
    )
    found = re.search(r'id="new-token">(ac_[\w-]+)<', answer.content.decode())
    assert found
    assert "no-store" in answer["Cache-Control"]
    token = token_of(found.group(1))
    assert token is not None
    assert (token.user, token.scopes) == (artist, ["read"])
    again = client.get("/settings/tokens/").content.decode()
    assert "Batch script" in again
    assert found.group(1) not in again


@pytest.mark.parametrize("name", ["", "x" * 61])
def test_a_token_without_a_fitting_name_is_refused_at_its_field(client: Client, artist: User, name: str) -> None:
    answer = client.post("/settings/tokens/", {"name": name, "scopes": ["read"]}, headers={"HX-Request": "true"})
    assert answer.status_code == 422
    assert 'class="error"' in answer.content.decode()
    assert not ApiToken.objects.exists()


def test_a_revoked_token_leaves_the_list_and_opens_nothing(client: Client, artist: User) -> None:
    token, plain = create_token(user=artist, name="Shop sync")
    answer = client.post(f"/settings/tokens/{token.public_id}/revoke/", headers={"HX-Request": "true"})
    assert "Shop sync" not in answer.content.decode()
    assert "is revoked" in answer["HX-Trigger"].encode().decode("unicode_escape")
    assert token_of(plain) is None


def test_the_tokens_of_others_do_not_exist(client: Client, artist: User) -> None:
    token, plain = create_token(user=make_user(), name="Theirs")
    assert client.post(f"/settings/tokens/{token.public_id}/revoke/").status_code == 404
    assert token_of(plain) is not None
    assert "Theirs" not in client.get("/settings/tokens/").content.decode()


@pytest.mark.parametrize("path", ["", "profile/", "appearance/", "tokens/"])
def test_a_stranger_is_asked_to_sign_in(client: Client, path: str) -> None:
    answer = client.get("/settings/") if not path else client.post(f"/settings/{path}")
    assert answer["Location"].startswith("/accounts/login/")
