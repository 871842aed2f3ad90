"""What a token may do: one table for every route of the API."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from accounts.models import ApiToken, Scope, User
from accounts.scopes import needed
from accounts.tokens import create_token, token_of
from config.api import api
from tests.builders import make_user
from tests.web.world import World, make_world

pytestmark = pytest.mark.django_db


def calls(world: World) -> list[tuple[str, str]]:
    """Every call of the schema that wants a token, with the ids of a person who has used everything."""
    found = []
    for pattern, methods in api.get_openapi_schema()["paths"].items():
        path = re.sub(r"{(\w+)}", lambda name: str(world.arguments[name.group(1)]), pattern)
        found += [(method.upper(), path) for method, about in methods.items() if "security" in about]
    assert len(found) > 30
    return found


def bearer(user: User, *scopes: str) -> Client:
    ApiToken.objects.filter(user=user).update(revoked_at="2026-01-01T00:00Z")  # the number of tokens is bounded
    return Client(headers={"Authorization": f"Bearer {create_token(user=user, name='x', scopes=scopes)[1]}"})


def call(client: Client, method: str, path: str) -> Any:
    with transaction.atomic():
        answer = client.generic(method, path, data="{}", content_type="application/json")
        transaction.set_rollback(True)
    return answer


def test_every_route_asks_for_one_scope_and_names_it_where_it_is_missing(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    clients = {scope: bearer(world.owner, scope) for scope in Scope.values}
    ApiToken.objects.filter(user=world.owner).update(revoked_at=None)
    wrong = []
    for method, path in calls(world):
        wanted = needed(method, path.removeprefix("/api/v1/"))
        for scope, client in clients.items():
            answer = call(client, method, path)
            refused = answer.status_code == 403 and answer["Content-Type"] == "application/problem+json"
            if refused != (scope != wanted) or (refused and f"“{wanted}”" not in json.loads(answer.content)["detail"]):
                wrong.append((method, path, scope, answer.status_code))
    assert wrong == []


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "me", "read"),
        ("GET", "me/usage", "read"),
        ("PUT", "me", "account"),
        ("GET", "credits/entries", "read"),
        ("POST", "billing/checkout", "billing"),
        ("GET", "billing/invoices", "billing"),
        ("POST", "generate", "write"),
        ("PATCH", "artworks/1", "write"),
        ("DELETE", "styles/1", "write"),
        ("POST", "media", "write"),
        ("PROPFIND", "me", "write"),
    ],
)
def test_reading_writing_money_and_the_profile_are_told_apart(method: str, path: str, scope: str) -> None:
    assert needed(method, path) == scope


def test_a_token_from_before_there_were_scopes_may_do_everything() -> None:
    user = make_user()
    old = ApiToken.objects.create(user=user, name="old", prefix="ac_old", hash="0" * 64)
    assert old.scopes == list(Scope.values)


def test_the_first_answer_is_not_repeated_to_a_token_that_may_not_ask_for_it() -> None:
    user = make_user(name="Ines")
    may, may_not = (bearer(user, scope) for scope in ("account", "read"))
    ApiToken.objects.filter(user=user).update(revoked_at=None)
    sent = {"data": '{"name": "Ines M."}', "content_type": "application/json", "headers": {"Idempotency-Key": "k"}}
    assert may.put("/api/v1/me", **sent).status_code == 200
    assert may_not.put("/api/v1/me", **sent).status_code == 403


def test_the_page_offers_reading_first_and_shows_what_each_token_may_do(client: Client) -> None:
    user = make_user()
    client.force_login(user)
    page = client.get("/settings/tokens/").content.decode()
    assert re.findall(r'value="(\w+)"[^>]* checked', page) == ["read"]
    form = {"name": "Shop", "scopes": ["read", "billing"]}
    html = client.post("/settings/tokens/", form, headers={"HX-Request": "true"}).content.decode()
    assert "read, billing" in html
    token = token_of(re.search(r'id="new-token">(ac_[\w-]+)<', html).group(1))  # type: ignore[union-attr]
    assert token is not None
    assert token.scopes == ["read", "billing"]


@pytest.mark.parametrize("scopes", [[], ["everything"], ["read", "root"]])
def test_a_token_for_nothing_or_for_what_there_is_not_is_refused_at_its_field(
    client: Client, scopes: list[str]
) -> None:
    user = make_user()
    client.force_login(user)
    answer = client.post("/settings/tokens/", {"name": "x", "scopes": scopes}, headers={"HX-Request": "true"})
    assert answer.status_code == 422
    assert "id_scopes_error" in answer.content.decode()
    assert not user.tokens.exists()
