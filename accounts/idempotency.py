"""Writes that may be sent twice: with an `Idempotency-Key`, the same call again gets the first call's answer.

The key's row, the write and the remembered answer commit together. A crash in between therefore leaves nothing behind,
and a second call that comes while the first runs waits for it at the unique key. Only answers that changed something
are kept: a refused call may be sent again with the same key once its cause is gone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.db import OperationalError, connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja.decorators import decorate_view
from ninja.operation import Operation

from accounts.models import IdempotencyKey, User
from accounts.scopes import caller_of
from config.kit.errors import Conflict, Refusal

HEADER = "Idempotency-Key"
LONGEST_KEY = 200
PATIENCE = "20s"  # for the same call still running; beyond that the caller is told to ask again

View = Callable[..., HttpResponse]


def _once(view: View) -> View:
    operation = cast(Operation, getattr(view, "__self__"))  # noqa: B009 - ninja hands us the operation's own `run`

    @wraps(view)
    def run(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        key = request.headers.get(HEADER)
        try:
            user = _caller(request) if key is not None else None
            if key is None or user is None:  # without a person the view itself answers 401
                return view(request, **kwargs)
            return _run_once(user, key, request, lambda: view(request, **kwargs))
        except Refusal as refusal:
            return operation.api.on_exception(request, refusal)

    return run


# Put under `@router.post(…)`: the operation then honours the header, multipart bodies included.
idempotent = decorate_view(_once)


def _run_once(user: User, key: str, request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
    if not 0 < len(key) <= LONGEST_KEY or not key.isprintable():
        raise Refusal(f"{HEADER} has 1 to {LONGEST_KEY} printable characters.", code="idempotency_key")
    body_hash = _body_hash(request)
    with transaction.atomic():
        row, is_first = _claim(user, key, body_hash)
        if not is_first:
            return _remembered(row, body_hash)
        response = view()
        if response.status_code >= 400:
            transaction.set_rollback(True)
            return response
        row.status = response.status_code
        row.response = json.loads(response.content) if response.content else None
        row.save(update_fields=["status", "response"])
        return response


def _caller(request: HttpRequest) -> User | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return caller_of(request, token) if scheme.lower() == "bearer" else None


def _claim(user: User, key: str, body_hash: str) -> tuple[IdempotencyKey, bool]:
    """The key's row and whether it is ours. Waits while another call with this key has not ended."""
    with connection.cursor() as cursor:
        cursor.execute("select set_config('lock_timeout', %s, true)", [PATIENCE])
    try:
        with transaction.atomic():
            claimed = IdempotencyKey.objects.get_or_create(user=user, key=key, defaults={"body_hash": body_hash})
    except OperationalError as error:
        say = "The first call with this key is still running. Ask again in a moment."
        raise Conflict(say, code="in_progress") from error
    with connection.cursor() as cursor:  # the write itself waits as long as it always would
        cursor.execute("select set_config('lock_timeout', '0', true)")
    return claimed


def _remembered(row: IdempotencyKey, body_hash: str) -> HttpResponse:
    if row.body_hash != body_hash:
        raise Refusal(
            f"This {HEADER} was used for another call. Use a new key for a new call.", code="idempotency_key_reused"
        )
    response = HttpResponse(status=row.status)
    if row.response is not None:
        response = JsonResponse(row.response, status=row.status, safe=False)
    response["Idempotency-Replayed"] = "true"
    return response


def _body_hash(request: HttpRequest) -> str:
    """Of method, address and body; of a multipart body its fields and files, for boundaries differ at each sending."""
    sha = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())

    def add(part: bytes) -> None:
        sha.update(len(part).to_bytes(8, "big") + part)

    if request.content_type == "multipart/form-data":
        for name, values in sorted(request.POST.lists()):
            for text in values:
                add(name.encode())
                add(str(text).encode())
        for name, files in sorted(request.FILES.lists()):
            for file in files:
                add(name.encode())
                add((file.name or "").encode())
                content = hashlib.sha256()
                for chunk in file.chunks():
                    content.update(chunk)
                file.seek(0)
                add(content.digest())
    else:
        add(request.body)
    return sha.hexdigest()
