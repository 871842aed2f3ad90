"""Who may call what: every route of the site × {anonymous, banned, other, staff, owner} × every method.

The routes come from the URLconf itself, so a route that is not in the table below fails these tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import User
from accounts.tokens import create_token
from config.routing import websocket_urlpatterns
from tests.builders import make_user
from tests.web.world import World, make_world

METHODS = ("get", "post", "put", "patch", "delete")

PUBLIC = "public"  # anyone
PERSON = "person"  # anyone signed in; each sees only their own
OWNER = "owner"  # the owner alone; for everyone else it does not exist
TOKEN = "token"  # as PERSON, by API token
TOKEN_OWNER = "token owner"  # as OWNER, by API token
STAFF = "staff"  # Django's admin has rights of its own; here: nobody without is_staff
ALLAUTH = "allauth"  # the library's own pages: they must never answer 500

PREFIXES = {"accounts/": ALLAUTH, "admin/": STAFF}
ROUTES = {
    "": PUBLIC,
    "healthz": PUBLIC,
    "readyz": PUBLIC,
    "media/<path:key>": PUBLIC,
    "mail/": PUBLIC,
    "mail/<str:name>/": PUBLIC,
    "credits/pricing/": PUBLIC,
    "pricing/": PUBLIC,
    "settings/sign-in/<str:token>/": PUBLIC,
    "api/v1/openapi.json": PUBLIC,
    "studio/": PERSON,
    "settings/": PERSON,
    "settings/profile/": PERSON,
    "settings/appearance/": PERSON,
    "settings/tokens/": PERSON,
    "settings/tokens/<uuid:token_id>/revoke/": OWNER,
    "credits/": PERSON,
    "jobs/": PERSON,
    "jobs/<uuid:job_id>/row/": OWNER,
    "jobs/<uuid:job_id>/cancel/": OWNER,
    "jobs/<uuid:job_id>/stop/": OWNER,
    "training/<uuid:style_id>/": OWNER,
    "training/<uuid:style_id>/offer/": OWNER,
    "training/<uuid:style_id>/start/": OWNER,
    "training/<uuid:style_id>/versions/": OWNER,
    "training/<uuid:style_id>/versions/<int:number>/activate/": OWNER,
    "training/<uuid:style_id>/versions/<int:number>/rename/": OWNER,
    "training/<uuid:style_id>/versions/<int:number>/weights/": OWNER,
    "training/runs/<uuid:run_id>/parts/<slug:part>/": OWNER,
    "training/runs/<uuid:run_id>/stop/": OWNER,
    "training/runs/<uuid:run_id>/cancel/": OWNER,
    "training/runs/<uuid:run_id>/retry/": OWNER,
    "training/checkpoints/<uuid:checkpoint_id>/choose/": OWNER,
    "create/": PERSON,
    "create/styles/<uuid:style_id>/": OWNER,
    "create/<uuid:request_id>/": OWNER,
    "create/<uuid:request_id>/cancel/": OWNER,
    "create/<uuid:request_id>/retry/": OWNER,
    "create/<uuid:request_id>/again/": OWNER,
    "create/pictures/<uuid:output_id>/": OWNER,
    "create/pictures/<uuid:output_id>/cancel/": OWNER,
    "create/pictures/<uuid:output_id>/retry/": OWNER,
    "gallery/": PERSON,
    "gallery/selection/": PERSON,
    "gallery/restore/": PERSON,
    "gallery/<uuid:artwork_id>/": OWNER,
    "gallery/<uuid:artwork_id>/favourite/": OWNER,
    "gallery/<uuid:artwork_id>/describe/": OWNER,
    "gallery/<uuid:artwork_id>/delete/": OWNER,
    "api/v1/me": TOKEN,
    "api/v1/me/usage": TOKEN,
    "api/v1/credits": TOKEN,
    "api/v1/credits/entries": TOKEN,
    "api/v1/plans": TOKEN,
    "api/v1/jobs/<uuid:job_id>": TOKEN_OWNER,
    "api/v1/styles": TOKEN,
    "api/v1/styles/sample": TOKEN,
    "api/v1/styles/<uuid:style_id>": TOKEN_OWNER,
    "api/v1/styles/<uuid:style_id>/restore": TOKEN_OWNER,
    "api/v1/styles/<uuid:style_id>/images": TOKEN_OWNER,
    "api/v1/styles/<uuid:style_id>/images/<uuid:image_id>": TOKEN_OWNER,
    "api/v1/styles/<uuid:style_id>/report": TOKEN_OWNER,
    "api/v1/styles/<uuid:style_id>/train": TOKEN_OWNER,
    "api/v1/styles/<uuid:style_id>/training": TOKEN_OWNER,
    "api/v1/styles/<uuid:style_id>/training/retry": TOKEN_OWNER,
    "api/v1/styles/<uuid:style_id>/versions": TOKEN_OWNER,
    "api/v1/styles/<uuid:style_id>/versions/<int:number>/activate": TOKEN_OWNER,
    "api/v1/styles/<uuid:style_id>/versions/<int:number>/weights": TOKEN_OWNER,
    "api/v1/generate": TOKEN,
    "api/v1/generations": TOKEN,
    "api/v1/generations/<uuid:generation_id>": TOKEN_OWNER,
    "api/v1/generations/<uuid:generation_id>/retry": TOKEN_OWNER,
    "api/v1/generations/<uuid:generation_id>/cancel": TOKEN_OWNER,
    "api/v1/artworks": TOKEN,
    "api/v1/artworks/<uuid:artwork_id>": TOKEN_OWNER,
    "api/v1/artworks/<uuid:artwork_id>/file": TOKEN_OWNER,
}
SHUT = {401, 403, 404, 405}


@dataclass(frozen=True)
class Route:
    pattern: str
    access: str
    arguments: tuple[str, ...]

    def path(self, world: World) -> str:
        path = self.pattern
        for name in self.arguments:
            value = str(world.arguments[name])
            for converter in ("uuid", "int", "slug", "str", "path"):
                path = path.replace(f"<{converter}:{name}>", value)
        return f"/{path}"


def patterns(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in resolver.url_patterns:
        whole = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from patterns(entry, whole)
        else:
            yield whole, entry


def access_of(pattern: str) -> str | None:
    return next((access for prefix, access in PREFIXES.items() if pattern.startswith(prefix)), ROUTES.get(pattern))


def routes() -> list[Route]:
    found = []
    for pattern, entry in patterns(get_resolver()):
        access = access_of(pattern)
        if access is not None:
            found.append(Route(pattern, access, tuple(entry.pattern.converters)))
    return found


def call(client: Client, method: str, path: str, token: str = "") -> HttpResponse:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = {} if method == "get" else {"content_type": "application/json", "data": "{}"}
    with transaction.atomic():
        answer: Any = getattr(client, method)(path, headers=headers, **body)
        transaction.set_rollback(True)
    assert isinstance(answer.status_code, int)
    return answer  # type: ignore[no-any-return]


def turned_away(answer: HttpResponse) -> bool:
    to_login = answer.status_code == 302 and "/accounts/login" in answer.headers["Location"]
    return answer.status_code in SHUT or to_login


def faults(world: World, user: User | None, wrong: Callable[[Route, HttpResponse], bool]) -> list[str]:
    """Every call of this person whose answer is wrong; a 500 always is."""
    client = Client(raise_request_exception=False)
    token = ""
    if user is not None:
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        token = create_token(user=user, name="tests")[1]
    bad = []
    for route in routes():
        if route.access in (STAFF, ALLAUTH) and route.arguments:
            continue  # rows of the admin and links of the library: their own tests
        for method in METHODS:
            answer = call(client, method, route.path(world), token if route.access in (TOKEN, TOKEN_OWNER) else "")
            if answer.status_code >= 500 or wrong(route, answer):
                bad.append(f"{method.upper()} /{route.pattern} ({route.access}): {answer.status_code}")
    return bad


@pytest.fixture
def world(db: None, tmp_path: Path) -> World:
    return make_world(tmp_path)


def test_every_route_is_in_the_table() -> None:
    unlisted = [pattern for pattern, _entry in patterns(get_resolver()) if access_of(pattern) is None]

    assert unlisted == []


def test_every_line_of_the_table_is_a_route() -> None:
    real = {pattern for pattern, _entry in patterns(get_resolver())}

    assert set(ROUTES) - real == set()


def test_there_is_one_websocket_and_it_is_known() -> None:
    assert [str(route.pattern) for route in websocket_urlpatterns] == ["ws/"]


def test_an_anonymous_visitor_gets_public_pages_only(world: World) -> None:
    shut = {PERSON, OWNER, TOKEN, TOKEN_OWNER, STAFF}
    admin_doors = ("admin/login/", "admin/logout/", "admin/jsi18n/")

    def wrong(route: Route, answer: HttpResponse) -> bool:
        if route.access == STAFF:
            at_door = answer.status_code == 302 and "/admin/login/" in answer.headers["Location"]
            return not (turned_away(answer) or at_door or route.pattern in admin_doors)
        return route.access in shut and not turned_away(answer)

    assert faults(world, None, wrong) == []


def test_a_banned_person_is_nobody(world: World) -> None:
    banned = make_user(state=User.State.BANNED)
    shut = {PERSON, OWNER, TOKEN, TOKEN_OWNER}

    assert faults(world, banned, lambda route, answer: route.access in shut and not turned_away(answer)) == []


def test_what_belongs_to_somebody_does_not_exist_for_others(world: World) -> None:
    owned = {OWNER, TOKEN_OWNER}

    def wrong(route: Route, answer: HttpResponse) -> bool:
        return route.access in owned and answer.status_code not in (404, 405)

    assert faults(world, make_user(), wrong) == []


def test_staff_sees_people_s_work_in_the_admin_and_nowhere_else(world: World) -> None:
    owned = {OWNER, TOKEN_OWNER}

    def wrong(route: Route, answer: HttpResponse) -> bool:
        return route.access in owned and answer.status_code not in (404, 405)

    assert faults(world, make_user(is_staff=True), wrong) == []


def test_nobody_without_staff_rights_enters_the_admin(world: World) -> None:
    def wrong(route: Route, answer: HttpResponse) -> bool:
        inside = route.access == STAFF and answer.status_code == 200
        return inside and route.pattern not in ("admin/login/", "admin/logout/", "admin/jsi18n/")

    assert faults(world, make_user(), wrong) == []


def test_the_owner_reaches_everything_of_their_own(world: World) -> None:
    own = {PERSON, OWNER, TOKEN, TOKEN_OWNER}

    def wrong(route: Route, answer: HttpResponse) -> bool:
        to_login = answer.status_code == 302 and "/accounts/login" in answer.headers["Location"]
        return route.access in own and (answer.status_code in (401, 403, 404) or to_login)

    assert faults(world, world.owner, wrong) == []
