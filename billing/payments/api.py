"""Buying in the public API: both answers are addresses to open in a browser."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from ninja import Router, Schema

from accounts.api import caller
from accounts.idempotency import idempotent
from billing.payments import checkout

router = Router(tags=["billing"])


class CheckoutIn(Schema):
    """`offer` is the `lookup_key` of a plan or a pack, as GET /plans lists them."""

    offer: str


class CheckoutOut(Schema):
    """`url` leads to Checkout. Who is subscribed already changes the plan there instead: `purchase` is null then."""

    url: str
    purchase: UUID | None


class PortalOut(Schema):
    url: str


@router.post("/billing/checkout", response=CheckoutOut)
@idempotent
def begin_checkout(request: HttpRequest, payload: CheckoutIn) -> CheckoutOut:
    try:
        visit = checkout.begin(user=caller(request), lookup_key=payload.offer)
    except checkout.AlreadySubscribed as already:
        page = reverse("billing:billing") + f"?plan={already.plan.slug}"
        return CheckoutOut(url=checkout.absolute(page), purchase=None)
    return CheckoutOut(url=visit.session_url, purchase=visit.public_id)


@router.post("/billing/portal", response=PortalOut)
@idempotent
def open_portal(request: HttpRequest) -> PortalOut:
    return PortalOut(url=checkout.portal(user=caller(request)))
