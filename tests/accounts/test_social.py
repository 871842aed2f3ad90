"""Signing in with Google and Discord, through the real pages, against servers that check as they do."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialToken
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.sessions.models import Session
from django.core import mail
from django.test import Client

from accounts.models import AuditEntry, User
from accounts.providers import speak_to_discord_at, speak_to_google_at
from billing.models import CreditAccount, CreditGrant
from billing.plans import FREE_CREDITS
from tests.accounts.signing_in import (
    PASSWORD,
    app_for,
    code_of,
    has_step,
    is_in,
    mailed_code,
    sign_in,
    signed_in,
    told,
    with_password,
)
from tests.builders import make_user
from tests.fakes.providers import Providers, Visitor, identity

pytestmark = pytest.mark.django_db
INES = Visitor("ines@example.com")
BOTH = pytest.mark.parametrize("provider", ["google", "discord"])


def begin(client: Client, provider: str, process: str = "login", **more: str) -> str:
    """Press the button; the address of the provider's page."""
    query = "&".join(f"{name}={value}" for name, value in {"process": process, **more}.items())
    answer = client.post(f"/accounts/{provider}/login/?{query}")
    assert answer.status_code == 302, answer.content
    return str(answer["Location"])


def come(
    client: Client, providers: Providers, provider: str, visitor: Visitor = INES, process: str = "login", **more: str
) -> Any:
    """The whole way there and back, with everything allowed there."""
    back = providers.consent(begin(client, provider, process, **more), visitor)
    parts = urlsplit(back)
    return client.get(f"{parts.path}?{parts.query}", follow=True)


# --- signing up and in ---


@BOTH
def test_a_stranger_signs_up_with_their_name_and_the_free_credits(
    provider: str, client: Client, providers: Providers
) -> None:
    answer = come(client, providers, provider)
    assert answer.redirect_chain[-1][0] == "/studio/"
    user = User.objects.get()
    assert (user.email, user.name) == ("ines@example.com", "Ines Moreau")
    assert EmailAddress.objects.get(user=user).verified
    assert CreditAccount.objects.get(user=user).available == FREE_CREDITS
    assert client.session["_auth_user_id"] == str(user.pk)
    assert not any("code" in message.subject.lower() for message in mail.outbox)


@BOTH
def test_coming_again_leads_to_the_same_account_and_brings_no_more_credits(
    provider: str, client: Client, providers: Providers
) -> None:
    come(client, providers, provider)
    client.post("/accounts/logout/")
    assert not is_in(client)
    come(client, providers, provider)
    assert is_in(client)
    assert (User.objects.count(), CreditGrant.objects.count()) == (1, 1)


def test_two_people_of_two_providers_are_two_accounts(client: Client, providers: Providers) -> None:
    come(Client(), providers, "google", Visitor("ines@example.com"))
    come(Client(), providers, "discord", Visitor("jo@example.com", "Jo"))
    assert set(User.objects.values_list("email", flat=True)) == {"ines@example.com", "jo@example.com"}


@BOTH
def test_the_buttons_stand_on_the_pages_of_signing_in_and_up(provider: str, client: Client) -> None:
    for page in ("/accounts/login/", "/accounts/signup/"):
        assert f'action="/accounts/{provider}/login/' in client.get(page).content.decode(), page


def test_who_was_on_the_way_somewhere_arrives_there(client: Client, providers: Providers) -> None:
    answer = come(client, providers, "google", next="/gallery/")
    assert answer.redirect_chain[-1][0] == "/gallery/"


def test_nobody_is_led_to_another_site_afterwards(client: Client, providers: Providers) -> None:
    answer = come(client, providers, "google", next="https://evil.example/")
    assert answer.redirect_chain[-1][0] == "/studio/"


def test_a_banned_person_does_not_come_in(client: Client, providers: Providers) -> None:
    come(Client(), providers, "google")
    User.objects.update(state=User.State.BANNED, is_active=False)
    answer = come(client, providers, "google")
    assert not is_in(client)
    assert "This account is shut." in answer.content.decode()


# --- addresses that nobody vouches for, and those that have an account ---


def test_an_address_that_google_does_not_vouch_for_must_be_proven_first(client: Client, providers: Providers) -> None:
    answer = come(client, providers, "google", Visitor("ines@example.com", verified=False))
    assert answer.redirect_chain[-1][0] == "/accounts/confirm-email/"
    assert not is_in(client)
    assert not CreditGrant.objects.exists()
    assert mail.outbox[-1].to == ["ines@example.com"]


def test_discord_without_an_address_asks_for_one_and_proves_it(client: Client, providers: Providers) -> None:
    answer = come(client, providers, "discord", Visitor("", name="Ines Moreau"))
    assert answer.redirect_chain[-1][0] == "/accounts/3rdparty/signup/"
    assert not User.objects.exists()
    client.post("/accounts/3rdparty/signup/", {"email": "ines@example.com"})
    assert not is_in(client)
    client.post("/accounts/confirm-email/", {"code": mailed_code()})
    assert is_in(client)
    assert SocialAccount.objects.get().user.email == "ines@example.com"


@BOTH
def test_an_account_is_not_opened_by_its_address_and_its_person_is_told_how_to_connect(
    provider: str, client: Client, providers: Providers
) -> None:
    with_password()
    answer = come(client, providers, provider)
    assert not is_in(client)
    assert not SocialAccount.objects.exists()
    assert "Sign in to it as you did so far" in answer.content.decode()


@BOTH
def test_whoever_claims_an_address_without_proof_learns_nothing_about_it(provider: str, providers: Providers) -> None:
    """Known and unknown addresses get the same answers, and no account is opened or connected."""
    with_password("known@example.com")
    seen = []
    for email in ("known@example.com", "other@example.com"):
        client = Client()
        answer = come(client, providers, provider, Visitor(email, verified=False))
        assert answer.redirect_chain[-1][0] == "/accounts/confirm-email/"
        assert not is_in(client)
        seen.append((answer.redirect_chain[-1], told(answer, email)))
    assert seen[0] == seen[1]
    assert not SocialAccount.objects.filter(user__email="known@example.com").exists()


# --- what goes wrong there ---


@BOTH
def test_who_turns_back_is_told_so(provider: str, client: Client, providers: Providers) -> None:
    back = urlsplit(providers.consent(begin(client, provider), INES, allow=False))
    answer = client.get(f"{back.path}?{back.query}", follow=True)
    assert "You turned back." in answer.content.decode()
    assert not User.objects.exists()


@pytest.mark.parametrize(("provider", "broken"), [("google", "token"), ("discord", "token"), ("discord", "profile")])
def test_a_provider_that_fails_is_told_in_a_sentence(
    provider: str, broken: str, client: Client, providers: Providers
) -> None:
    providers.broken = broken
    answer = come(client, providers, provider)
    assert "They did not answer as they should." in answer.content.decode()
    assert answer.status_code < 500
    assert not User.objects.exists()


@BOTH
def test_a_provider_that_is_away_is_told_in_a_sentence(provider: str, client: Client, providers: Providers) -> None:
    back = urlsplit(providers.consent(begin(client, provider), INES))
    speak_to_google_at("http://localhost:9")
    speak_to_discord_at("http://localhost:9")
    answer = client.get(f"{back.path}?{back.query}")
    assert "They did not answer as they should." in answer.content.decode()
    assert not User.objects.exists()


@BOTH
def test_an_answer_that_nobody_asked_for_signs_nobody_in(provider: str, client: Client, providers: Providers) -> None:
    """Somebody else's answer, slipped to this browser: the state is not its own."""
    back = urlsplit(providers.consent(begin(Client(), provider), INES))
    answer = client.get(f"{back.path}?{back.query}")
    assert "They did not answer as they should." in answer.content.decode()
    assert not is_in(client)


@BOTH
def test_an_answer_works_once(provider: str, client: Client, providers: Providers) -> None:
    back = urlsplit(providers.consent(begin(client, provider), INES))
    client.get(f"{back.path}?{back.query}")
    client.post("/accounts/logout/")
    client.get(f"{back.path}?{back.query}")
    assert not is_in(client)


@BOTH
def test_a_stolen_code_is_worth_nothing_without_the_browser_that_asked(
    provider: str, client: Client, providers: Providers
) -> None:
    """PKCE: the code of one browser, brought back by another with a state of its own."""
    stolen = parse_qs(urlsplit(providers.consent(begin(client, provider), INES)).query)["code"][0]
    thief = Client()
    state = parse_qs(urlsplit(begin(thief, provider)).query)["state"][0]
    thief.get(f"/accounts/{provider}/login/callback/?code={stolen}&state={state}")
    assert not is_in(thief)


@pytest.mark.parametrize("drop", ["state", "code_challenge", "scope"])
def test_the_server_of_the_tests_asks_for_what_the_providers_ask(
    drop: str, client: Client, providers: Providers
) -> None:
    page = begin(client, "google")
    without = re.sub(rf"[?&]{drop}=[^&]*", "", page).replace("auth&", "auth?")
    assert requests.get(page, timeout=5).status_code == 200
    assert requests.get(without, timeout=5).status_code == 400


def test_google_s_word_counts_only_with_google_s_signature(client: Client, providers: Providers) -> None:
    """The other way in that allauth has for Google: a signed word without a code."""

    def send(word: str) -> None:
        client.cookies["g_csrf_token"] = "x"
        client.post("/accounts/google/login/token/", {"credential": word, "g_csrf_token": "x"})

    forger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    send(identity(INES, issuer=providers.google, audience="tests", key=forger))
    send(identity(INES, issuer=providers.google, audience="somebody-else"))
    send(identity(INES, issuer="https://evil.example", audience="tests"))
    assert not is_in(client)
    send(identity(INES, issuer=providers.google, audience="tests"))
    assert is_in(client)


# --- connecting and disconnecting ---


@BOTH
def test_an_account_is_connected_and_opens_the_account_from_then_on(provider: str, providers: Providers) -> None:
    client, user = signed_in()
    come(client, providers, provider, Visitor("elsewhere@example.com"), "connect")
    assert SocialAccount.objects.get().user == user
    assert f"Connect {provider.title()}" not in client.get("/accounts/3rdparty/").content.decode()
    fresh = Client()
    come(fresh, providers, provider, Visitor("elsewhere@example.com"))
    assert fresh.session["_auth_user_id"] == str(user.pk)
    assert AuditEntry.objects.get(verb="provider.connect").detail == {"provider": provider}


def test_connecting_asks_whether_it_is_still_them(providers: Providers) -> None:
    with_password()
    client = Client()
    sign_in(client)
    answer = come(client, providers, "google", Visitor("elsewhere@example.com"), "connect")
    assert answer.redirect_chain[-1][0].startswith("/accounts/reauthenticate/")
    assert not SocialAccount.objects.exists()
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert SocialAccount.objects.exists()


def test_an_account_of_another_person_is_not_connected(providers: Providers) -> None:
    come(Client(), providers, "discord", Visitor("jo@example.com"))
    client, user = signed_in()
    answer = come(client, providers, "discord", Visitor("jo@example.com"), "connect")
    assert "opens another account here" in answer.content.decode()
    assert not SocialAccount.objects.filter(user=user).exists()


def test_what_is_connected_can_be_disconnected(providers: Providers) -> None:
    client, _user = signed_in()
    come(client, providers, "google", INES, "connect")
    page = client.get("/accounts/3rdparty/").content.decode()
    assert "Disconnect" in page
    client.post("/accounts/3rdparty/", {"account": SocialAccount.objects.get().pk})
    assert not SocialAccount.objects.exists()
    assert AuditEntry.objects.filter(verb="provider.disconnect").exists()


def test_the_only_way_to_sign_in_is_not_taken_away(client: Client, providers: Providers) -> None:
    come(client, providers, "google")
    answer = client.post("/accounts/3rdparty/", {"account": SocialAccount.objects.get().pk})
    assert "This is your only way to sign in." in answer.content.decode()
    assert SocialAccount.objects.exists()


def test_of_two_connected_accounts_one_may_go(client: Client, providers: Providers) -> None:
    come(client, providers, "google")
    come(client, providers, "discord", Visitor("elsewhere@example.com"), "connect")
    client.post("/accounts/3rdparty/", {"account": SocialAccount.objects.get(provider="google").pk})
    assert [one.provider for one in SocialAccount.objects.all()] == ["discord"]


# --- it is still them: people without a password ---


def test_who_came_by_google_long_ago_is_asked_to_come_by_it_again(client: Client, providers: Providers) -> None:
    come(client, providers, "google")
    forget_when_they_came(client)
    answer = client.get("/accounts/2fa/totp/activate/")
    assert answer["Location"].startswith("/settings/security/again/")
    page = client.get(answer["Location"]).content.decode()
    action = re.search(r'action="/accounts/google/login/\?([^"]+)"', page)
    assert action
    answer = come_by(client, providers, action.group(1).replace("&amp;", "&"), INES)
    assert answer.redirect_chain[-1][0] == "/accounts/2fa/totp/activate/"
    assert answer.status_code == 200


def test_another_google_account_does_not_vouch_for_them(client: Client, providers: Providers) -> None:
    come(client, providers, "google")
    forget_when_they_came(client)
    again = "process=redirect&next=/settings/security/again/done/%3Fnext%3D/accounts/2fa/totp/activate/"
    answer = come_by(client, providers, again, Visitor("stranger@example.com"))
    assert answer.redirect_chain[-1][0] == "/settings/security/again/"
    assert "another account than the one" in answer.content.decode()
    assert User.objects.count() == 1


def test_a_second_step_is_not_replaced_by_google_s_word(client: Client, providers: Providers) -> None:
    come(client, providers, "google")
    secret = app_for(User.objects.get())
    forget_when_they_came(client)
    come_by(client, providers, "process=redirect&next=/settings/", INES)
    assert client.post("/accounts/2fa/totp/deactivate/")["Location"].startswith("/accounts/2fa/reauthenticate/")
    client.post("/accounts/2fa/reauthenticate/", {"code": code_of(secret)})
    client.post("/accounts/2fa/totp/deactivate/")
    assert not has_step(User.objects.get(), "totp")


def forget_when_they_came(client: Client) -> None:
    session = client.session
    session["account_authentication_methods"][0]["at"] -= 3600
    session.save()


def come_by(client: Client, providers: Providers, query: str, visitor: Visitor) -> Any:
    page = client.post(f"/accounts/google/login/?{query}")["Location"]
    back = urlsplit(providers.consent(page, visitor))
    return client.get(f"{back.path}?{back.query}", follow=True)


# --- what is kept of it ---


@BOTH
def test_no_key_to_the_provider_is_kept_anywhere(provider: str, client: Client, providers: Providers) -> None:
    come(client, providers, provider)
    come(Client(), providers, provider)
    halfway = Client()
    come(halfway, providers, "discord", Visitor("jo@example.com", verified=False))
    assert len(providers.tokens) == 3
    assert not SocialToken.objects.exists()
    kept = [str(session.get_decoded()) for session in Session.objects.all()]
    kept += [str(account.extra_data) for account in SocialAccount.objects.all()]
    assert not [token for token in providers.tokens if any(token in text for text in kept)]


def test_an_unknown_person_s_address_makes_no_account_by_looking(client: Client) -> None:
    make_user("ines@example.com")
    answer = client.get("/accounts/google/login/")
    assert answer.status_code == 200
    assert "On to Google?" in answer.content.decode()
