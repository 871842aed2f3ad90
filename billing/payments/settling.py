"""The one door: bring one customer's credits, plan and purchases in line with what Stripe says now.

Webhook, return page, sweep and reconcile all end here. Everything happens in one transaction under the lock of the
customer's row, and each effect has one key, so it may run twice, at once, late, or be killed in between.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from traceback import format_exc

import structlog
from django.db import transaction
from django.db.models import Q, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.language import speaking_to
from accounts.models import User
from billing import ledger, notices, plans
from billing.models import (
    CreditEntry,
    CreditGrant,
    CreditTransaction,
    Entitlement,
    Purchase,
    StripeCustomer,
    StripeEvent,
)
from billing.payments import entitling, granting
from billing.payments.client import Found, id_of
from billing.payments.ending import end_all
from billing.payments.fetching import Affairs, UnknownCustomer, fetch
from billing.payments.granting import Incoming, Returned

log = structlog.get_logger(__name__)

LONGEST_ERROR = 300
AGAIN_AFTER = timedelta(minutes=1)  # a settling failed


def settle(customer: str, *, wait: bool = True) -> bool:
    """Settle one customer (`cus_…`). False: nobody of ours, or, without `wait`, somebody else is just doing it."""
    try:
        return _settle(customer, wait=wait)
    except UnknownCustomer as error:
        log.error("stripe_customer_unknown", customer=customer)
        aside = {"settled_at": timezone.now(), "error": str(error)[:LONGEST_ERROR]}
        StripeCustomer.objects.filter(customer=customer).update(**aside)
        StripeEvent.objects.filter(customer=customer, settled_at=None).update(**aside)
        return False


def settle_or_note(customer: str) -> bool:
    """The same where a failure must not end what is being done: it is noted, and the sweep tries again."""
    try:
        return settle(customer)
    except Exception as error:  # noqa: BLE001 - one customer's trouble must not hold up the others
        log.error("settle_failed", customer=customer, trace=format_exc())  # not its locals: they hold our key
        StripeCustomer.objects.filter(customer=customer).update(
            error=f"{type(error).__name__}: {error}"[:LONGEST_ERROR], asked_at=timezone.now() + AGAIN_AFTER
        )
        return False


@transaction.atomic
def _settle(customer: str, *, wait: bool) -> bool:
    rows = StripeCustomer.objects.select_for_update(skip_locked=not wait, no_key=True)
    owner = rows.filter(customer=customer).first()  # the person is read after the lock was had: they as they are now
    if owner is None:
        return False
    now = timezone.now()
    # only the news that were there before Stripe was asked are answered by what it says
    news = list(StripeEvent.objects.filter(customer=customer, settled_at=None).values_list("pk", flat=True))
    owner.settled_at, owner.error = now, ""
    if owner.user.state != User.State.CLOSED:  # who has left is told nothing any more, and nothing of theirs is kept
        affairs = fetch(customer)
        if owner.user.state == User.State.BANNED and not affairs.customer.get("deleted"):
            end_all(customer=owner, key=f"banned:{owner.user.public_id}")
            affairs = fetch(customer)
        with speaking_to(owner.user):
            owner.error = _follow(owner, affairs, now)
    owner.save(update_fields=["settled_at", "error"])
    StripeEvent.objects.filter(pk__in=news).update(settled_at=now, error="")
    return True


def _follow(owner: StripeCustomer, affairs: Affairs, now: datetime) -> str:
    """Do what follows from what Stripe says; answers what ails the mirror."""
    came = granting.incoming(affairs)
    _bring_in(owner.user, came)
    _take_back(owner.user, granting.returned(affairs, came))
    _entitle(owner.user, affairs, now)
    _close_purchases(owner.user, affairs, now)
    return _mirror(affairs, owner)


# --- credits --------------------------------------------------------------------------------------------------


def _bring_in(user: User, came: list[Incoming]) -> None:
    grants = CreditGrant.objects.filter(source_ref__in=[one.source_ref for one in came])
    known = set(grants.values_list("source_ref", flat=True))
    for one in came:
        if one.source_ref in known:  # as the catalogue was then; it may have changed since
            continue
        if one.rollover is not None and one.expires_at is not None:
            ledger.renew(
                user=user,
                amount=one.amount,
                source_ref=one.source_ref,
                say=one.say,
                expires_at=one.expires_at,
                rollover=one.rollover,
            )
        else:
            ledger.grant(
                user=user, amount=one.amount, source_ref=one.source_ref, say=one.say, expires_at=one.expires_at
            )
        notices.receipt(user=user, key=one.source_ref, title=one.title, body=one.body, facts=one.facts)


def _take_back(user: User, backs: list[Returned]) -> None:
    amounts = dict(
        CreditGrant.objects.filter(source_ref__in=[one.source_ref for one in backs]).values_list("source_ref", "amount")
    )
    standing: list[tuple[Returned, int]] = []
    undone: list[Returned] = []
    for one in backs:
        credits = one.of(amounts[one.source_ref])
        if credits == 0:  # a dispute of a payment that had gone back already is about nothing
            continue
        if one.undone:
            undone.append(one)
        else:
            standing.append((one, credits))
    done = _done([one.key for one in backs])
    for one, credits in standing:
        if one.key not in done:
            ledger.revoke(source_ref=one.source_ref, amount=credits, key=one.key, say=one.say)
            notices.money_back(user=user, key=one.key, title=one.say, credits=credits)
            if one.disputed:
                notices.disputed(key=one.key, amount=one.disputed)
    for gone in undone:
        if gone.key in done:
            _give_back(gone)
            _take_for_others(gone, standing)


def _give_back(gone: Returned) -> None:
    key = f"{gone.key}:undone"
    taken = _taken_by(gone)
    if taken and key not in _done([key]):
        ledger.reinstate(source_ref=gone.source_ref, amount=taken, key=key, say=gone.undone_say)


def _take_for_others(gone: Returned, standing: list[tuple[Returned, int]]) -> None:
    """What came back belongs to whatever else took the same money back and found too little left of its credits."""
    for one, credits in standing:
        key = f"{one.key}:after:{gone.key}"
        short = credits - _taken_by(one)
        if one.source_ref == gone.source_ref and short > 0 and key not in _done([key]):
            ledger.revoke(source_ref=one.source_ref, amount=short, key=key, say=one.say)


def _taken_by(one: Returned) -> int:
    """Everything that it took, whenever it did."""
    its = Q(transaction__key=one.key) | Q(transaction__key__startswith=f"{one.key}:after:")
    house = CreditEntry.objects.filter(its, bucket=CreditEntry.Bucket.HOUSE)
    return house.aggregate(sum=Sum("amount"))["sum"] or 0


def _done(keys: list[str]) -> set[str]:
    return set(CreditTransaction.objects.filter(key__in=keys).values_list("key", flat=True))


# --- the plan -------------------------------------------------------------------------------------------------


def _entitle(user: User, affairs: Affairs, now: datetime) -> None:
    was = Entitlement.objects.filter(user=user).first() or Entitlement(user=user)
    row, before = entitling.entitle(user, entitling.entitled(affairs.subscriptions, now))
    plan = plans.PLANS.get(row.plan, plans.FREE)
    turn = f"{row.subscription}:{row.plan}:{row.renews_at or row.ends_at}"
    is_ending = row.ends_at is not None and row.status in plans.PAID_STATUSES
    goes_on = row.ends_at is None and (was.subscription, was.subscribed) == (row.subscription, row.subscribed)
    mine = plans.PLANS.get(row.subscribed, plans.FREE)  # beside which staff may have given a larger one
    told = f"{row.subscription}:{was.updated_at}"  # cancelled and resumed, as often as somebody likes
    if row.plan != before:
        notices.plan_changed(user=user, key=turn, plan=plan.name)
    elif is_ending and row.ends_at != was.ends_at:
        notices.plan_changed(user=user, key=f"{told}:ends", plan=mine.name, until=row.ends_at)
    elif goes_on and was.ends_at is not None and row.status in plans.PAID_STATUSES:
        notices.plan_goes_on(user=user, key=f"{told}:goes-on", plan=mine.name)
    if row.overdue_since is not None:
        _tell_overdue(user, affairs, row)


def _tell_overdue(user: User, affairs: Affairs, row: Entitlement) -> None:
    """Once for each failed attempt, with how long it goes on."""
    invoice = unpaid_invoice(affairs.invoices)
    if invoice is None:
        return
    due = granting.money(invoice["amount_remaining"], invoice["currency"])
    again = _("It is tried again in some days, and your plan goes on meanwhile.")
    rests = _("Your plan rests until it is paid.")
    goes_on = again if row.status in plans.PAID_STATUSES else rests
    body = _("%(due)s is to be paid. %(goes_on)s You can pay now, or change the card.")
    body %= {"due": due, "goes_on": goes_on}
    notices.payment_failed(user=user, key=f"{invoice['id']}:{invoice.get('attempt_count', 0)}", body=body)


def unpaid_invoice(invoices: list[Found]) -> Found | None:
    """The newest one that was tried and is still to be paid."""
    open_ones = [one for one in invoices if one["status"] in ("open", "uncollectible") and one.get("attempted")]
    return max(open_ones, key=lambda one: (one["created"], one["id"]), default=None)


# --- purchases ------------------------------------------------------------------------------------------------


def _close_purchases(user: User, affairs: Affairs, now: datetime) -> None:
    """What Checkout was opened for: paid, or never to be. Both are the end of it."""
    open_ones = {str(one.public_id): one for one in Purchase.objects.filter(user=user, state=Purchase.State.OPEN)}
    paid = {invoice["id"] for invoice in affairs.invoices if invoice["status"] == "paid"}
    for session in affairs.sessions:
        purchase = open_ones.get(session.get("client_reference_id") or "")
        if purchase is None:
            continue
        invoice = id_of(session.get("invoice"))
        if session["payment_status"] in granting.PAID and (not invoice or invoice in paid):
            purchase.state = Purchase.State.PAID
        elif session["status"] == "expired" or _has_failed(session, affairs):
            purchase.state = Purchase.State.EXPIRED
        else:
            continue
        purchase.session, purchase.settled_at = session["id"], now
        purchase.save(update_fields=["state", "session", "settled_at"])


def _has_failed(session: Found, affairs: Affairs) -> bool:
    """A bank that takes days to answer said no: the session stays complete and unpaid."""
    if session["status"] != "complete" or session["payment_status"] in granting.PAID:
        return False
    over = {one["id"] for one in affairs.subscriptions if one["status"] in entitling.OVER}
    if id_of(session.get("subscription")) in over:
        return True
    payment = id_of(session.get("payment_intent"))
    tries = {one["status"] for one in affairs.charges if payment and id_of(one.get("payment_intent")) == payment}
    return tries == {"failed"}


def _mirror(affairs: Affairs, owner: StripeCustomer) -> str:
    """Last, and in a transaction of its own within: the money is right whatever becomes of its mirror."""
    from billing.payments.mirror import mirror

    try:
        with transaction.atomic():
            mirror(affairs, owner)
    except Exception as error:  # noqa: BLE001 - the library's own troubles must not stop the money
        log.error("mirror_failed", customer=owner.customer, trace=format_exc())
        return f"mirror: {type(error).__name__}: {error}"[:LONGEST_ERROR]
    return ""
