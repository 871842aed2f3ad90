"""A small API with writes whose effects can be counted, to try `idempotent` on."""

from __future__ import annotations

import time
from uuid import uuid4

from django.http import HttpRequest, HttpResponse
from django.urls import path
from ninja import File, Form, NinjaAPI, Schema, UploadedFile

from accounts.api import TokenAuth, caller
from accounts.idempotency import idempotent
from billing import ledger
from config.kit.errors import Refusal

api = NinjaAPI(auth=TokenAuth(), urls_namespace="writes")


class Gift(Schema):
    amount: int
    pause: float = 0


@api.post("/gifts", response={201: dict})
@idempotent
def give(request: HttpRequest, payload: Gift) -> tuple[int, dict[str, str]]:
    ref = str(uuid4())
    ledger.grant(user=caller(request), amount=payload.amount, source_ref=ref, say="A gift")
    time.sleep(payload.pause)
    if payload.amount == 13:
        raise Refusal("Thirteen is refused, after the write.", code="thirteen")
    return 201, {"ref": ref}


@api.post("/files")
@idempotent
def keep(request: HttpRequest, title: Form[str], files: File[list[UploadedFile]]) -> dict[str, object]:
    ref = str(uuid4())
    ledger.grant(user=caller(request), amount=1, source_ref=ref, say="A file")
    return {"ref": ref, "read": [len(file.read()) for file in files], "title": title}


@api.delete("/gifts", response={204: None})
@idempotent
def nothing(request: HttpRequest) -> tuple[int, None]:
    ledger.grant(user=caller(request), amount=1, source_ref=str(uuid4()), say="A farewell")
    return 204, None


@api.exception_handler(Refusal)
def refused(request: HttpRequest, exc: Refusal) -> HttpResponse:
    return api.create_response(request, {"code": exc.code, "detail": exc.say}, status=exc.status)


urlpatterns = [path("", api.urls)]
