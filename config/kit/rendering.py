"""Answering with the page, or with one part of it to an HTMX request; and turning refusals into answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from config.kit.errors import Refusal, TooMany, WayUp


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


def toast(
    response: HttpResponse, say: str, *, kind: str = "success", undo_url: str = "", way: WayUp | None = None
) -> HttpResponse:
    """Let the page say a sentence once this answer arrives. `kind`: success, warning, danger; `way`: a link in it."""
    told = {"say": say, "kind": kind, "undo": undo_url}
    if way:
        told |= {"url": way.url, "label": way.label}
    response["HX-Trigger"] = json.dumps({"toast": told})
    return response


def page_of(request: HttpRequest) -> str:
    """The path of the page a person is on, to lead back to: for a form or a fragment, the page that it stands on."""
    if request.method in ("GET", "HEAD") and not request.headers.get("HX-Request"):
        return request.get_full_path()
    address = request.headers.get("HX-Current-URL") or request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure()):
        return ""
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


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
            way = exception.way_up.back_to(page_of(request)) if exception.way_up else None
            response = toast(HttpResponse(status=exception.status), exception.say, kind="danger", way=way)
        else:
            context = {"refusal": exception, "say": exception.say, "back": request.META.get("HTTP_REFERER", "/")}
            too_often = isinstance(exception, TooMany) and not exception.way_up
            template = "429.html" if too_often else "refusal.html"
            response = render(request, template, context, status=exception.status)
        if isinstance(exception, TooMany):
            response["Retry-After"] = str(exception.retry_after)
        return response
