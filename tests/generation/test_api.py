"""Asking for pictures through the public API."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from accounts.tokens import create_token
from billing.ledger import account_of
from generation.models import Request
from gpu import lifecycle
from tests.builders import make_style, make_version
from tests.generation.making import ask, claimed, finish, make_artist

pytestmark = pytest.mark.django_db


class Api:
    def __init__(self, user: User) -> None:
        self.client = Client(headers={"Authorization": f"Bearer {create_token(user=user, name='tests')[1]}"})

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        said = "" if body is None else json.dumps(body)
        return self.client.generic(method, f"/api/v1{path}", said, "application/json", headers=headers)


@pytest.fixture
def artist() -> User:
    return make_artist()


@pytest.fixture
def api(artist: User) -> Api:
    return Api(artist)


def test_generate_answers_at_once_with_the_request_its_jobs_and_its_price(api: Api, artist: User) -> None:
    style = make_style(artist)
    make_version(style)
    mix = [{"id": str(style.public_id), "weight": 0.8}]
    answer = api.call("POST", "/generate", {"prompt": "a fox", "count": 2, "seed": 7, "styles": mix})
    assert answer.status_code == 202
    made = answer.json()
    assert (made["tool"], made["state"], made["prompt"], made["seed"]) == ("text_to_image", "queued", "a fox", 7)
    assert (made["price"], len(made["jobs"]), made["artworks"]) == (2, 2, [])
    assert made["jobs"][0]["kind"] == "text_to_image"
    assert made["styles"] == [{"id": str(style.public_id), "version": 1, "weight": 0.8}]
    assert style.trigger_word in made["full_prompt"]
    assert account_of(artist).held == 2


def test_a_finished_generation_shows_its_pictures_and_their_files(api: Api, artist: User, tmp_path: Path) -> None:
    request = ask(artist, seed=7)
    finish(request.outputs.get(), tmp_path)
    shown = api.call("GET", f"/generations/{request.public_id}").json()
    assert shown["state"] == "succeeded"
    (artwork,) = shown["artworks"]
    assert (artwork["kind"], artwork["width"], artwork["height"], artwork["seed"]) == ("image", 128, 128, 7)
    assert artwork["visibility"] == "private"
    assert artwork["recipe"]["prompt"] == "a fox in the snow"
    path = artwork["file_url"].removeprefix("http://testserver")
    png = b"".join(Client().get(path).streaming_content)  # type: ignore[arg-type]
    assert png.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "a\u0000b"}, "prompt"),
        ({"prompt": "a fox", "steps": 0}, "steps"),
        ({"prompt": "a fox", "steps": "many"}, "steps"),
        ({"prompt": "a fox", "count": 9}, "count"),
        ({"prompt": "a fox", "seed": -1}, "seed"),
        ({"prompt": "a fox", "width": 99, "height": 99}, "width"),
        ({"prompt": "a fox", "guidance": 1e99}, "guidance"),
        ({"prompt": "a fox", "tool": "teleport"}, "tool"),
        ({"prompt": "a fox", "styles": [{"id": str(uuid.uuid4())}]}, "styles"),
        ({"prompt": "porn"}, "prompt"),
    ],
)
def test_bad_input_is_a_problem_that_names_the_field(api: Api, body: dict[str, Any], field: str) -> None:
    answer = api.call("POST", "/generate", body)
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    assert field in answer.json()["errors"]
    assert not Request.objects.exists()


def test_without_enough_credits_the_answer_is_402(settings: Any) -> None:
    settings.BILLING = True
    answer = Api(make_artist(credits=1)).call("POST", "/generate", {"prompt": "a fox", "count": 2})
    assert answer.status_code == 402
    assert "costs 2 credits and you have 1" in answer.json()["detail"]


def test_the_same_key_asks_once(api: Api, artist: User) -> None:
    body, key = {"prompt": "a fox", "count": 2}, {"Idempotency-Key": "one"}
    first, second = (api.call("POST", "/generate", body, **key) for _ in range(2))
    assert first.json() == second.json()
    assert account_of(artist).held == 2
    other = api.call("POST", "/generate", {"prompt": "a hare"}, **key)
    assert other.status_code in (409, 422)


def test_generations_are_paged_newest_first(api: Api, artist: User) -> None:
    made = [str(ask(artist, prompt=f"fox {n}").public_id) for n in range(5)]
    first = api.call("GET", "/generations?limit=3").json()
    second = api.call("GET", f"/generations?limit=3&cursor={first['next']}").json()
    assert [one["id"] for one in first["items"] + second["items"]] == made[::-1]
    assert second["next"] is None


def test_a_cursor_of_ones_own_making_gets_a_sentence(api: Api) -> None:
    for cursor in ("nonsense", "1-2", f"{10**30}-{uuid.uuid4().hex}"):
        assert api.call("GET", f"/generations?cursor={cursor}").status_code == 422


def test_cancel_and_retry(api: Api, artist: User) -> None:
    request = ask(artist, count=2)
    path = f"/generations/{request.public_id}"
    assert api.call("POST", f"{path}/cancel").json()["state"] == "cancelled"
    assert account_of(artist).held == 0
    again = api.call("POST", f"{path}/retry")
    assert (again.status_code, again.json()["state"]) == (202, "queued")
    assert account_of(artist).held == 2
    assert api.call("POST", f"{path}/retry").status_code == 409


def test_a_failed_job_says_why(api: Api, artist: User) -> None:
    request = ask(artist)
    job = claimed(request.outputs.get())
    lifecycle.fail(job_id=job.public_id, fence=job.fence, code="out_of_memory", say="Try a smaller size.")
    shown = api.call("GET", f"/generations/{request.public_id}").json()
    assert shown["state"] == "failed"
    assert shown["jobs"][0]["error"] == {"code": "out_of_memory", "say": "Try a smaller size."}


def test_a_deleted_generation_is_gone_and_its_pictures_stay(api: Api, artist: User, tmp_path: Path) -> None:
    request = ask(artist)
    finish(request.outputs.get(), tmp_path)
    assert api.call("DELETE", f"/generations/{request.public_id}").status_code == 204
    assert api.call("GET", f"/generations/{request.public_id}").status_code == 404
    assert api.call("GET", "/generations").json()["items"] == []
    assert len(api.call("GET", "/artworks").json()["items"]) == 1


def test_what_is_not_ones_own_is_not_there(artist: User) -> None:
    request = ask(artist)
    other = Api(make_artist())
    path = f"/generations/{request.public_id}"
    for method, address in (
        ("GET", path), ("DELETE", path), ("POST", f"{path}/retry"), ("POST", f"{path}/cancel"),
    ):  # fmt: skip
        assert other.call(method, address).status_code == 404
    assert other.call("GET", "/generations").json()["items"] == []
    assert Client().get(f"/api/v1{path}").status_code == 401
