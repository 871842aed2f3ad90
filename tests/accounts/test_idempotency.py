"""The same call again gets the same answer, and its effect happens once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client

from accounts.models import IdempotencyKey, User
from accounts.tokens import create_token
from billing.models import CreditGrant
from tests.builders import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.accounts.writes")]


@pytest.fixture
def artist() -> User:
    return make_user()


@pytest.fixture
def send(artist: User) -> Any:
    _, token = create_token(user=artist, name="tests")

    def call(body: dict[str, Any], *, key: str | None = "k1", path: str = "/gifts", bearer: str = token) -> Any:
        headers = {"Authorization": f"Bearer {bearer}"} | ({"Idempotency-Key": key} if key is not None else {})
        return Client().post(path, body, content_type="application/json", headers=headers)

    return call


def test_the_same_call_again_gets_the_same_answer_and_happens_once(send: Any) -> None:
    first, second = send({"amount": 5}), send({"amount": 5})
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert second["Idempotency-Replayed"] == "true"
    assert CreditGrant.objects.count() == 1


def test_without_a_key_each_call_happens(send: Any) -> None:
    send({"amount": 5}, key=None)
    send({"amount": 5}, key=None)
    assert CreditGrant.objects.count() == 2


def test_the_same_key_with_another_body_is_refused_with_a_sentence(send: Any) -> None:
    send({"amount": 5})
    other = send({"amount": 6})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert CreditGrant.objects.count() == 1


def test_two_people_may_use_the_same_key(send: Any) -> None:
    send({"amount": 5})
    _, other = create_token(user=make_user(), name="tests")
    assert send({"amount": 5}, bearer=other).status_code == 201
    assert CreditGrant.objects.count() == 2


def test_a_refused_call_leaves_nothing_behind_and_may_be_sent_again(send: Any) -> None:
    for _ in range(2):
        refused = send({"amount": 13})
        assert (refused.status_code, refused.json()["code"]) == (422, "thirteen")
    assert not CreditGrant.objects.exists()
    assert not IdempotencyKey.objects.exists()


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_a_key_that_is_none_is_refused(send: Any, key: str) -> None:
    answer = send({"amount": 5}, key=key)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key")


def test_without_a_person_the_answer_is_401(send: Any) -> None:
    assert send({"amount": 5}, bearer="ac_nobody").status_code == 401
    assert not IdempotencyKey.objects.exists()


def test_an_answer_without_a_body_is_remembered_too(artist: User) -> None:
    _, token = create_token(user=artist, name="tests")
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k1"}
    answers = [Client().delete("/gifts", headers=headers) for _ in range(2)]
    assert [(answer.status_code, answer.content) for answer in answers] == [(204, b"")] * 2
    assert CreditGrant.objects.count() == 1


def test_a_multipart_body_is_recognised_by_its_fields_and_files(artist: User) -> None:
    _, token = create_token(user=artist, name="tests")
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k1"}

    def upload(content: bytes) -> Any:
        files = [SimpleUploadedFile("a.png", content), SimpleUploadedFile("b.png", b"bb")]
        return Client().post("/files", {"title": "two", "files": files}, headers=headers)

    first, second = upload(b"aaa"), upload(b"aaa")
    assert first.json() == second.json()
    assert first.json()["read"] == [3, 2]  # hashing leaves the files as they were
    assert upload(b"aab").status_code == 422
    assert CreditGrant.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_calls_at_once_one_happens_and_all_get_its_answer(send: Any) -> None:
    def call(_: int) -> tuple[int, dict[str, str]]:
        try:
            answer = send({"amount": 5, "pause": 0.2})
            return answer.status_code, answer.json()
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(call, range(8)))
    assert {status for status, _ in answers} == {201}
    assert len({body["ref"] for _, body in answers}) == 1
    assert CreditGrant.objects.count() == 1
