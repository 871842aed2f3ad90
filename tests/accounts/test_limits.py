"""Trying often is slowed down, and no answer tells whether an address has an account."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from pytest_django.fixtures import Settings
from redis.exceptions import ConnectionError as RedisAway

from tests.accounts.signing_in import EMAIL, PASSWORD, app_for, confirm, is_in, sign_in, told, with_password

pytestmark = pytest.mark.django_db
UNKNOWN = "nobody@example.com"


def until_slowed(ask: Any, *, at_most: int) -> Any:
    """Ask again and again; the answer that slows down."""
    for _ in range(at_most + 1):
        answer = ask()
        if answer.status_code == 429:
            return answer
    raise AssertionError(f"still answered {answer.status_code} after {at_most + 1} times")


def is_plain(answer: Any) -> None:
    assert int(answer["Retry-After"]) > 0
    words = answer.content.decode()
    assert "ait" in words
    assert "<h1>" in words


# --- too often ---


def test_guessing_a_password_is_slowed_down_and_the_right_one_does_not_help_then(client: Client) -> None:
    with_password()
    is_plain(until_slowed(lambda: sign_in(client, password="wrong"), at_most=5))
    assert sign_in(Client(), password=PASSWORD).status_code == 429
    assert not is_in(client)


def test_guessing_a_code_of_the_second_step_is_slowed_down(client: Client) -> None:
    app_for(with_password())
    sign_in(client)
    is_plain(until_slowed(lambda: client.post("/accounts/2fa/authenticate/", {"code": "000000"}), at_most=5))


def test_guessing_at_an_open_screen_is_slowed_down(client: Client) -> None:
    with_password()
    sign_in(client)
    is_plain(
        until_slowed(lambda: client.post("/accounts/reauthenticate/", {"password": "wrong"}), at_most=10),
    )


@pytest.mark.parametrize(
    ("page", "sent", "at_most"),
    [
        ("/accounts/login/", {"login": UNKNOWN, "password": "wrong"}, 5),
        ("/accounts/signup/", {"email": "", "password1": "x"}, 20),
        ("/accounts/password/reset/", {"email": EMAIL}, 5),
        ("/accounts/login/code/", {"email": EMAIL}, 3),
    ],
)
def test_each_door_is_slowed_down(page: str, sent: dict[str, str], at_most: int) -> None:
    is_plain(until_slowed(lambda: Client().post(page, sent), at_most=at_most))


def test_one_address_that_tries_many_accounts_is_slowed_down(client: Client) -> None:
    numbers = iter(range(100))
    is_plain(until_slowed(lambda: sign_in(client, f"{next(numbers)}@example.com", "wrong"), at_most=10))


def test_signing_in_rightly_is_not_counted_as_a_failure(client: Client) -> None:
    with_password()
    for _ in range(8):
        sign_in(client)
        assert is_in(client)
        client.post("/accounts/logout/")


def test_a_forwarded_address_is_believed_of_a_proxy_of_ours_alone(settings: Settings, client: Client) -> None:
    """Else each try could come from an address of its own."""
    numbers = iter(range(100))

    def ask() -> Any:
        number = next(numbers)
        return client.post(
            "/accounts/login/",
            {"login": f"{number}@example.com", "password": "wrong"},
            headers={"X-Forwarded-For": f"203.0.113.{number}"},
        )

    until_slowed(ask, at_most=10)
    cache.clear()
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    assert {ask().status_code for _ in range(12)} == {200}


# --- Redis is away ---


@pytest.fixture
def no_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*arguments: Any, **named: Any) -> None:
        raise RedisAway("away")

    for name in ("add", "get", "set", "incr", "delete"):
        monkeypatch.setattr(cache, name, away, raising=False)


def test_without_the_counter_nobody_signs_in_and_a_sentence_says_so(client: Client, no_redis: None) -> None:
    with_password()
    answer = sign_in(client)
    assert answer.status_code == 503
    assert "try again in a minute" in answer.content.decode()
    assert not is_in(client)


def test_who_is_signed_in_goes_on(client: Client, request: pytest.FixtureRequest) -> None:
    with_password()
    sign_in(client)
    request.getfixturevalue("no_redis")
    assert client.get("/settings/").status_code == 200


# --- who is here ---


def answers(page: str, field: str, more: dict[str, str]) -> list[tuple[int, str, str]]:
    """Of an address that has an account and of one that has none."""
    with_password()
    given = []
    for email in (EMAIL, UNKNOWN):
        client = Client()
        answer = client.post(page, {field: email, **more})
        given.append(told(answer, email))
        if answer.status_code == 302:
            given[-1] += (told(client.get(answer["Location"]), email)[2],)  # type: ignore[operator]
    return given


@pytest.mark.parametrize(
    ("page", "field", "more"),
    [
        ("/accounts/login/", "login", {"password": "wrong"}),
        ("/accounts/signup/", "email", {"password1": "a hedgerow in May"}),
        ("/accounts/password/reset/", "email", {}),
        ("/accounts/login/code/", "email", {}),
    ],
)
def test_no_answer_tells_whether_an_address_has_an_account(page: str, field: str, more: dict[str, str]) -> None:
    known, unknown = answers(page, field, more)
    assert known == unknown
    if page != "/accounts/login/":
        assert {message.to[0] for message in mail.outbox} == {EMAIL, UNKNOWN}  # each is told by mail


def test_a_banned_account_tells_a_guesser_nothing(client: Client) -> None:
    user = with_password()
    user.state, user.is_active = user.State.BANNED, False
    user.save()
    banned = told(sign_in(client, password="wrong"), EMAIL)
    unknown = told(sign_in(Client(), UNKNOWN, "wrong"), UNKNOWN)
    assert banned == unknown


def test_confirming_needs_the_password(client: Client) -> None:
    with_password()
    sign_in(client)
    assert client.get("/accounts/2fa/totp/activate/").status_code == 302
    confirm(client)
    assert client.get("/accounts/2fa/totp/activate/").status_code == 200
