"""Who may call what: every route of the site × {anonymous, banned, other, staff, owner} × every method.

The routes come from the URLconf itself, so a route that is not in the table below fails these tests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import User
from accounts.tokens import create_token
from config.routing import websocket_urlpatterns
from tests.builders import make_user, staff_client
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
    "media/<key>": PUBLIC,
    "mail/": PUBLIC,
    "mail/<name>/": PUBLIC,
    "mail/<name>/looks/": PUBLIC,
    "credits/pricing/": PUBLIC,
    "pricing/": PUBLIC,
    "settings/sign-in/<token>/": PUBLIC,
    "api/v1/": PUBLIC,
    "api/v1/openapi.json": PUBLIC,
    "api/v1/plans": PUBLIC,
    "studio/": PERSON,
    "settings/": PERSON,
    "settings/profile/": PERSON,
    "settings/appearance/": PERSON,
    "settings/avatar/": PERSON,
    "settings/avatar/remove/": PERSON,
    "settings/security/again/": PERSON,
    "settings/security/again/done/": PERSON,
    "settings/sessions/end/": PERSON,
    "settings/sessions/<session_id>/end/": OWNER,
    "settings/security/": PERSON,
    "settings/tokens/": PERSON,
    "settings/tokens/<token_id>/revoke/": OWNER,
    "settings/data/": PERSON,
    "settings/data/export/": PERSON,
    "settings/data/export/ask/": PERSON,
    "settings/data/export/<export_id>/": OWNER,
    "settings/data/close/": PERSON,
    "settings/data/keep/": PERSON,
    "settings/notifications/": PERSON,
    "settings/notifications/save/": PERSON,
    "notifications/": PERSON,
    "notifications/bell/": PERSON,
    "notifications/read/": PERSON,
    "notifications/unsubscribe/<token>/": PUBLIC,  # the signed address is the proof
    "notifications/<notification_id>/": OWNER,
    "notifications/<notification_id>/read/": OWNER,
    "credits/": PERSON,
    "credits/lines.csv": PERSON,
    "credits/checkout/": PERSON,
    "credits/purchases/<purchase_id>/": OWNER,
    "credits/portal/": PERSON,
    "credits/billing/": PERSON,
    "credits/billing/change/": PERSON,
    "credits/billing/cancel/": PERSON,
    "credits/billing/resume/": PERSON,
    "stripe/webhook/": PUBLIC,  # the signature is the proof; without a key there is nothing here
    "jobs/": PERSON,
    "jobs/<job_id>/": OWNER,
    "jobs/<job_id>/row/": OWNER,
    "jobs/<job_id>/cancel/": OWNER,
    "jobs/<job_id>/stop/": OWNER,
    "styles/": PERSON,
    "styles/new/": PERSON,
    "styles/sample/": PERSON,
    "styles/import/": PERSON,
    "styles/<style_id>/": OWNER,
    "styles/<style_id>/change/": OWNER,
    "styles/<style_id>/delete/": OWNER,
    "styles/<style_id>/restore/": OWNER,
    "styles/<style_id>/use/": OWNER,
    "styles/<style_id>/declare/": OWNER,
    "styles/<style_id>/consent/": OWNER,
    "styles/<style_id>/consent/revoke/": OWNER,
    "styles/<style_id>/works/": OWNER,
    "styles/<style_id>/works/<work_id>/": OWNER,
    "styles/<style_id>/works/<work_id>/remove/": OWNER,
    "styles/<style_id>/works/<work_id>/keep/": OWNER,
    "styles/<style_id>/works/<work_id>/restore/": OWNER,
    "training/<style_id>/": OWNER,
    "training/<style_id>/offer/": OWNER,
    "training/<style_id>/start/": OWNER,
    "training/<style_id>/versions/": OWNER,
    "training/<style_id>/versions/compare/": OWNER,
    "training/<style_id>/versions/<number>/activate/": OWNER,
    "training/<style_id>/versions/<number>/rename/": OWNER,
    "training/<style_id>/versions/<number>/weights/": OWNER,
    "training/runs/<run_id>/parts/<part>/": OWNER,
    "training/runs/<run_id>/stop/": OWNER,
    "training/runs/<run_id>/cancel/": OWNER,
    "training/runs/<run_id>/retry/": OWNER,
    "training/checkpoints/<checkpoint_id>/choose/": OWNER,
    "create/": PERSON,
    "create/styles/<style_id>/": OWNER,
    "create/<tool>/": PERSON,
    "create/<tool>/upload/": PERSON,
    "create/<request_id>/": OWNER,
    "create/<request_id>/cancel/": OWNER,
    "create/<request_id>/retry/": OWNER,
    "create/<request_id>/again/": OWNER,
    "create/pictures/<output_id>/": OWNER,
    "create/pictures/<output_id>/cancel/": OWNER,
    "create/pictures/<output_id>/retry/": OWNER,
    "gallery/": PERSON,
    "gallery/selection/": PERSON,
    "gallery/restore/": PERSON,
    "gallery/<artwork_id>/": OWNER,
    "gallery/<artwork_id>/favourite/": OWNER,
    "gallery/<artwork_id>/describe/": OWNER,
    "gallery/<artwork_id>/delete/": OWNER,
    "api/v1/me": TOKEN,
    "api/v1/me/avatar": TOKEN,
    "api/v1/me/usage": TOKEN,
    "api/v1/credits": TOKEN,
    "api/v1/credits/entries": TOKEN,
    "api/v1/billing/checkout": TOKEN,
    "api/v1/billing/portal": TOKEN,
    "api/v1/jobs/<job_id>": TOKEN_OWNER,
    "api/v1/styles": TOKEN,
    "api/v1/styles/sample": TOKEN,
    "api/v1/styles/import": TOKEN,
    "api/v1/styles/<style_id>": TOKEN_OWNER,
    "api/v1/styles/<style_id>/restore": TOKEN_OWNER,
    "api/v1/styles/<style_id>/images": TOKEN_OWNER,
    "api/v1/styles/<style_id>/images/<image_id>": TOKEN_OWNER,
    "api/v1/styles/<style_id>/report": TOKEN_OWNER,
    "api/v1/styles/<style_id>/train": TOKEN_OWNER,
    "api/v1/styles/<style_id>/training": TOKEN_OWNER,
    "api/v1/styles/<style_id>/training/retry": TOKEN_OWNER,
    "api/v1/styles/<style_id>/training/checkpoints/<step>/choose": TOKEN_OWNER,
    "api/v1/styles/<style_id>/versions": TOKEN_OWNER,
    "api/v1/styles/<style_id>/versions/<number>/activate": TOKEN_OWNER,
    "api/v1/styles/<style_id>/versions/<number>/weights": TOKEN_OWNER,
    "api/v1/generate": TOKEN,
    "api/v1/generate/upload": TOKEN,
    "api/v1/generations": TOKEN,
    "api/v1/generations/<generation_id>": TOKEN_OWNER,
    "api/v1/generations/<generation_id>/retry": TOKEN_OWNER,
    "api/v1/generations/<generation_id>/cancel": TOKEN_OWNER,
    "api/v1/artworks": TOKEN,
    "api/v1/artworks/<artwork_id>": TOKEN_OWNER,
    "api/v1/artworks/<artwork_id>/file": TOKEN_OWNER,
}
SHUT = {401, 403, 404, 405}
# The API reads the body before it looks for the row: a bad body is 422 whoever sends it, and tells nothing of the row.
FOREIGN = {OWNER: {404, 405}, TOKEN_OWNER: {404, 405, 422}}


@dataclass(frozen=True)
class Route:
    pattern: str
    access: str
    arguments: tuple[str, ...]

    def path(self, world: World) -> str:
        path = self.pattern
        for name in self.arguments:
            path = path.replace(f"<{name}>", str(world.arguments[name]))
        return f"/{path}"


def patterns(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in resolver.url_patterns:
        whole = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from patterns(entry, whole)
        else:
            yield re.sub(r"<(?:\w+:)?(\w+)>", r"<\1>", whole), entry  # the name alone, without its converter


def access_of(pattern: str) -> str | None:
    return next((access for prefix, access in PREFIXES.items() if pattern.startswith(prefix)), ROUTES.get(pattern))


def routes() -> list[Route]:
    found = []
    for pattern, entry in patterns(get_resolver()):
        access = access_of(pattern)
        if access is not None:
            found.append(Route(pattern, access, tuple(entry.pattern.converters)))
    return list(dict.fromkeys(found))


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


def exists(route: Route, answer: HttpResponse) -> bool:
    """Whether the answer lets on that somebody else's row is there."""
    return route.access in FOREIGN and answer.status_code not in FOREIGN[route.access]


def faults(world: World, user: User | None, wrong: Callable[[Route, HttpResponse], bool]) -> list[str]:
    """Every call of this person whose answer is wrong; a 500 always is."""
    client = Client(raise_request_exception=False)
    token, session = "", ""
    if user is not None:
        if user.is_staff:
            staff_client(user, client=client)
        else:
            client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        token, session = create_token(user=user, name="tests")[1], client.cookies[settings.SESSION_COOKIE_NAME].value
    bad = []
    for route in routes():
        if route.access in (STAFF, ALLAUTH) and route.arguments:
            continue  # rows of the admin and links of the library: their own tests
        for method in METHODS:
            client.cookies.clear()  # signing out is among the calls
            if session:
                client.cookies[settings.SESSION_COOKIE_NAME] = session
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
    assert faults(world, make_user(), exists) == []


def test_staff_sees_people_s_work_in_the_admin_and_nowhere_else(world: World) -> None:
    assert faults(world, make_user(is_staff=True), exists) == []


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
