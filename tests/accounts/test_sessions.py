"""Where somebody is signed in: seen, and ended, one by one or all at once."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry
from accounts.tasks import tidy
from accounts.templatetags.signing_in import device
from tests.accounts.signing_in import PASSWORD, confirm, is_in, sign_in, signed_in, with_password

pytestmark = pytest.mark.django_db
LIST = "/accounts/sessions/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 Version/26.0 Mobile Safari/604.1"
EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0 Safari/537.36 Edg/142.0"


def browser(agent: str = FIREFOX, address: str = "203.0.113.7") -> Client:
    client = Client(headers={"User-Agent": agent}, REMOTE_ADDR=address)
    sign_in(client)
    return client


def still_in(client: Client) -> bool:
    return client.get("/settings/").status_code == 200


def test_the_list_tells_device_address_and_which_one_this_is() -> None:
    with_password()
    here, _phone = browser(), browser(IPHONE, "198.51.100.4")
    page = here.get(LIST).content.decode()
    assert "Firefox on Linux" in page
    assert "Safari on iPhone" in page
    assert {"203.0.113.7", "198.51.100.4"} <= set(re.findall(r"[\d.]{7,}", page))
    assert page.count("this one") == 1
    assert "2 places" in here.get("/settings/security/").content.decode()


@pytest.mark.parametrize(
    ("agent", "said"),
    [(EDGE, "Edge on Windows"), ("curl/8.5", "Another browser or program"), ("", "Another browser or program")],
)
def test_a_device_is_called_by_what_a_person_knows(agent: str, said: str) -> None:
    assert device(agent) == said


def test_when_it_was_last_seen_is_noted_once_a_minute() -> None:
    with_password()
    client = browser()
    old = timezone.now() - timedelta(days=2)
    UserSession.objects.update(last_seen_at=old)
    still_in(client)
    assert UserSession.objects.get().last_seen_at > old
    UserSession.objects.update(last_seen_at=old)
    still_in(client)
    assert UserSession.objects.get().last_seen_at == old  # not again within the minute
    cache.clear()
    still_in(client)
    assert UserSession.objects.get().last_seen_at > old


def test_one_is_signed_out_and_the_others_stay() -> None:
    user = with_password()
    here, phone, laptop = browser(), browser(IPHONE), browser(EDGE)
    there = UserSession.objects.get(session_key=phone.session.session_key)
    here.post(f"/settings/sessions/{there.pk}/end/")
    assert [still_in(client) for client in (here, phone, laptop)] == [True, False, True]
    assert AuditEntry.objects.get(verb="session.end").target == user.public_id


def test_all_others_are_signed_out() -> None:
    with_password()
    here, phone, laptop = browser(), browser(IPHONE), browser(EDGE)
    answer = here.post("/settings/sessions/end/", follow=True)
    assert "Signed out in 2 other places." in answer.content.decode()
    assert [still_in(client) for client in (here, phone, laptop)] == [True, False, False]


def test_everywhere_means_here_as_well() -> None:
    with_password()
    here, phone = browser(), browser(IPHONE)
    answer = here.post("/settings/sessions/end/", {"everywhere": "1"})
    assert answer["Location"] == "/accounts/login/"
    assert [still_in(client) for client in (here, phone)] == [False, False]
    assert not UserSession.objects.exists()


def test_ending_the_own_session_is_signing_out() -> None:
    with_password()
    here = browser()
    here.post(f"/settings/sessions/{UserSession.objects.get().pk}/end/")
    assert not is_in(here)


def test_nobody_ends_another_s_session() -> None:
    with_password()
    theirs = browser()
    client, _other = signed_in("jo@example.com")
    there = UserSession.objects.get(session_key=theirs.session.session_key)
    assert client.post(f"/settings/sessions/{there.pk}/end/").status_code == 404
    client.post("/settings/sessions/end/", {"everywhere": "1"})
    assert still_in(theirs)


def test_a_new_password_ends_the_other_sessions() -> None:
    with_password()
    here, phone = browser(), browser(IPHONE)
    confirm(here)
    new = {"oldpassword": PASSWORD, "password1": "a hedgerow in May", "password2": "a hedgerow in May"}
    here.post("/accounts/password/change/", new)
    assert [still_in(client) for client in (here, phone)] == [True, False]


def test_a_session_that_ran_out_is_not_in_the_list() -> None:
    with_password()
    here, phone = browser(), browser(IPHONE)
    phone.session.flush()
    assert "iPhone" not in here.get(LIST).content.decode()


def test_sessions_that_ran_out_are_forgotten() -> None:
    with_password()
    here, phone = browser(), browser(IPHONE)
    Session.objects.filter(session_key=phone.session.session_key).update(expire_date=timezone.now())
    tidy()
    assert [one.session_key for one in Session.objects.all()] == [here.session.session_key]
    assert [one.session_key for one in UserSession.objects.all()] == [here.session.session_key]
