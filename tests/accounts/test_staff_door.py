"""The staff's pages: nobody but staff, and no staff without a second step used in this session."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client

from accounts import actions
from accounts.models import User
from tests.accounts.signing_in import (
    EMAIL,
    app_for,
    code_of,
    confirm,
    is_in,
    sign_in,
    signed_in,
    with_password,
)
from tests.builders import make_user, staff_client

pytestmark = pytest.mark.django_db
STEP = "/accounts/2fa/authenticate/"
PEOPLE = "/admin/accounts/user/"


def make_staff(email: str = EMAIL) -> User:
    user = with_password(email)
    user.is_staff = user.is_superuser = True
    user.save()
    return user


def test_the_admin_has_no_sign_in_of_its_own(client: Client) -> None:
    make_staff()
    assert client.get(PEOPLE, follow=True).redirect_chain[-1][0].startswith("/accounts/login/?next=")
    client.post("/admin/login/", {"username": EMAIL, "password": "a hedgerow in November"})
    assert not is_in(client)


def test_who_is_no_staff_is_refused(client: Client) -> None:
    signed, _user = signed_in()
    assert signed.get(PEOPLE, follow=True).status_code == 403


@pytest.mark.django_db(transaction=True)  # what follows the commit counts
def test_staff_without_a_second_step_are_led_to_set_one_up_and_back() -> None:
    make_staff()
    client = Client()
    sign_in(client)
    answer = client.get(PEOPLE, follow=True)
    assert answer.redirect_chain[-1][0].startswith("/accounts/2fa/?next=")
    assert "open with a second step only" in answer.content.decode()
    confirm(client)
    secret = client.get("/accounts/2fa/totp/activate/").context["form"].secret
    client.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)})
    assert "On to the staff" in client.get("/accounts/2fa/").content.decode()
    assert client.get("/admin/").status_code == 200


def test_staff_who_signed_in_with_it_enter_at_once(client: Client) -> None:
    secret = app_for(make_staff())
    sign_in(client, next=PEOPLE)
    answer = client.post(STEP, {"code": code_of(secret)})
    assert is_in(client)
    assert client.get(PEOPLE).status_code == 200
    assert answer.status_code == 302


def test_a_session_from_before_the_second_step_is_asked_for_it() -> None:
    user = make_staff()
    client = Client()
    sign_in(client)
    secret = app_for(user)
    answer = client.get(PEOPLE, follow=True)
    door = answer.redirect_chain[-1][0]
    assert door.startswith("/accounts/2fa/reauthenticate/?next=")
    answer = client.post(door, {"code": code_of(secret)}, follow=True)
    assert answer.redirect_chain[-1] == (PEOPLE, 302)
    assert answer.status_code == 200


def test_the_link_from_the_terminal_opens_the_staff_s_pages_only_with_the_second_step(client: Client) -> None:
    user = make_staff()
    client.get(f"/settings/sign-in/{actions.create_sign_in_link(user=user)}/")
    assert is_in(client)
    assert client.get(PEOPLE).status_code == 302
    secret = app_for(user)
    other = Client()
    other.get(f"/settings/sign-in/{actions.create_sign_in_link(user=user)}/")
    other.post(STEP, {"code": code_of(secret)})
    assert other.get(PEOPLE).status_code == 200


def test_the_door_shuts_when_the_second_step_is_gone() -> None:
    client = staff_client()
    assert client.get(PEOPLE).status_code == 200
    Authenticator.objects.all().delete()
    assert client.get(PEOPLE).status_code == 302


def test_somebody_else_s_second_step_in_the_session_opens_nothing() -> None:
    """The records of the session name whose they are."""
    user = make_staff("jo@example.com")
    client = staff_client()
    records = client.session["account_authentication_methods"]
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    session = client.session
    session["account_authentication_methods"] = records
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()
    assert client.get(PEOPLE).status_code == 302


def test_a_banned_member_of_staff_does_not_get_in() -> None:
    user = make_staff()
    client = staff_client(user)
    actions.ban(user=user, actor=make_user(), reason="")
    assert client.get(PEOPLE).status_code == 302


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example/"])
def test_the_door_leads_nowhere_else(wanted: str) -> None:
    assert staff_client().get("/admin/login/", {"next": wanted})["Location"] == "/admin/"
