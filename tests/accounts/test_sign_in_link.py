"""The one-time link: once, within ten minutes, on this machine."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts import actions
from accounts.models import SignInLink, User
from config.kit.errors import Refusal
from tests.builders import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def address() -> str:
    return f"/settings/sign-in/{actions.create_sign_in_link(user=make_user('ines@example.com'))}/"


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_it_signs_in_and_leads_to_the_studio(client: Client, address: str) -> None:
    answer = client.get(address)
    assert answer["Location"] == "/studio/"
    assert client.session["_auth_user_id"] == str(User.objects.get().pk)
    assert "no-store" in answer["Cache-Control"]


def test_it_works_once(client: Client, address: str) -> None:
    client.get(address)
    other = Client()
    answer = other.get(address)
    assert answer.status_code == 410
    assert "was used already" in answer.content.decode()
    assert not is_signed_in(other)


def test_a_look_at_its_headers_does_not_use_it_up(client: Client, address: str) -> None:
    assert client.head(address).status_code == 405
    assert client.get(address).status_code == 302


def test_it_runs_out_after_ten_minutes(client: Client, address: str) -> None:
    link = SignInLink.objects.get()
    assert link.expires_at - timezone.now() <= timedelta(minutes=10)
    SignInLink.objects.update(expires_at=timezone.now())
    assert client.get(address).status_code == 410
    assert not is_signed_in(client)


@pytest.mark.parametrize(
    "headers",
    [
        {"REMOTE_ADDR": "192.168.1.7"},
        {"REMOTE_ADDR": ""},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_FORWARDED": "for=127.0.0.1"},
        {"HTTP_X_REAL_IP": "127.0.0.1"},
        {"HTTP_VIA": "1.1 proxy"},
    ],
)
def test_it_does_not_exist_for_a_browser_elsewhere(client: Client, address: str, headers: dict[str, str]) -> None:
    assert client.get(address, **headers).status_code == 404
    assert not is_signed_in(client)
    assert SignInLink.objects.get().used_at is None


def test_it_works_over_ipv6_too(client: Client, address: str) -> None:
    assert client.get(address, REMOTE_ADDR="::1").status_code == 302


def test_it_does_not_exist_on_a_public_server(client: Client, address: str, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://artist.example"
    assert client.get(address).status_code == 404


def test_a_link_that_nobody_made_is_refused(client: Client, address: str) -> None:
    assert client.get("/settings/sign-in/nonsense/").status_code == 410


def test_a_banned_person_gets_no_link_and_their_old_one_is_dead(client: Client, address: str) -> None:
    user = User.objects.get()
    actions.ban(user=user, actor=make_user(), reason="")
    assert client.get(address).status_code == 410
    with pytest.raises(Refusal, match="is banned"):
        actions.create_sign_in_link(user=user)


@pytest.mark.django_db(transaction=True)
def test_of_two_that_come_at_once_one_is_signed_in() -> None:
    from concurrent.futures import ThreadPoolExecutor

    plain = actions.create_sign_in_link(user=make_user())

    def use(_: int) -> bool:
        try:
            return actions.use_sign_in_link(plain=plain) is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(use, range(8))) == 1
