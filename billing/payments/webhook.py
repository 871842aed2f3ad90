"""Stripe's news: verified, kept as they came, and a bell is rung. What they say is asked for again before it counts.

dj-stripe has a webhook of its own; it is not mounted. It takes its secret from a table and with DEBUG from a header
that the caller may set, and it does its work inside the request, in one transaction with whatever listens.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import stripe
import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from billing.models import StripeEvent
from billing.payments.bell import ring
from billing.payments.client import Found, is_on
from billing.payments.fetching import customer_behind

log = structlog.get_logger(__name__)

LARGEST = 256 * 1024  # bytes; Stripe's largest events are a tenth of it
TOLERANCE = 300  # seconds between the signing and now


class _Refused(Exception):
    def __init__(self, say: str, status: int = 400) -> None:
        super().__init__(say)
        self.status = status


@csrf_exempt
@require_POST
def webhook(request: HttpRequest) -> HttpResponse:
    """200: kept. 400: not from Stripe, too old, or of the other mode. 413: too large."""
    if not (is_on() and settings.STRIPE_WEBHOOK_SECRET):
        raise Http404
    try:
        body = _body(request)
        event = _verified(body, request.headers.get("Stripe-Signature", ""))
        keep(event, body)
    except _Refused as refused:
        log.warning("webhook_refused", why=str(refused))
        return HttpResponse(str(refused), status=refused.status, content_type="text/plain")
    return HttpResponse("kept", content_type="text/plain")


@transaction.atomic
def keep(event: Found, body: str) -> StripeEvent:
    """Write the event down, or count it where it is known, and ring for its customer."""
    facts = {
        "kind": str(event["type"])[:80],
        "customer": customer_behind(event["data"]["object"]),
        "livemode": event["livemode"],
        "body": body,
        "created_at": datetime.fromtimestamp(event["created"], UTC),
    }
    row, is_new = StripeEvent.objects.get_or_create(event=event["id"], defaults=facts)
    if not is_new:
        StripeEvent.objects.filter(pk=row.pk).update(times=F("times") + 1)
    if row.settled_at is None:  # the customer's row is not touched: whoever settles holds it while Stripe answers
        transaction.on_commit(ring, robust=True)
    return row


def _body(request: HttpRequest) -> str:
    too_large = _Refused("A message holds 256 kB at most.", 413)
    told = request.headers.get("Content-Length") or "0"
    if not (told.isascii() and told.isdigit()):
        raise _Refused("The length of the message is no number.")
    if int(told) > LARGEST:
        raise too_large
    try:
        raw = request.body
    except RequestDataTooBig:
        raise too_large from None
    if len(raw) > LARGEST:
        raise too_large
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise _Refused("The message is no text.") from None


def _verified(body: str, signature: str) -> Found:
    not_ours = _Refused("The signature is missing, wrong, or too old.")
    if not signature.isascii():  # the library's comparison takes nothing else
        raise not_ours
    try:
        stripe.WebhookSignature.verify_header(body, signature, settings.STRIPE_WEBHOOK_SECRET, TOLERANCE)
    except stripe.SignatureVerificationError:
        raise not_ours from None
    try:
        event: Found = json.loads(body)
        event["type"], event["created"], event["data"]["object"]["object"], event["id"]
        livemode = event["livemode"]
    except (ValueError, KeyError, TypeError):
        raise _Refused("The message is no event.") from None
    if livemode is not settings.STRIPE_LIVE_MODE:
        raise _Refused("The event is of the other mode, live or test, than this site's key.")
    return event
