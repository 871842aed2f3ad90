"""Answering with the page, or with one part of it to an HTMX request; and turning refusals into answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from config.kit.errors import Refusal, TooMany


def page(
    request: HttpRequest, template: str, context: dict[str, Any], *, part: str | None = None, status: int = 200
) -> HttpResponse:
    """The whole page, or `template#part` where HTMX asked and a part is named.

    A boosted or history-restoring request wants the page.
    """
    htmx = getattr(request, "htmx", None)
    if part and htmx and not htmx.boosted and not htmx.history_restore_request:
        template = f"{template}#{part}"
    response = render(request, template, context, status=status)
    response["Vary"] = "HX-Request"
    return response


def toast(response: HttpResponse, say: str, *, kind: str = "success", undo_url: str = "") -> HttpResponse:
    """Let the page say a sentence once this answer arrives. `kind`: success, warning, danger."""
    response["HX-Trigger"] = json.dumps({"toast": {"say": say, "kind": kind, "undo": undo_url}})
    return response


class RefusalMiddleware:
    """Answers a `Refusal` raised by a page's view: a toast for HTMX, a plain page otherwise."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, RedisError):
            # what cannot do without it is refused with a sentence; nothing is lost with Redis
            say = _("A part of this site does not answer just now. Nothing was lost; please try again in a minute.")
            exception = Refusal(say, code="unavailable", status=503)
        if not isinstance(exception, Refusal):
            return None
        if getattr(request, "htmx", False):
            response = toast(HttpResponse(status=exception.status), exception.say, kind="danger")
        else:
            context = {"say": exception.say, "back": request.META.get("HTTP_REFERER", "/")}
            response = render(request, "refusal.html", context, status=exception.status)
        if isinstance(exception, TooMany):
            response["Retry-After"] = str(exception.retry_after)
        return response
