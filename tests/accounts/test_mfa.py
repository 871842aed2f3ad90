"""The second step: codes from an app, recovery codes, and asking for it wherever somebody comes in."""

from __future__ import annotations

import re

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client

from accounts import actions
from accounts.models import AuditEntry, User
from tests.accounts.signing_in import (
    EMAIL,
    app_for,
    code_of,
    confirm,
    has_step,
    is_in,
    mailed_code,
    sign_in,
    signed_in,
    with_password,
)
from tests.accounts.test_social import come
from tests.fakes.providers import Providers, Visitor

pytestmark = pytest.mark.django_db
ACTIVATE = "/accounts/2fa/totp/activate/"
STEP = "/accounts/2fa/authenticate/"


def turn_on(client: Client) -> str:
    """Through the page; the secret that it showed."""
    page = client.get(ACTIVATE).content.decode()
    found = re.search(r'id="totp-secret">([A-Z2-7]+)<', page)
    assert found, page
    client.post(ACTIVATE, {"code": code_of(found.group(1))})
    return found.group(1)


# --- setting it up ---


@pytest.mark.django_db(transaction=True)  # the mail and the trail follow the commit
def test_it_is_turned_on_with_a_code_and_brings_recovery_codes() -> None:
    client, user = signed_in()
    turn_on(client)
    assert has_step(user, "totp")
    page = client.get("/accounts/2fa/recovery-codes/").content.decode()
    assert len(re.findall(r"<li>\d{8}</li>", page)) == 10
    assert "second_step.add" in AuditEntry.objects.values_list("verb", flat=True)
    assert any(message.to == [EMAIL] for message in mail.outbox)


def test_a_wrong_code_turns_nothing_on() -> None:
    client, user = signed_in()
    client.get(ACTIVATE)
    answer = client.post(ACTIVATE, {"code": "000000"})
    assert "That code is not right." in answer.content.decode()
    assert not has_step(user, "totp")


@pytest.mark.parametrize(
    "page",
    [
        ACTIVATE,
        "/accounts/2fa/webauthn/add/",
        "/accounts/2fa/recovery-codes/generate/",
    ],
)
def test_setting_up_asks_whether_it_is_still_them(page: str, client: Client) -> None:
    with_password()
    sign_in(client)
    assert client.get(page)["Location"].startswith("/accounts/reauthenticate/")
    confirm(client)
    assert client.get(page).status_code == 200


def test_turning_it_off_asks_as_well_and_takes_the_recovery_codes_along() -> None:
    client, user = signed_in()
    secret = turn_on(client)
    other = Client()
    sign_in(other)
    other.post(STEP, {"code": code_of(secret)})
    assert other.post("/accounts/2fa/totp/deactivate/").status_code == 302
    assert has_step(user, "totp")
    client.post("/accounts/2fa/totp/deactivate/")
    assert not Authenticator.objects.exists()


def test_the_pages_of_the_second_step_say_what_there_is() -> None:
    client, _user = signed_in()
    assert "Turn on" in client.get("/accounts/2fa/").content.decode()
    turn_on(client)
    assert "10 left." in client.get("/accounts/2fa/").content.decode()
    assert "10 recovery codes are left." in client.get("/settings/security/").content.decode()


# --- coming in with it ---


def test_the_password_alone_does_not_open_the_account(client: Client) -> None:
    secret = app_for(with_password())
    assert sign_in(client)["Location"] == STEP
    assert not is_in(client)
    assert client.get("/studio/").status_code == 302
    client.post(STEP, {"code": code_of(secret)})
    assert is_in(client)


def test_a_code_opens_once(client: Client) -> None:
    secret = app_for(with_password())
    code = code_of(secret)
    sign_in(client)
    client.post(STEP, {"code": code})
    other = Client()
    sign_in(other)
    other.post(STEP, {"code": code})
    assert (is_in(client), is_in(other)) == (True, False)


def test_a_recovery_code_opens_once(client: Client) -> None:
    user = with_password()
    app_for(user)
    code = RecoveryCodes.activate(user).get_unused_codes()[0]
    sign_in(client)
    client.post(STEP, {"code": code})
    other = Client()
    sign_in(other)
    other.post(STEP, {"code": code})
    assert (is_in(client), is_in(other)) == (True, False)


def test_google_s_word_does_not_replace_the_second_step(client: Client, providers: Providers) -> None:
    come(client, providers, "google", Visitor(EMAIL))
    secret = app_for(User.objects.get())
    other = Client()
    answer = come(other, providers, "google", Visitor(EMAIL))
    assert answer.redirect_chain[-1][0] == STEP
    assert not is_in(other)
    other.post(STEP, {"code": code_of(secret)})
    assert is_in(other)


def test_neither_does_a_code_by_mail(client: Client) -> None:
    app_for(with_password())
    client.post("/accounts/login/code/", {"email": EMAIL})
    answer = client.post("/accounts/login/code/confirm/", {"code": mailed_code()})
    assert answer["Location"] == STEP
    assert not is_in(client)


def test_neither_does_the_link_from_the_terminal(client: Client) -> None:
    user = with_password()
    secret = app_for(user)
    answer = client.get(f"/settings/sign-in/{actions.create_sign_in_link(user=user)}/")
    assert answer["Location"] == STEP
    assert not is_in(client)
    assert client.post(STEP, {"code": code_of(secret)})["Location"] == "/studio/"
    assert is_in(client)


def test_neither_does_a_new_password(client: Client) -> None:
    app_for(with_password())
    client.post("/accounts/password/reset/", {"email": EMAIL})
    link = re.search(r"https?://\S+/password/reset/key/\S+", str(mail.outbox[-1].body))
    assert link
    address = client.get(link.group(0), follow=True).redirect_chain[-1][0]
    client.post(address, {"password1": "another hedgerow", "password2": "another hedgerow"})
    assert not is_in(client)


def test_who_has_a_second_step_may_confirm_with_it() -> None:
    _client, user = signed_in()
    secret = app_for(user)
    other = Client()
    sign_in(other)
    other.post(STEP, {"code": code_of(secret)})
    answer = other.get("/accounts/reauthenticate/?next=/accounts/email/")
    assert "/accounts/2fa/reauthenticate/?next=" in answer.content.decode()


def test_a_lost_second_step_is_taken_away_by_the_operator(client: Client) -> None:
    secret = app_for(with_password())
    sign_in(client)
    client.post(STEP, {"code": code_of(secret)})
    call_command("forget_second_step", EMAIL)
    assert client.get("/settings/").status_code == 302
    sign_in(client)
    assert is_in(client)
    assert AuditEntry.objects.get(verb="second_step.remove").actor is None
    with pytest.raises(CommandError, match="has no second step"):
        call_command("forget_second_step", EMAIL)


# --- passkeys: the whole ceremony is tested in a browser (tests/browser/test_sign_in.py) ---


def test_a_passkey_is_asked_for_under_our_name_and_address() -> None:
    client, _user = signed_in()
    page = client.get("/accounts/2fa/webauthn/add/").content.decode()
    assert '"name": "ArtistCloner"' in page
    assert '"id": "testserver"' in page


def test_the_page_of_signing_in_offers_a_passkey(client: Client) -> None:
    page = client.get("/accounts/login/").content.decode()
    assert 'id="passkey_login"' in page
    asked = client.get("/accounts/2fa/webauthn/login/", headers={"Accept": "application/json"}).json()
    assert asked["request_options"]["publicKey"]["userVerification"] == "required"


@pytest.mark.parametrize("said", ["", "not json", "{}", '{"type": "public-key", "id": "AA", "rawId": "AA"}'])
def test_a_passkey_made_up_opens_nothing_and_breaks_nothing(said: str, client: Client) -> None:
    client.get("/accounts/2fa/webauthn/login/", headers={"Accept": "application/json"})
    answer = client.post("/accounts/2fa/webauthn/login/", {"credential": said})
    assert answer.status_code == 302
    assert not is_in(client)
