"""Where somebody is signed in: the sessions, when each was last seen, and ending them."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from redis.exceptions import RedisError

from accounts import audit
from accounts.models import User

log = structlog.get_logger(__name__)
SEEN_EVERY = 60  # seconds: a page that asks every second must not write a row each time


class SeenMiddleware:
    """Notes when and from where a session was last used, once a minute."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        key = request.session.session_key
        if key and request.user.is_authenticated and _is_due(key):
            UserSession.objects.create_from_request(request)
        return self.get_response(request)


def _is_due(session_key: str) -> bool:
    try:
        return cache.add(f"session-seen:{session_key}", 1, timeout=SEEN_EVERY)
    except RedisError as error:  # what nobody counts is not worth a failed page
        log.warning("session_not_noted", error=str(error))
        return False


def sessions_of(user: User) -> list[UserSession]:
    """Those that still open something, the newest use first."""
    return sorted(UserSession.objects.purge_and_list(user), key=lambda session: session.last_seen_at, reverse=True)


def end_session(*, session: UserSession, actor: User) -> None:
    """Its next request finds nobody signed in; its open websockets close at their next look (`gpu.consumers`)."""
    session.end()
    _note(actor, 1)


def end_other_sessions(*, user: User, keep: str) -> int:
    """Every session but the one with this key; answers how many."""
    others = UserSession.objects.filter(user=user).exclude(session_key=keep)
    ended = len(others)
    for session in others:
        session.end()
    if ended:
        _note(user, ended)
    return ended


def _note(user: User, ended: int) -> None:
    audit.record(actor=user, verb="session.end", target_kind="user", target=user.public_id, detail={"sessions": ended})


def tidy() -> None:
    """Forget the sessions that have run out, and the lines in the list of those that are gone."""
    Session.objects.filter(expire_date__lt=timezone.now()).delete()
    UserSession.objects.exclude(session_key__in=Session.objects.values("session_key")).delete()
