"""The public API: each room's router under /api/v1, one shape for errors, one way to sign in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.parser import Parser

from accounts.api import TokenAuth
from accounts.api import router as accounts_router
from billing.api import router as billing_router
from billing.payments.api import router as payments_router
from config.kit.errors import Refusal, TooMany, WayUp
from gallery.api import router as gallery_router
from generation.api import router as generation_router
from gpu.api import router as gpu_router
from styles.api import router as styles_router
from training.api import router as training_router


class JsonObject(Parser):
    """A body is an object: ninja would take a list or a number for an object without fields."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        body: object = super().parse_body(request)
        if not isinstance(body, dict):
            raise ValueError("the body is no JSON object")  # answered as 400
        return body


api = NinjaAPI(
    title="ArtistCloner",
    version="1",
    description="Everything the pages can do. Tokens are made in Settings, each for what it may do: `read` for GET, "
    "`write` for what changes something, `billing` for /billing, `account` for the profile.",
    auth=TokenAuth(),
    urls_namespace="api",
    docs_url=None,
    parser=JsonObject(),
)
for _router in (
    accounts_router,
    billing_router,
    payments_router,
    gpu_router,
    styles_router,
    gallery_router,
    training_router,
    generation_router,
):
    api.add_router("", _router)


def problem(
    request: HttpRequest,
    status: int,
    title: str,
    detail: str,
    *,
    code: str = "",
    errors: dict[str, list[str]] | None = None,
    ways: Sequence[WayUp] = (),
) -> HttpResponse:
    """RFC 9457: a machine-readable problem whose `detail` a person can act on. `upgrade` says what would lift it."""
    body: dict[str, Any] = {"type": f"about:blank#{code}" if code else "about:blank", "title": title}
    body |= {"status": status, "detail": detail}
    if errors:
        body["errors"] = errors
    if ways:
        best = next((way for way in ways if way.plan), ways[0])
        body["upgrade"] = {
            "plan": best.plan or None,
            "url": request.build_absolute_uri(best.url),
            "offers": [
                {"offer": way.offer, "say": way.label, "url": request.build_absolute_uri(way.url)} for way in ways
            ],
        }
    response = api.create_response(request, body, status=status)
    response["Content-Type"] = "application/problem+json"
    return response


@api.exception_handler(Refusal)
def refused(request: HttpRequest, exc: Refusal) -> HttpResponse:
    errors = {exc.field: [exc.say]} if exc.field else None
    response = problem(
        request, exc.status, "This cannot be done", exc.say, code=exc.code, errors=errors, ways=exc.ways_up
    )
    if isinstance(exc, TooMany):
        response["Retry-After"] = str(exc.retry_after)
    return response


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, exc: ValidationError) -> HttpResponse:
    errors: dict[str, list[str]] = {}
    for fault in exc.errors:
        where = ".".join(str(part) for part in fault["loc"][1:] if part not in ("body", "payload")) or "body"
        errors.setdefault(where, []).append(str(fault["msg"]))
    fields = ", ".join(errors)
    return problem(request, 422, "Some fields need another value", f"Please check: {fields}.", errors=errors)


@api.exception_handler(AuthenticationError)
def unauthenticated(request: HttpRequest, exc: AuthenticationError) -> HttpResponse:
    response = problem(request, 401, "Not signed in", "Send `Authorization: Bearer <token>`; tokens are in Settings.")
    response["WWW-Authenticate"] = "Bearer"
    return response


@api.exception_handler(Http404)
def missing(request: HttpRequest, exc: Http404) -> HttpResponse:
    return problem(request, 404, "Not found", "There is nothing here, or it is not yours.")


@api.exception_handler(RequestDataTooBig)
def too_large(request: HttpRequest, exc: RequestDataTooBig) -> HttpResponse:
    say = "A body holds 2 MB at most. Send pictures as files: `POST /generate/upload` answers with an id for each."
    return problem(request, 413, "The body is too large", say, code="too_large")


@api.exception_handler(HttpError)
def http_error(request: HttpRequest, exc: HttpError) -> HttpResponse:
    return problem(request, exc.status_code, "This request cannot be read", str(exc))
