"""From an address to a signed-in person with free credits, through the real pages."""

from __future__ import annotations

import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from pytest_django.fixtures import Settings

from accounts import actions
from accounts.models import User
from accounts.signals import email_verified
from billing.models import CreditAccount, CreditGrant
from billing.plans import FREE_CREDITS
from tests.builders import make_user

pytestmark = pytest.mark.django_db
PASSWORD = "a hedgerow in November"


def sign_up(client: Client, email: str = "ines@example.com") -> None:
    answer = client.post("/accounts/signup/", {"email": email, "password1": PASSWORD})
    assert answer.status_code == 302
    assert answer["Location"] == "/accounts/confirm-email/"


def mailed_code() -> str:
    found = re.search(r"^\s*([A-Z0-9]{3,4}-?[A-Z0-9]{3,4})\s*$", str(mail.outbox[-1].body), re.MULTILINE)
    assert found, mail.outbox[-1].body
    return found.group(1)


def test_signing_up_asks_for_the_mailed_code_and_then_lands_in_the_studio_with_free_credits(client: Client) -> None:
    sign_up(client)
    user = User.objects.get(email="ines@example.com")
    assert not CreditGrant.objects.exists()  # nothing before the address is proven
    answer = client.post("/accounts/confirm-email/", {"code": mailed_code()})
    assert answer["Location"] == "/studio/"
    assert EmailAddress.objects.get(user=user).verified
    assert CreditAccount.objects.get(user=user).available == FREE_CREDITS
    assert client.session["_auth_user_id"] == str(user.pk)


def test_without_a_mail_server_the_page_says_where_the_mail_is(client: Client) -> None:
    sign_up(client)
    assert 'href="/mail/"' in client.get("/accounts/confirm-email/").content.decode()


@pytest.mark.parametrize("url", ["https://artist.example", "http://192.168.1.5:8000"])
def test_elsewhere_it_does_not(client: Client, settings: Settings, url: str) -> None:
    settings.PUBLIC_URL = url
    sign_up(client)
    assert 'href="/mail/"' not in client.get("/accounts/confirm-email/").content.decode()


def test_a_wrong_code_verifies_nothing(client: Client) -> None:
    sign_up(client)
    answer = client.post("/accounts/confirm-email/", {"code": "AAAA-AAAA"})
    assert answer.status_code == 200
    assert not EmailAddress.objects.get().verified
    assert not CreditGrant.objects.exists()


def test_who_waits_for_the_mail_in_vain_asks_for_another_code(client: Client, settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = False
    sign_up(client)
    first = mailed_code()
    for _ in range(2):
        client.post("/accounts/confirm-email/", {"action": "resend"})
    newest = mailed_code()
    assert (newest != first, len(mail.outbox)) == (True, 3)
    assert "Request new code" not in client.get("/accounts/confirm-email/").content.decode(), "twice is enough"
    client.post("/accounts/confirm-email/", {"code": first})
    assert not EmailAddress.objects.get().verified, "only the newest counts"
    client.post("/accounts/confirm-email/", {"code": newest})
    assert EmailAddress.objects.get().verified


def test_the_free_credits_come_once_however_often_an_address_is_proven(client: Client) -> None:
    sign_up(client)
    client.post("/accounts/confirm-email/", {"code": mailed_code()})
    user = User.objects.get()
    for _ in range(2):
        email_verified.send(sender=User, user=user)
    client.post("/accounts/email/", {"email": "second@example.com", "action_add": ""})
    client.post("/accounts/confirm-email/", {"code": mailed_code()})
    assert EmailAddress.objects.filter(user=user, verified=True).count() >= 1
    assert CreditAccount.objects.get(user=user).available == FREE_CREDITS
    assert CreditGrant.objects.count() == 1


def test_signing_up_with_a_known_address_says_nothing_about_it(client: Client) -> None:
    make_user("ines@example.com", password=PASSWORD)
    sign_up(client)
    assert User.objects.count() == 1
    assert "already" in str(mail.outbox[-1].body).lower()


def test_signing_in_with_the_password_leads_to_the_studio(client: Client) -> None:
    user = actions.create_verified(email="ines@example.com")
    user.set_password(PASSWORD)
    user.save()
    answer = client.post("/accounts/login/", {"login": "Ines@example.com", "password": PASSWORD})
    assert answer["Location"] == "/studio/"


def test_a_banned_person_cannot_sign_in(client: Client) -> None:
    user = actions.create_verified(email="ines@example.com")
    user.set_password(PASSWORD)
    user.save()
    actions.ban(user=user, actor=make_user(is_staff=True), reason="Sold others' styles")
    client.post("/accounts/login/", {"login": "ines@example.com", "password": PASSWORD})
    assert "_auth_user_id" not in client.session


def test_a_ban_ends_the_sessions_there_are(client: Client) -> None:
    user = make_user()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert client.get("/settings/").status_code == 200
    actions.ban(user=user, actor=make_user(is_staff=True), reason="Sold others' styles")
    assert client.get("/settings/").status_code == 302
    actions.unban(user=user, actor=make_user(is_staff=True))
    assert client.get("/settings/").status_code == 200


def test_a_forgotten_password_is_set_anew_by_mail(client: Client) -> None:
    actions.create_verified(email="ines@example.com")
    client.post("/accounts/password/reset/", {"email": "ines@example.com"})
    link = re.search(r"https?://\S+/password/reset/key/\S+", str(mail.outbox[-1].body))
    assert link, mail.outbox[-1].body
    page = client.get(link.group(0), follow=True)
    address = page.redirect_chain[-1][0]
    client.post(address, {"password1": PASSWORD, "password2": PASSWORD})
    assert User.objects.get().check_password(PASSWORD)


def test_one_calm_sentence_tells_of_a_new_password_wherever_one_is_chosen(client: Client) -> None:
    user = make_user("ines@example.com", password=PASSWORD)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    pages = [client.get("/accounts/signup/")]
    client.post("/accounts/password/reset/", {"email": "ines@example.com"})
    link = re.search(r"https?://\S+/password/reset/key/\S+", str(mail.outbox[-1].body))
    assert link
    pages.append(client.get(link.group(0), follow=True))
    client.post("/accounts/login/", {"login": "ines@example.com", "password": PASSWORD})
    pages.append(client.get("/accounts/password/change/"))
    user.set_unusable_password()
    user.save()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    pages.append(client.get("/accounts/password/set/"))
    for page in pages:
        html = page.content.decode()
        path = page.request["PATH_INFO"]
        help_text = re.search(r'id="id_password1_helptext">([^<]+)<', html)
        assert help_text, path
        assert help_text.group(1) == "At least 10 characters, not one of the common ones.", path
        field = re.search(r'<input[^>]* name="password1"[^>]*>', html)
        assert field, path
        assert 'aria-describedby="id_password1_helptext"' in field.group(0), path


@pytest.mark.parametrize(
    ("password", "sentence"),
    [("briar-910", "at least 10 characters"), ("password123", "too common"), ("8305519274", "entirely numeric")],
)
def test_what_a_password_fails_by_is_said_at_its_field(client: Client, password: str, sentence: str) -> None:
    html = client.post("/accounts/signup/", {"email": "ines@example.com", "password1": password}).content.decode()
    assert sentence in html
    assert not User.objects.exists()


def test_no_mail_can_be_made_to_go_elsewhere_by_a_line_break(client: Client) -> None:
    answer = client.post("/accounts/signup/", {"email": "a@example.com\nBcc: b@example.com", "password1": PASSWORD})
    assert answer.status_code == 200
    assert not User.objects.exists()
    assert mail.outbox == []
