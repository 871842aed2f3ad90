"""The person in the public API."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import Profile, User
from accounts.tokens import create_token
from billing import ledger
from tests.builders import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def artist() -> User:
    return make_user("ines@example.com", name="Ines")


@pytest.fixture
def bearer(artist: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {create_token(user=artist, name='tests')[1]}"}


def put(bearer: dict[str, str], body: Any, **headers: str) -> Any:
    return Client().put("/api/v1/me", body, content_type="application/json", headers=bearer | headers)


def test_me_tells_who_the_token_belongs_to(client: Client, artist: User, bearer: dict[str, str]) -> None:
    me = client.get("/api/v1/me", headers=bearer).json()
    assert (me["id"], me["email"], me["name"]) == (str(artist.public_id), "ines@example.com", "Ines")
    assert me["theme"] == "dark"


def test_what_is_left_out_stays_as_it_is(artist: User, bearer: dict[str, str]) -> None:
    assert put(bearer, {"about": "Printmaker"}).status_code == 200
    me = put(bearer, {"handle": "ines"}).json()
    assert (me["name"], me["handle"], me["about"]) == ("Ines", "ines", "Printmaker")


def test_the_email_address_is_changed_on_the_pages_alone(artist: User, bearer: dict[str, str]) -> None:
    put(bearer, {"email": "other@example.com"})
    artist.refresh_from_db()
    assert artist.email == "ines@example.com"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"handle": "admin"}, "handle"),
        ({"name": "x" * 81}, "name"),
        ({"about": "x" * 301}, "about"),
        ({"theme": "sepia"}, "theme"),
        ({"name": 7}, "name"),
    ],
)
def test_a_value_that_does_not_fit_is_a_problem_at_its_field(
    artist: User, bearer: dict[str, str], body: dict[str, Any], field: str
) -> None:
    answer = put(bearer, body)
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    assert field in answer.json()["errors"]


@pytest.mark.parametrize("body", ["[]", "{", "7", ""])
def test_a_body_that_is_no_object_is_a_problem(artist: User, bearer: dict[str, str], body: str) -> None:
    answer = put(bearer, body)
    assert 400 <= answer.status_code < 500
    assert answer["Content-Type"] == "application/problem+json"


def test_a_doubled_change_with_a_key_answers_the_same(artist: User, bearer: dict[str, str]) -> None:
    first = put(bearer, {"name": "Ines M."}, **{"Idempotency-Key": "k"})
    User.objects.filter(pk=artist.pk).update(name="Changed meanwhile")
    second = put(bearer, {"name": "Ines M."}, **{"Idempotency-Key": "k"})
    assert first.json() == second.json()
    artist.refresh_from_db()
    assert artist.name == "Changed meanwhile"


def test_another_body_under_the_same_key_is_a_problem(artist: User, bearer: dict[str, str]) -> None:
    put(bearer, {"name": "One"}, **{"Idempotency-Key": "k"})
    answer = put(bearer, {"name": "Two"}, **{"Idempotency-Key": "k"})
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    assert "Use a new key" in answer.json()["detail"]


def test_usage_counts_what_was_paid(client: Client, artist: User, bearer: dict[str, str]) -> None:
    held = ledger.hold(user=artist, amount=40, key="job:1", say="")
    ledger.capture(hold=held, amount=30, say="")
    usage = client.get("/api/v1/me/usage", headers=bearer).json()
    assert usage["this_month"]["credits_spent"] == 30
    assert usage["in_all"]["credits_spent"] == 30


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer ", "Bearer ac_nobody", "Basic YTpi", "Token x"])
def test_without_a_token_the_answer_is_401_with_a_way_out(client: Client, header: str | None) -> None:
    answer = client.get("/api/v1/me", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    assert "Settings" in answer.json()["detail"]


def test_a_browsers_session_is_no_token(client: Client, artist: User) -> None:
    client.force_login(artist)
    assert client.get("/api/v1/me").status_code == 401


def test_a_banned_person_s_token_is_refused(client: Client, artist: User, bearer: dict[str, str]) -> None:
    User.objects.filter(pk=artist.pk).update(state="banned", is_active=False)
    assert client.get("/api/v1/me", headers=bearer).status_code == 401


def test_too_many_calls_are_told_when_to_come_back(
    client: Client, artist: User, bearer: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.api.CALLS_A_MINUTE", 2)
    answers = [client.get("/api/v1/me", headers=bearer) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 0 < int(answers[-1]["Retry-After"]) <= 60
    assert Profile.objects.count() == 1
