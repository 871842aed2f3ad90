"""Credits and plans in the public API."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema

from accounts.api import caller
from billing import ledger, plans
from billing.models import CreditTransaction, Entitlement
from billing.queries import among, entries_of, expiries_of, page_of, spent
from billing.usage import read_month

PAGE, MAX_PAGE = 50, 200
router = Router(tags=["credits"])


class ExpiryOut(Schema):
    """What runs out on that day unless it is used before."""

    on: date
    amount: int


class CreditsOut(Schema):
    """`unlimited`: at home credits are counted but never block. What is not among `expires` never does."""

    available: int
    held: int
    debt: int
    spent: int
    unlimited: bool
    plan: str
    renews_at: datetime | None
    expires: list[ExpiryOut]


class PartOut(Schema):
    say: str
    credits: int


class EntryOut(Schema):
    """`amount` is what it did to the balance, which is everything not yet spent; `held` is what a hold sets aside.

    `parts` are what was delivered, piece by piece.
    """

    id: UUID
    at: datetime
    kind: str
    amount: int
    balance: int
    held: int
    say: str
    job: UUID | None
    parts: list[PartOut]


class EntryPage(Schema):
    """`next` is the `cursor` of the following page, null on the last."""

    items: list[EntryOut]
    next: str | None


class RateOut(Schema):
    minute: int
    hour: int


class RatesOut(Schema):
    """How often something may be asked for; past it the answer is 429 with `Retry-After`."""

    submit: RateOut
    upload: RateOut


class PlanOut(Schema):
    """`lookup_key` is the `offer` of `POST /billing/checkout`, empty where there is nothing to buy.

    `rollover`: how many of a month's credits are carried on at most.
    """

    slug: str
    lookup_key: str
    name: str
    cents_a_month: int
    credits: int
    rollover: int
    max_styles: int | None
    max_steps: int
    visible_mark: bool
    video: bool
    queue: str
    rates: RatesOut


class PackOut(Schema):
    lookup_key: str
    credits: int
    cents: int


class PriceOut(Schema):
    slug: str
    name: str
    note: str
    credits: int


class PlansOut(Schema):
    billing: bool
    plans: list[PlanOut]
    packs: list[PackOut]
    prices: list[PriceOut]


@router.get("/credits", response=CreditsOut)
def my_credits(request: HttpRequest) -> CreditsOut:
    user = caller(request)
    account = ledger.account_of(user)
    entitlement = Entitlement.objects.filter(user=user).first()
    return CreditsOut(
        available=account.available,
        held=account.held,
        debt=account.debt,
        spent=spent(user),
        unlimited=account.unlimited,
        plan=plans.plan_of(user).slug,
        renews_at=entitlement.renews_at if entitlement else None,
        expires=[ExpiryOut(on=one.on, amount=one.amount) for one in expiries_of(user)],
    )


@router.get("/credits/entries", response=EntryPage)
def my_entries(request: HttpRequest, cursor: str = "", limit: int = PAGE, kind: str = "", month: str = "") -> EntryPage:
    """Every entry, newest first. `kind`: paid, held, in, back, gone or adjusted; `month`: like 2026-11."""
    rows = among(entries_of(caller(request)), kind=kind, month=read_month(month) if month else None)
    page = page_of(rows, cursor=cursor, size=max(1, min(limit, MAX_PAGE)))
    return EntryPage(items=[_entry(row) for row in page.items], next=page.next or None)


@router.get("/plans", response=PlansOut, auth=None)
def all_plans(request: HttpRequest) -> dict[str, Any]:
    """What there is and what it costs. With `billing` false this is a home: its one plan stands first and is free."""
    at_home = [] if plans.billing_is_on() else [plans.HOME]
    catalogue = {"plans": [*at_home, *plans.PLANS.values()], "packs": plans.PACKS, "prices": plans.TOOLS}
    return {"billing": plans.billing_is_on(), **catalogue}


def _entry(row: CreditTransaction) -> EntryOut:
    held = row.hold.amount if row.hold and row.kind == CreditTransaction.Kind.HOLD else 0
    return EntryOut(
        id=row.public_id,
        at=row.at,
        kind=row.kind,
        amount=row.amount,
        balance=row.balance,
        held=held,
        say=row.say,
        job=row.job,
        parts=[PartOut(say=label, credits=credits) for label, credits in row.parts],
    )
