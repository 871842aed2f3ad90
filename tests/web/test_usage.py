"""The figures of a person's own use come from every room that counts something."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client
from redis.exceptions import ConnectionError as RedisGone

from accounts.models import User
from accounts.tokens import create_token
from tests.builders import make_user
from tests.web.world import make_world


@pytest.mark.django_db
def test_usage_counts_what_the_person_made_and_nobody_else_s_work(tmp_path: Path) -> None:
    world = make_world(tmp_path)

    def usage(user: User) -> dict[str, int]:
        token = create_token(user=user, name="tests")[1]
        figures: dict[str, int] = (
            Client().get("/api/v1/me/usage", headers={"Authorization": f"Bearer {token}"}).json()["in_all"]
        )
        return {name: figures[name] for name in ("jobs", "styles", "pictures")}

    assert usage(world.owner) == {"jobs": 2, "styles": 1, "pictures": 1}
    assert usage(make_user()) == {"jobs": 0, "styles": 0, "pictures": 0}


@pytest.mark.django_db
def test_a_ledger_line_s_job_leads_to_what_it_made(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    client = Client()
    client.force_login(world.owner, backend="django.contrib.auth.backends.ModelBackend")

    answer = client.get(f"/jobs/{world.arguments['job_id']}/")
    assert answer.status_code == 302
    assert client.get(answer.headers["Location"]).status_code == 200


@pytest.mark.django_db
def test_a_page_that_cannot_do_without_redis_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_arguments: object, **_named: object) -> None:
        raise RedisGone("connection refused")

    monkeypatch.setattr("config.pages.home.describe", gone)
    answer = Client().get("/")

    assert answer.status_code == 503
    assert "Nothing was lost" in answer.content.decode()
